// The wave stream: binary blocks into one Trace per series. Waves may be
// dropped; a jump of the sequence is a gap and is drawn as one.

import { backoff } from './backoff';

const header = 32;
const missing = -32768;

export interface Block {
  channel: number;
  seq: number;
  /** Milliseconds since 1970 of the first sample. */
  t0: number;
  /** Samples per second. */
  rate: number;
  /** NaN where the device sent none; empty for a gap. */
  samples: Float32Array;
  /** Smallest and largest sample; infinite, the wrong way round, when there is none. */
  low: number;
  high: number;
}

/** Reads the blocks of one frame; a broken frame yields the blocks before the break. */
export function parseBlocks(buf: ArrayBuffer): Block[] {
  const v = new DataView(buf);
  const out: Block[] = [];
  for (let at = 0; at + header <= buf.byteLength; ) {
    if (v.getUint8(at) !== 1) break;
    const kind = v.getUint8(at + 1);
    const n = v.getUint16(at + 20, true);
    if (at + header + n * 2 > buf.byteLength) break;
    const block: Block = {
      channel: v.getUint16(at + 2, true),
      seq: v.getUint32(at + 4, true),
      t0: v.getFloat64(at + 8, true),
      rate: v.getUint32(at + 16, true) / 1000,
      samples: new Float32Array(kind === 1 ? n : 0),
      low: Number.POSITIVE_INFINITY,
      high: Number.NEGATIVE_INFINITY,
    };
    fill(block, v, at);
    out.push(block);
    at += (header + n * 2 + 7) & ~7;
  }
  return out;
}

function fill(block: Block, v: DataView, at: number): void {
  const gain = v.getFloat32(at + 24, true);
  const offset = v.getFloat32(at + 28, true);
  for (let i = 0; i < block.samples.length; i++) {
    const raw = v.getInt16(at + header + i * 2, true);
    const value = raw === missing ? Number.NaN : offset + gain * raw;
    block.samples[i] = value;
    if (value < block.low) block.low = value;
    if (value > block.high) block.high = value;
  }
}

export interface Channel {
  channel: number;
  series: number;
  subject: string;
  metric: string;
  title?: string;
  rateNum: number;
  rateDen: number;
  unit: string;
}

/** Blocks of one series, in the order of time, for as long as a sweep needs them. */
export class Trace {
  readonly blocks: Block[] = [];
  /** How far behind the newest sample it has to play so that it never runs dry, ms. */
  delay = Number.NEGATIVE_INFINITY;
  /** When a block came last, ms by the clock that is given to add(). */
  heard = 0;
  private seq = -1;
  private readonly waits: number[] = [];

  /** Takes a block that arrived at now (the same clock as t0). */
  add(b: Block, now: number): void {
    this.heard = now;
    const gap = this.seq >= 0 && b.seq !== (this.seq + 1) >>> 0;
    this.seq = b.seq;
    if (b.samples.length === 0) return;
    const last = this.blocks.at(-1);
    if (last && b.t0 < last.t0) return; // older than what is shown: it has been swept over
    if (gap) this.waits.length = 0;
    this.blocks.push(b);
    while ((this.blocks[0]?.t0 ?? b.t0) < b.t0 - 30_000) this.blocks.shift();
    this.pace(now - b.t0);
  }

  /** The first sample of a block waits longest: the largest wait seen lately is the delay. */
  private pace(wait: number): void {
    this.waits.push(wait);
    if (this.waits.length > 40) this.waits.shift();
    const needed = Math.max(...this.waits) + 120;
    // Later at once, since the sweep would run dry; sooner only when it is worth a visible jump.
    if (needed > this.delay || this.delay - needed > 700) this.delay = needed;
  }
}

export class WaveSocket {
  readonly traces = new Map<number, Trace>();
  private channels = new Map<number, number>();
  private series: number[] = [];
  private ws: WebSocket | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private attempt = 0;
  private readonly url: string;
  private readonly now: () => number;
  private readonly open: (url: string) => WebSocket;

  constructor(url: string, now: () => number, open: (url: string) => WebSocket = (u) => new WebSocket(u)) {
    this.url = url;
    this.now = now;
    this.open = open;
  }

  /** Listens to exactly these series; none closes the link. */
  watch(series: number[]): void {
    const sorted = [...series].sort((a, b) => a - b);
    if (sorted.join() === this.series.join()) return;
    this.series = sorted;
    for (const id of this.traces.keys()) if (!sorted.includes(id)) this.traces.delete(id);
    if (sorted.length === 0) this.close();
    else if (!this.ws) this.connect();
    else if (this.ws.readyState === 1) this.send();
  }

  close(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
    const ws = this.ws;
    this.ws = undefined;
    ws?.close();
  }

  private send(): void {
    this.ws?.send(JSON.stringify({ subscribe: { series: this.series } }));
  }

  private connect(): void {
    const ws = this.open(this.url);
    ws.binaryType = 'arraybuffer';
    this.ws = ws;
    ws.onopen = () => this.send();
    ws.onmessage = (m) => this.receive(ws, m.data);
    // An error says nothing that the close after it does not say.
    ws.onerror = () => undefined;
    ws.onclose = () => {
      if (ws !== this.ws) return;
      this.ws = undefined;
      this.channels.clear();
      this.retry = setTimeout(() => this.connect(), backoff(this.attempt++));
    };
  }

  private receive(ws: WebSocket, data: unknown): void {
    if (ws !== this.ws) return;
    this.attempt = 0;
    if (typeof data === 'string') {
      const m = JSON.parse(data) as { channels?: Channel[] };
      this.channels = new Map((m.channels ?? []).map((c) => [c.channel, c.series]));
      return;
    }
    if (!(data instanceof ArrayBuffer)) return;
    const now = this.now();
    for (const b of parseBlocks(data)) {
      const series = this.channels.get(b.channel);
      if (series === undefined || !this.series.includes(series)) continue;
      let trace = this.traces.get(series);
      if (!trace) {
        trace = new Trace();
        this.traces.set(series, trace);
      }
      trace.add(b, now);
    }
  }
}
