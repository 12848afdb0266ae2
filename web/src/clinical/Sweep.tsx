import { useEffect, useRef } from 'react';
import { useSession } from '../live/context';
import type { WaveView } from './bed';

const colours = new Map<string, string>();

/** A token's value; canvases cannot use variables. Forgotten when the theme changes. */
function colour(name: string): string {
  const key = `${name}${document.documentElement.dataset.night ?? '-'}`;
  let v = colours.get(key);
  if (!v) {
    v = getComputedStyle(document.documentElement).getPropertyValue(`--v-${name}`).trim();
    colours.set(key, v);
  }
  return v;
}

export function Sweep({ wave, night }: { wave: WaveView; night: boolean }) {
  const { sweeps } = useSession();
  const canvas = useRef<HTMLCanvasElement>(null);
  const { series, metric, unit, colour: token } = wave;
  // biome-ignore lint/correctness/useExhaustiveDependencies: night changes what colour() returns
  useEffect(() => {
    const el = canvas.current;
    if (!el) return;
    let stop: (() => void) | undefined;
    // Only what is on the screen is drawn and asked for.
    const eye = new IntersectionObserver(([entry]) => {
      stop?.();
      stop = entry?.isIntersecting
        ? sweeps.add({ canvas: el, series, metric, unit, colour: colour(token) })
        : undefined;
    });
    eye.observe(el);
    return () => {
      eye.disconnect();
      stop?.();
    };
  }, [sweeps, series, metric, unit, token, night]);
  return (
    <div>
      <em>{wave.label}</em>
      <canvas ref={canvas} data-series={series} />
    </div>
  );
}
