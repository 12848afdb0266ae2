// What is known now, by subject. A tile subscribes to its one subject and is
// told when that subject changed or when a second has passed; the tile decides
// by comparing what it would show.

import type { ReadingNow, SeriesState, StoredEvent, Wall } from '../api/types';
import type { Frame } from './socket';

/** Kept per subject; older ones are in the chart, not on the wall. */
const maxEvents = 50;

export interface SubjectNow {
  /** Newest reading of each series. */
  readings: ReadonlyMap<number, ReadingNow>;
  /** Series past their silence limit, and devices (by id) past their heartbeat; since when (RFC 3339). */
  silent: ReadonlyMap<number | string, string>;
  /** When this screen saw a series' present state word begin (ms, server clock). */
  stateSince: ReadonlyMap<number, number>;
  /** Newest first. */
  events: readonly StoredEvent[];
}

const nothing: SubjectNow = { readings: new Map(), silent: new Map(), stateSince: new Map(), events: [] };

type Mutable = {
  readings: Map<number, ReadingNow>;
  silent: Map<number | string, string>;
  stateSince: Map<number, number>;
  events: StoredEvent[];
};

export class LiveStore {
  private readonly subjects = new Map<string, Mutable>();
  private readonly seriesSubject = new Map<number, string>();
  private readonly listeners = new Map<string, Set<() => void>>();
  private readonly everyone = new Set<() => void>();
  private readonly now: () => number;
  /** Counts changes of a subject, so that a view knows when to look again. */
  private readonly versions = new Map<string, number>();
  /** Counts seconds and changes of the link; part of every view. */
  private beats = 0;

  constructor(now: () => number) {
    this.now = now;
  }

  get(subject: string): SubjectNow {
    return this.subjects.get(subject) ?? nothing;
  }

  version(subject: string): number {
    return (this.versions.get(subject) ?? 0) + this.beats * 1_000_000;
  }

  /** Which subject a series belongs to; undefined for a series that the wall does not know yet. */
  subjectOf(series: number): string | undefined {
    return this.seriesSubject.get(series);
  }

  subscribe(subject: string, changed: () => void): () => void {
    const set = this.listeners.get(subject) ?? new Set();
    this.listeners.set(subject, set);
    set.add(changed);
    return () => {
      set.delete(changed);
      if (set.size === 0) this.listeners.delete(subject);
    };
  }

  /** Is told of every beat, see beat(). */
  subscribeBeat(changed: () => void): () => void {
    this.everyone.add(changed);
    return () => this.everyone.delete(changed);
  }

  beatCount(): number {
    return this.beats;
  }

  /** A second has passed, or the link changed: everything looks at its age again. */
  beat(): void {
    this.beats++;
    for (const set of this.listeners.values()) for (const f of set) f();
    for (const f of this.everyone) f();
  }

  /** Takes the contents of a freshly fetched wall. */
  wall(w: Wall): void {
    this.seriesSubject.clear();
    const standing = new Set<string>();
    for (const unit of w.units)
      for (const bed of unit.beds) {
        for (const s of bed.series ?? []) this.seriesSubject.set(s.id, s.subject);
        for (const r of bed.latest ?? []) this.put(r, true);
        if (bed.patient) standing.add(`patient/${bed.patient.id}`);
        standing.add(`location/${bed.location.id}`);
      }
    for (const subject of this.subjects.keys())
      if (!standing.has(subject) && !subject.startsWith('device/')) this.subjects.delete(subject);
    this.beat();
  }

  /** Takes a frame of the event stream; returns false for a reading of an unknown series. */
  take(f: Frame): boolean {
    const changed = new Set<string>();
    let known = true;
    switch (f.type) {
      case 'snapshot':
        for (const r of f.data.readings ?? []) known = this.note(changed, r, true) && known;
        this.replaceSilent(f.data.states ?? [], changed);
        break;
      case 'readings':
        for (const r of f.data) known = this.note(changed, r, false) && known;
        break;
      case 'event':
        changed.add(this.event(f.data));
        break;
      case 'state':
        this.state(f.data, f.subject, changed);
        break;
    }
    for (const s of changed) this.tell(s);
    return known;
  }

  event(e: StoredEvent): string {
    const s = this.subject(e.subject);
    if (!s.events.some((o) => o.id === e.id)) {
      s.events = [e, ...s.events].sort((a, b) => Date.parse(b.time) - Date.parse(a.time)).slice(0, maxEvents);
    }
    return e.subject;
  }

  private note(changed: Set<string>, r: ReadingNow, initial: boolean): boolean {
    if (this.put(r, initial)) changed.add(r.subject);
    return this.seriesSubject.has(r.series);
  }

  private put(r: ReadingNow, initial: boolean): boolean {
    const s = this.subject(r.subject);
    const old = s.readings.get(r.series);
    // Late data never takes the place of newer data; a correction of the same instant does.
    if (old && Date.parse(r.time) < Date.parse(old.time)) return false;
    if (old && r.time === old.time && r.version < old.version) return false;
    if (old && r.time === old.time && r.version === old.version && r.text === old.text) return false;
    s.readings.set(r.series, r);
    if (r.value !== null) s.stateSince.delete(r.series);
    else if (!initial && (!old || old.value !== null)) s.stateSince.set(r.series, this.now());
    return true;
  }

  private state(d: SeriesState, subject: string | undefined, changed: Set<string>): void {
    const of = subject ?? d.subject ?? this.seriesSubject.get(d.series);
    if (!of) return;
    const s = this.subject(of);
    const what = d.series || d.device;
    if (d.state === 'silent') s.silent.set(what, d.since);
    else s.silent.delete(what);
    changed.add(of);
  }

  private replaceSilent(states: SeriesState[], changed: Set<string>): void {
    for (const [subject, s] of this.subjects)
      if (s.silent.size > 0) {
        s.silent.clear();
        changed.add(subject);
      }
    for (const d of states) this.state(d, d.subject, changed);
  }

  private subject(name: string): Mutable {
    let s = this.subjects.get(name);
    if (!s) {
      s = { readings: new Map(), silent: new Map(), stateSince: new Map(), events: [] };
      this.subjects.set(name, s);
    }
    return s;
  }

  private tell(subject: string): void {
    this.versions.set(subject, ((this.versions.get(subject) ?? 0) + 1) % 1_000_000);
    for (const f of this.listeners.get(subject) ?? []) f();
  }
}
