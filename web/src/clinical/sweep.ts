// The sweep: a fixed trace that a moving head overwrites, with a gap before
// the old trace begins. One loop drives every canvas of the page.

import type { Block, Trace, WaveSocket } from '../live/waves';

/** Pixels (CSS) that are kept clear ahead of the head. */
export const eraseGap = 12;

/** Where time t lies on a canvas of width w at a speed in pixels per second. */
export const xAt = (t: number, speed: number, w: number): number => {
  const x = ((t / 1000) * speed) % w;
  return x < 0 ? x + w : x;
};

/** The stretches to clear when the cleared edge moves from a to b on a ring of width w. */
export function ring(a: number, b: number, w: number): [number, number][] {
  if (b - a >= w) return [[0, w]];
  const from = ((a % w) + w) % w;
  const to = from + (b - a);
  return to <= w
    ? [[from, to]]
    : [
        [from, w],
        [0, to - w],
      ];
}

export interface Scale {
  low: number;
  high: number;
  /** The widest swing seen so far. */
  widest?: number;
}

/** Smallest range that fills the height, so that noise on a flat line stays a flat line. */
export function leastRange(metric: string, unit: string): number {
  if (metric.startsWith('ecg')) return unit === 'uV' ? 1000 : unit === 'V' ? 0.001 : 1;
  if (unit === 'mm[Hg]') return 20;
  return 0;
}

/**
 * The scale for what was seen. It widens at once and narrows slowly, so that the
 * trace does not breathe, and keeps at least a tenth of the widest swing, so
 * that a pulse that has gone stays flat.
 */
export function scaleFor(seen: Scale, old: Scale | undefined, least: number): Scale {
  let { low, high } = seen;
  if (old) {
    low = Math.min(low, old.low + (low - old.low) * 0.25);
    high = Math.max(high, old.high + (high - old.high) * 0.25);
  }
  const widest = Math.max(seen.high - seen.low, old?.widest ?? 0);
  const floor = Math.max(least, widest * 0.1, 1e-9);
  if (high - low < floor) {
    const mid = (high + low) / 2;
    return { low: mid - floor / 2, high: mid + floor / 2, widest };
  }
  return { low, high, widest };
}

/** Tells whether what was seen leaves the scale by more than a twentieth. */
export function exceeds(seen: Scale, scale: Scale): boolean {
  const slack = (scale.high - scale.low) * 0.05;
  return seen.low < scale.low - slack || seen.high > scale.high + slack;
}

function seenIn(trace: Trace, from: number): Scale | undefined {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const b of trace.blocks) {
    if (b.t0 < from) continue;
    low = Math.min(low, b.low);
    high = Math.max(high, b.high);
  }
  return low <= high ? { low, high } : undefined;
}

/** Time of the last sample. */
const endOf = (b: Block): number => b.t0 + ((b.samples.length - 1) * 1000) / b.rate;

export interface Pen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
}

/** How far a line has been drawn. */
export interface Drawn {
  /** Time of the last sample drawn, ms. */
  t: number;
  x: number;
  y: number;
  /** The pen is on the paper: the next sample continues the line. */
  down: boolean;
}

/** How time and value lie on a canvas. */
export interface Geometry {
  /** Pixels a second. */
  speed: number;
  width: number;
  y(value: number): number;
}

/**
 * Draws the samples with d.t < time <= until. A missing sample, a hole between
 * blocks and the right edge lift the pen: a gap is a gap.
 */
export function drawLine(pen: Pen, trace: Trace, d: Drawn, until: number, g: Geometry): void {
  pen.moveTo(d.x, d.y);
  const { blocks } = trace;
  // Nearly always the last one or two: found from the end.
  let first = blocks.length;
  while (first > 0 && endOf(blocks[first - 1] as Block) > d.t) first--;
  for (; first < blocks.length; first++) drawBlock(pen, blocks[first] as Block, d, until, g);
}

function drawBlock(pen: Pen, b: Block, d: Drawn, until: number, g: Geometry): void {
  const step = 1000 / b.rate;
  const dx = g.speed / b.rate;
  const from = Math.max(0, Math.floor((d.t - b.t0) / step + 1e-6) + (d.t >= b.t0 ? 1 : 0));
  let t = b.t0 + from * step;
  let x = xAt(t, g.speed, g.width);
  for (let i = from; i < b.samples.length && t <= until; i++, t += step, x += dx) {
    if (x >= g.width) x -= g.width;
    const v = b.samples[i] as number;
    if (Number.isNaN(v)) {
      d.down = false;
      d.t = t;
      continue;
    }
    const y = g.y(v);
    if (d.down && t - d.t < step * 2.5 && x >= d.x) pen.lineTo(x, y);
    else pen.moveTo(x, y);
    d.t = t;
    d.x = x;
    d.y = y;
    d.down = true;
  }
}

export interface SweepOptions {
  canvas: HTMLCanvasElement;
  series: number;
  metric: string;
  unit: string;
  colour: string;
}

class Sweep {
  private readonly ctx: CanvasRenderingContext2D | null;
  private w = 0;
  private h = 0;
  private rem = 16;
  private scale: Scale | undefined;
  private lap = -1;
  private heard = 0;
  private cleared = 0;
  private drawn: Drawn = { t: 0, x: 0, y: 0, down: false };
  readonly o: SweepOptions;

  constructor(o: SweepOptions) {
    this.o = o;
    this.ctx = o.canvas.getContext('2d');
  }

