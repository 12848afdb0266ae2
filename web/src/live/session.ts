// Everything that a live screen holds: the server's clock, the store, the two
// sockets, and the wall as it was fetched last.

import { get } from '../api/fetch';
import type { Wall } from '../api/types';
import { SweepEngine } from '../clinical/sweep';
import { ServerClock } from './clock';
import { EventSocket, type Frame, type Phase, socketURL } from './socket';
import { LiveStore } from './store';
import { WaveSocket } from './waves';

/** How far back events are fetched when the screen starts. */
const eventHours = 4;

export class Session {
  readonly clock = new ServerClock();
  readonly store = new LiveStore(() => this.clock.now());
  readonly waves = new WaveSocket(socketURL('/ws/waves'), () => this.clock.now());
  readonly sweeps = new SweepEngine(this.waves, () => this.clock.now());
  readonly events: EventSocket;
  private wallData: Wall | null = null;
  private error = '';
  private readonly wallListeners = new Set<() => void>();
  private units: readonly string[] | null = null;
  private fetching = false;
  private again = false;
  private fetchTimer: ReturnType<typeof setTimeout> | undefined;
  private fetchedAt = 0;
  /** When the link was lost, ms by the server's clock; 0 while it stands. */
  lostAt = 0;

  constructor() {
    this.events = new EventSocket(socketURL('/ws/events'), {
      frame: (f) => this.frame(f),
      time: (t) => this.clock.learn(t),
      fresh: () => this.refetch(0),
      link: () => this.link(),
    });
  }

  start(): void {
    this.refetch(0);
    setInterval(() => this.store.beat(), 1000);
    // What a registry event missed (a first reading of a new series, midnight) shows within a minute.
    setInterval(() => this.refetch(0), 60_000);
  }

  phase(): Phase {
    return this.events.phase();
  }

  readonly wall = (): Wall | null => this.wallData;
  readonly wallError = (): string => this.error;
  readonly subscribeWall = (f: () => void): (() => void) => {
    this.wallListeners.add(f);
    return () => this.wallListeners.delete(f);
  };

  /** Listens to the subjects of these units; null means all of them. */
  show(units: readonly string[] | null): void {
    this.units = units;
    this.listen();
  }

  private listen(): void {
    const w = this.wallData;
    if (!w) return;
    const patients = new Set<string>();
    const subjects = new Set<string>();
    for (const unit of w.units) {
      if (this.units && !this.units.includes(unit.name)) continue;
      for (const bed of unit.beds) {
        if (bed.patient) patients.add(bed.patient.id);
        subjects.add(`location/${bed.location.id}`);
      }
    }
    for (const u of w.unattributed ?? []) subjects.add(`device/${u.device.id}`);
    this.events.subscribe({ patients: [...patients], subjects: [...subjects] });
  }

  private frame(f: Frame): void {
    if (f.type === 'registry') this.refetch(300);
    else if (!this.store.take(f)) this.refetch(2000);
  }

  private link(): void {
    const phase = this.phase();
    const gone = phase === 'stale' || phase === 'offline';
    if (gone && !this.lostAt) this.lostAt = this.clock.now() - this.events.silence();
    if (!gone) this.lostAt = 0;
    this.sweeps.freeze(gone);
    this.store.beat();
    if (phase === 'live') this.refetch(300);
  }

  /** Fetches the wall anew after a pause that gathers several reasons; at most every two seconds. */
  private refetch(pause: number): void {
    if (this.fetching) {
      this.again = true;
      return;
    }
    if (this.fetchTimer) return;
    const wait = Math.max(pause, this.fetchedAt + 2000 - Date.now());
    this.fetchTimer = setTimeout(() => {
      this.fetchTimer = undefined;
      void this.fetchWall();
    }, wait);
  }

  private async fetchWall(): Promise<void> {
    this.fetching = true;
    this.fetchedAt = Date.now();
    try {
      const first = this.wallData === null;
      const w = (await get('/wall')) as Wall;
      this.clock.learn(w.time);
      this.wallData = w;
      this.error = '';
      this.store.wall(w);
      this.listen();
      if (first) void this.fetchEvents();
    } catch (err) {
      this.error = err instanceof Error ? err.message : String(err);
      this.again = true;
    }
    this.fetching = false;
    for (const f of this.wallListeners) f();
    if (this.again) {
      this.again = false;
      this.refetch(0);
    }
  }

  private async fetchEvents(): Promise<void> {
    const from = new Date(this.clock.now() - eventHours * 3_600_000).toISOString();
    try {
      const { events } = await get('/events', { query: { from, desc: true, limit: 500 } });
      for (const e of events ?? []) this.store.event(e);
      this.store.beat();
    } catch {
      // The stream brings the next ones; the past is a click away in the app.
    }
  }
}
