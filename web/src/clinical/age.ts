// Age and time in words. Age is part of the value: every number on a screen is
// printed with one of these.

import type { Metric, ReadingNow } from '../api/types';

/** Continuous signals: from here on the age is printed in strong text, ms. */
export const lateAfter = 5_000;
/** Continuous signals: from here on there is no number, ms. */
export const noNumberAfter = 15_000;

export type Freshness = 'fresh' | 'late' | 'stale' | 'spot';

const since = new WeakMap<object, number>();

/**
 * When a reading counts as taken, ms: a device clock that runs ahead does not
 * make it younger than its arrival.
 */
export function takenMs(r: Pick<ReadingNow, 'time' | 'arrived'>): number {
  let t = since.get(r);
  if (t === undefined) {
    const taken = Date.parse(r.time);
    const arrived = Date.parse(r.arrived);
    t = Number.isNaN(arrived) ? taken : Math.min(taken, arrived);
    since.set(r, t);
  }
  return t;
}

/** Milliseconds since a reading was taken. */
export const ageOf = (r: Pick<ReadingNow, 'time' | 'arrived'>, now: number): number =>
  Math.max(0, now - takenMs(r));

/**
 * How far the reading can stand for the present. Continuous series follow the
 * 5 and 15 second rule; slower ones their cadence and silence limit; series
 * without a cadence are spot readings, which carry the time they were taken.
 */
export function freshness(m: Pick<Metric, 'cadence' | 'silence'>, age: number, silent: boolean): Freshness {
  const cadence = (m.cadence ?? 0) / 1000;
  if (cadence <= 0) return 'spot';
  const silence = (m.silence ?? 0) / 1000;
  const late = Math.max(lateAfter, 2 * cadence);
  const stale = Math.max(noNumberAfter, silence || 3 * cadence);
  // Silent means no usable reading; one that says why it has no value may still be fresh.
  if (age >= stale || (silent && age >= late)) return 'stale';
  return age >= late ? 'late' : 'fresh';
}

/** "3 min 12 s", "2 h 5 min", "3 d 4 h". */
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** One unit only: "1 s", "4 min", "3 h", "2 d". */
export function shortAge(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86_400)} d`;
}

/** Running time of something that goes on: "0:41", "1:02:09"; days from 24 h on. */
export function running(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s >= 86_400) return shortAge(ms);
  const two = (n: number) => String(n).padStart(2, '0');
  const h = Math.floor(s / 3600);
  const m = Math.floor((s % 3600) / 60);
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

const two = (n: number) => String(n).padStart(2, '0');

/** "07:02:14" in the zone of this screen. */
export function clock(ms: number): string {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** "07:02" today, "20-Nov" on another day: what a tile has room for. */
export function takenShort(time: string, now: number): string {
  const d = new Date(time);
  return new Date(now).toDateString() === d.toDateString() ? clock(d.getTime()).slice(0, 5) : dayMonth(d);
}

/** "07:02" today, "20-Nov 07:02" on another day. */
export function takenAt(time: string, now: number): string {
  const d = new Date(time);
  const hm = `${two(d.getHours())}:${two(d.getMinutes())}`;
  return new Date(now).toDateString() === d.toDateString() ? hm : `${dayMonth(d)} ${hm}`;
}

/** "07:02:14" today, "20-Nov-2026 07:02:14" on another day. */
export function exactly(time: string, now: number): string {
  const d = new Date(time);
  if (Number.isNaN(d.getTime())) return 'not known';
  const t = clock(d.getTime());
  return new Date(now).toDateString() === d.toDateString() ? t : `${dayMonth(d)}-${d.getFullYear()} ${t}`;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const dayMonth = (d: Date) => `${two(d.getDate())}-${months[d.getMonth()]}`;

/** "14-Mar-1957 (69y)"; a partial date stays as it is. */
export function born(date: string | undefined, now: number): string {
  const m = /^(\d{4})-(\d{2})-(\d{2})$/.exec(date ?? '');
  if (!m) return date || 'Not known';
  const [y, mo, d] = [Number(m[1]), Number(m[2]), Number(m[3])];
  const n = new Date(now);
  const before = n.getMonth() + 1 < mo || (n.getMonth() + 1 === mo && n.getDate() < d);
  return `${m[3]}-${months[mo - 1]}-${y} (${n.getFullYear() - y - (before ? 1 : 0)}y)`;
}

const units: Record<string, string> = {
  '1': '',
  Cel: '°C',
  '[degF]': '°F',
  'mm[Hg]': 'mmHg',
  '/min': '/min',
  '{beats}/min': '/min',
  '{breaths}/min': '/min',
};

/** A UCUM unit as people write it. */
export function unitText(ucum: string): string {
  const known = units[ucum];
  if (known !== undefined) return known;
  return ucum.replace(/\{[^}]*\}/g, '').replace(/\[([^\]]*)\]/g, '$1');
}

const words: Record<string, string> = {
  'sensor-off': 'sensor off',
  'leads-off': 'lead off',
  'low-perfusion': 'low perfusion',
  'not-measured': 'not measured',
  'device-error': 'device error',
  'not-a-number': 'no number',
  'out-of-range': 'out of range',
  'warming-up': 'warming up',
  'battery-low': 'battery low',
};

/** A quality word as people say it. */
export const qualityText = (word: string): string => words[word] ?? word.replaceAll('-', ' ');

const states = new Set([
  'sensor-off',
  'leads-off',
  'artifact',
  'low-perfusion',
  'searching',
  'calibrating',
  'not-measured',
  'device-error',
  'not-a-number',
  'out-of-range',
  'warming-up',
  'battery-low',
]);

/** The word that explains why a reading has no value, undefined when it has one. */
export const stateOf = (r: Pick<ReadingNow, 'quality' | 'value'>): string | undefined =>
  r.quality.find((w) => states.has(w)) ?? (r.value === null ? 'not-measured' : undefined);
