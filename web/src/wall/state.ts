import { type RefObject, useCallback, useEffect, useLayoutEffect, useState } from 'react';

/** The unit in the address, so that a wall opens where it was. "" is all of them. */
export function useUnit(): [string, (unit: string) => void] {
  const [unit, set] = useState(() => new URLSearchParams(location.search).get('unit') ?? '');
  const choose = useCallback((u: string) => {
    const url = new URL(location.href);
    if (u) url.searchParams.set('unit', u);
    else url.searchParams.delete('unit');
    history.replaceState(null, '', url);
    set(u);
  }, []);
  return [unit, choose];
}

/** From 21:00 to 06:00 the wall gives less light; the button overrules it until the next change. */
const isNight = (d: Date) => d.getHours() >= 21 || d.getHours() < 6;

export function useNight(): [boolean, () => void] {
  const [scheduled, setScheduled] = useState(() => isNight(new Date()));
  const [override, setOverride] = useState<boolean | null>(null);
  useEffect(() => {
    const timer = setInterval(() => setScheduled(isNight(new Date())), 30_000);
    return () => clearInterval(timer);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new shift ends the override
  useEffect(() => setOverride(null), [scheduled]);
  const night = override ?? scheduled;
  useLayoutEffect(() => {
    if (night) document.documentElement.dataset.night = '';
    else delete document.documentElement.dataset.night;
  }, [night]);
  return [night, useCallback(() => setOverride(!night), [night])];
}

/** Size of the grid in rem, and whether the screen is so small that it becomes a list. */
export function useGridSize(grid: RefObject<HTMLElement | null>) {
  const [size, set] = useState({ width: 0, height: 0, list: false });
  useLayoutEffect(() => {
    const el = grid.current;
    if (!el) return;
    const measure = () => {
      const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
      const width = Math.round((el.clientWidth / rem - 0.75) * 10) / 10;
      const height = Math.round((el.clientHeight / rem - 0.75) * 10) / 10;
      const list = innerWidth < 700 || innerHeight < 420;
      set((old) =>
        old.width === width && old.height === height && old.list === list ? old : { width, height, list },
      );
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(el);
    return () => observer.disconnect();
  }, [grid]);
  return size;
}
