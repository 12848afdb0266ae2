// The event stream: subscribes, resumes by cursor, watches for silence of the
// server, and asks for a fresh start when the server says that this screen
// fell behind.

import type { ReadingNow, SeriesState, StoredEvent } from '../api/types';
import { awakeClock } from './awake';
import { backoff } from './backoff';

/** Without a message for this long the link is stale (the server beats once a second). */
export const staleAfter = 3_000;
/** Without a message for this long the link counts as lost. */
export const offlineAfter = 15_000;
/** The server's way to say: you fell behind, fetch anew. */
export const closeBehind = 4008;

export type Frame =
  | { type: 'snapshot'; data: { readings?: ReadingNow[] | null; states?: SeriesState[] | null } }
  | { type: 'readings'; data: ReadingNow[] }
  | { type: 'event'; subject?: string; data: StoredEvent }
  | { type: 'state'; subject?: string; data: SeriesState }
  | { type: 'registry'; data: { kind: string; id: string } }
  | { type: 'heartbeat' }
  | { type: 'error'; data: { msg: string } };

type Envelope = Frame & { cursor?: string; time?: string };

export interface Wanted {
  patients: string[];
  subjects: string[];
}

export interface Handlers {
  frame(f: Frame): void;
  /** Every message's server time. */
  time(serverTime: string): void;
  /** The server cannot resume: fetch the screen's contents anew. */
  fresh(): void;
  /** Something about the link changed, see phase(). */
  link(): void;
}

export type Phase = 'connecting' | 'live' | 'stale' | 'offline';

export interface SocketParts {
  open?: (url: string) => WebSocket;
  now?: () => number;
  random?: () => number;
}

export class EventSocket {
  private ws: WebSocket | undefined;
  private wanted: Wanted | undefined;
  private cursor = '';
  private attempt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private readonly watch: ReturnType<typeof setInterval>;
  private lastPhase: Phase = 'connecting';
  private closed = false;
  private readonly url: string;
  private readonly on: Handlers;
  private readonly open: (url: string) => WebSocket;
  private readonly now: () => number;
  private readonly random: () => number;
  private readonly started: number;
  /** When the last message came, by the local clock; 0 before the first. */
  heard = 0;

  constructor(url: string, on: Handlers, parts: SocketParts = {}) {
    this.url = url;
    this.on = on;
    this.open = parts.open ?? ((u) => new WebSocket(u));
    this.now = parts.now ?? awakeClock();
    this.random = parts.random ?? Math.random;
    this.started = this.now();
    this.watch = setInterval(() => this.check(), 250);
  }

  /** Sets what to listen to; sent at once, and again after each reconnect. */
  subscribe(wanted: Wanted): void {
    this.wanted = wanted;
    if (this.ws?.readyState === 1) this.send();
    else if (!this.ws) this.connect();
  }

  phase(): Phase {
    const silent = this.now() - (this.heard || this.started);
    if (!this.heard) return silent < staleAfter ? 'connecting' : 'offline';
    if (silent > offlineAfter) return 'offline';
    return silent > staleAfter ? 'stale' : 'live';
  }

  /** Milliseconds since the server was last heard. */
  silence(): number {
    return this.now() - (this.heard || this.started);
  }

  close(): void {
    this.closed = true;
    clearInterval(this.watch);
    clearTimeout(this.retry);
    this.ws?.close();
  }

  private connect(): void {
    if (this.closed) return;
    const ws = this.open(this.url);
    const opened = this.now();
    this.ws = ws;
    ws.onopen = () => this.send();
    ws.onmessage = (m) => this.receive(ws, m.data);
    // An error says nothing that the close after it does not say.
    ws.onerror = () => undefined;
    ws.onclose = (e) => this.lost(ws, e.code);
    // A link that never opens or goes quiet is given up, see check().
    this.deadline = opened + staleAfter * 2;
  }

  private deadline = 0;

  private send(): void {
    if (!this.wanted) return;
    const since = this.cursor ? { since: this.cursor } : {};
    this.ws?.send(JSON.stringify({ subscribe: { ...this.wanted, ...since } }));
  }

  private receive(ws: WebSocket, data: unknown): void {
    if (ws !== this.ws || typeof data !== 'string') return;
    const f = JSON.parse(data) as Envelope;
    this.heard = this.now();
    this.deadline = this.heard + staleAfter;
    this.attempt = 0;
    if (f.time) this.on.time(f.time);
    this.on.frame(f);
    // After the frame was taken, so that a failure in it is not skipped.
    if (f.cursor) this.cursor = f.cursor;
    this.check();
  }

  private lost(ws: WebSocket, code: number): void {
    if (ws !== this.ws || this.closed) return;
    this.ws = undefined;
    if (code === closeBehind) {
      this.cursor = '';
      this.on.fresh();
    }
    this.retry = setTimeout(() => this.connect(), backoff(this.attempt++, this.random));
    this.check();
  }

  /** Tells of a changed phase, and gives up a link on which nothing comes. */
  private check(): void {
    const ws = this.ws;
    if (ws && this.now() > this.deadline) {
      // A half-open connection may take minutes to fail by itself.
      this.lost(ws, 0);
      ws.close();
    }
    const phase = this.phase();
    if (phase === this.lastPhase) return;
    this.lastPhase = phase;
    this.on.link();
  }
}

/** The address of a socket beside this page. */
export function socketURL(path: string, at: Location = location): string {
  return `${at.protocol === 'https:' ? 'wss' : 'ws'}://${at.host}${path}`;
}