  resize(): void {
    const { canvas } = this.o;
    const dpr = devicePixelRatio || 1;
    this.w = canvas.clientWidth;
    this.h = canvas.clientHeight;
    canvas.width = Math.round(this.w * dpr);
    canvas.height = Math.round(this.h * dpr);
    this.rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
    this.ctx?.setTransform(dpr, 0, 0, dpr, 0, 0);
    this.restart();
  }

  restart(): void {
    this.ctx?.clearRect(0, 0, this.w, this.h);
    this.drawn = { t: 0, x: 0, y: 0, down: false };
    this.cleared = 0;
    this.lap = -1;
  }

  /** Pixels a second: respiration sweeps at a quarter of the speed, as monitors do. */
  private speed(): number {
    return (this.o.metric === 'resp' ? 0.72 : 2.75) * this.rem;
  }

  frame(trace: Trace | undefined, now: number): void {
    const ctx = this.ctx;
    if (!ctx || !trace || this.w < 20 || this.h < 8) return;
    const speed = this.speed();
    const head = now - trace.delay;
    this.rescale(trace, Math.floor(((head / 1000) * speed) / this.w), head);
    if (!this.scale) return;
    const lapMs = (this.w / speed) * 1000;
    // The clock was set back, or the sweep plays from another time now.
    if (this.drawn.t - head > 1000) this.restart();
    if (this.drawn.t === 0 || head - this.drawn.t > lapMs) {
      this.drawn = { t: head - lapMs + (eraseGap / speed) * 1000, x: 0, y: 0, down: false };
    }
    const edge = (head / 1000) * speed + eraseGap;
    if (this.cleared === 0) this.cleared = edge - eraseGap;
    if (edge > this.cleared) {
      for (const [a, b] of ring(this.cleared, edge, this.w)) ctx.clearRect(a, 0, b - a, this.h);
      this.cleared = edge;
    }
    this.stroke(ctx, trace, head, speed);
  }

  private stroke(ctx: CanvasRenderingContext2D, trace: Trace, head: number, speed: number): void {
    const { low, high } = this.scale as Scale;
    const pad = Math.max(3, this.h * 0.07);
    // The wave's name stands above it.
    const k = (this.h - pad - 0.85 * this.rem) / (high - low);
    const y = (v: number) => Math.min(this.h - 1, Math.max(1, this.h - pad - (v - low) * k));
    ctx.strokeStyle = this.o.colour;
    ctx.lineWidth = this.o.metric.startsWith('ecg') ? 1.7 : 1.5;
    ctx.lineJoin = 'round';
    ctx.lineCap = 'round';
    ctx.beginPath();
    drawLine(ctx, trace, this.drawn, head, { speed, width: this.w, y });
    ctx.stroke();
  }

  /**
   * Looks at the height once a lap. What would leave the canvas in between
   * changes it at once, and the lap is drawn anew at the new height.
   */
  private rescale(trace: Trace, lap: number, head: number): void {
    if (this.scale && lap === this.lap && trace.heard === this.heard) return;
    const seen = seenIn(trace, head - 8000);
    if (!seen) return;
    const old = this.scale;
    this.heard = trace.heard;
    if (old && lap === this.lap && !exceeds(seen, old)) return;
    this.scale = scaleFor(seen, old, leastRange(this.o.metric, this.o.unit));
    if (!old || exceeds(seen, old)) this.restart();
    this.lap = lap;
  }
}

/** ms between a picture and the wish for the next: about 30 pictures a second. */
const pause = 24;
/** The same for people who asked for less motion: the trace grows once a second. */
const calmPause = 1000;

/** Drives all sweeps of a page from one animation frame, at 30 pictures a second. */
export class SweepEngine {
  private readonly sweeps = new Map<HTMLCanvasElement, Sweep>();
  private readonly sizes: ResizeObserver;
  private readonly waves: WaveSocket;
  private readonly now: () => number;
  private raf = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private frozen = false;
  private readonly calm = matchMedia('(prefers-reduced-motion: reduce)');

  constructor(waves: WaveSocket, now: () => number) {
    this.waves = waves;
    this.now = now;
    this.sizes = new ResizeObserver((list) => {
      for (const e of list) this.sweeps.get(e.target as HTMLCanvasElement)?.resize();
    });
  }

  add(o: SweepOptions): () => void {
    const sweep = new Sweep(o);
    this.sweeps.set(o.canvas, sweep);
    this.sizes.observe(o.canvas);
    this.listen();
    return () => {
      this.sizes.unobserve(o.canvas);
      this.sweeps.delete(o.canvas);
      this.listen();
    };
  }

  /** While the link is gone nothing may look alive: traces are wiped and stay empty. */
  freeze(on: boolean): void {
    if (on === this.frozen) return;
    this.frozen = on;
    for (const s of this.sweeps.values()) s.restart();
  }

  private pending = false;

  private wake(): void {
    if (!this.raf && this.sweeps.size > 0) this.raf = requestAnimationFrame(this.tick);
  }

  /** Subscribes to exactly the series on screen, once after a burst of changes. */
  private listen(): void {
    this.wake();
    if (this.pending) return;
    this.pending = true;
    setTimeout(() => {
      this.pending = false;
      this.waves.watch([...new Set([...this.sweeps.values()].map((s) => s.o.series))]);
    }, 50);
  }

  private readonly tick = (): void => {
    this.raf = 0;
    if (this.sweeps.size === 0) return;
    // Asking for every second frame only costs half as much as skipping one.
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.wake(), this.calm.matches ? calmPause : pause);
    if (this.frozen) return;
    const now = this.now();
    for (const s of this.sweeps.values()) s.frame(this.waves.traces.get(s.o.series), now);
  };
}
