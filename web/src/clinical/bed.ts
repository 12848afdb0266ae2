// From what is known about a bed to what its tile shows. Pure: the same
// readings at the same time give the same view.

import type { Bed, Metric, ReadingNow, SeriesInfo } from '../api/types';
import type { SubjectNow } from '../live/store';
import {
  ageOf,
  type Freshness,
  freshness,
  qualityText,
  shortAge,
  stateOf,
  takenMs,
  takenShort,
  unitText,
} from './age';
import {
  colourOf,
  fillers,
  hidden,
  isVital,
  labelOf,
  largeOf,
  smallOf,
  waveColour,
  waveLabel,
  waveRank,
} from './vitals';

export interface NumberView {
  metric: string;
  label: string;
  colour: string;
  /** What is printed large; empty when there is no number to trust. */
  text: string;
  unit: string;
  /** Quiet line: unit, age or time taken. */
  note: string;
  device: string;
  kind: Freshness | 'state' | 'implausible';
}

export interface WaveView {
  series: number;
  metric: string;
  label: string;
  colour: string;
  unit: string;
}

/** A bar over the body: what the devices say about themselves. */
export interface BarView {
  icon: 'wifi-off' | 'plug-connected-x';
  text: string;
  /** ms by the server's clock; undefined when this screen did not see it begin. */
  since: number | undefined;
}

export interface TileView {
  kind: 'live' | 'silent' | 'waiting' | 'free' | 'empty';
  large: NumberView[];
  small: (NumberView | null)[];
  waves: WaveView[];
  bar: BarView | undefined;
  /** kind silent: when the last usable reading was taken. */
  last: string;
  age: string;
  ageLate: boolean;
  battery: string;
}

export interface Candidate {
  info: SeriesInfo;
  reading: ReadingNow;
  age: number;
  fresh: Freshness;
  state: string | undefined;
  silentSince: string | undefined;
}

/** The subject whose readings a tile shows. */
export const subjectOf = (bed: Bed): string =>
  bed.patient ? `patient/${bed.patient.id}` : `location/${bed.location.id}`;

/** Every numeric series of the bed that has a reading, with its age and state. */
export function candidates(bed: Bed, s: SubjectNow, now: number): Candidate[] {
  const out: Candidate[] = [];
  for (const info of bed.series) {
    const reading = s.readings.get(info.id);
    if (info.wave || !reading || reading.quality.includes('entered-in-error')) continue;
    const age = ageOf(reading, now);
    const silentSince = s.silent.get(info.id);
    out.push({
      info,
      reading,
      age,
      fresh: freshness(info.metric, age, silentSince !== undefined),
      state: stateOf(reading),
      silentSince,
    });
  }
  return out;
}

/** Series whose silence matters: they are expected steadily. */
export const expected = (all: Candidate[]): Candidate[] =>
  all.filter((c) => c.fresh !== 'spot' && c.info.metric.name !== 'battery');

const merit = (c: Candidate): number => {
  const fresh = { fresh: 0, late: 1, spot: 2, stale: 3 }[c.fresh];
  return fresh * 2 + (c.state ? 1 : 0);
};

/** The best candidate of a metric: fresh before stale, a value before a state, then the newest. */
function best(all: Candidate[], metric: string): Candidate | undefined {
  const of = all.filter((c) => c.info.metric.name === metric);
  return of.sort((a, b) => merit(a) - merit(b) || a.age - b.age)[0];
}

function numberView(name: string, m: Metric, c: Candidate, now: number, text = c.reading.text): NumberView {
  const v: NumberView = {
    metric: name,
    label: labelOf(name, m),
    colour: colourOf(name),
    text,
    unit: unitText(c.reading.unit),
    note: '',
    device: c.info.device,
    kind: c.fresh,
  };
  if (c.fresh === 'stale') return { ...v, text: '', note: shortAge(c.age) };
  if (c.state) return { ...v, text: '', kind: 'state', note: qualityText(c.state) };
  if (c.reading.quality.includes('implausible')) return { ...v, kind: 'implausible', note: 'implausible' };
  if (c.fresh === 'spot') v.note = takenShort(c.reading.time, now);
  else if (c.fresh === 'late') v.note = `${shortAge(c.age)} ago`;
  else if (c.age >= 60_000) v.note = shortAge(c.age);
  return v;
}

/** Pressure is one number out of two series of the same measurement. */
function pressure(all: Candidate[], name: 'abp' | 'nibp', now: number): NumberView | undefined {
  const sys = best(all, `${name}-sys`);
  if (!sys) return undefined;
  const dia = all.find(
    (c) =>
      c.info.metric.name === `${name}-dia` &&
      c.info.device === sys.info.device &&
      c.info.channel === sys.info.channel &&
      Math.abs(takenMs(c.reading) - takenMs(sys.reading)) < 2000,
  );
  const worst = dia && merit(dia) > merit(sys) ? dia : sys;
  const v = numberView(name, sys.info.metric, worst, now, `${sys.reading.text}/${dia?.reading.text ?? '–'}`);
  return { ...v, label: labelOf(name) };
}

function pick(all: Candidate[], names: string[], now: number): NumberView | undefined {
  let fallback: NumberView | undefined;
  for (const name of names) {
    const v = one(all, name, now);
    // A lost heart rate gives its place to the pulse, if there is one.
    if (v?.text) return v;
    fallback ??= v;
  }
  return fallback;
}

function one(all: Candidate[], name: string, now: number): NumberView | undefined {
  if (name === 'abp' || name === 'nibp') return pressure(all, name, now);
  const c = best(all, name);
  return c && numberView(name, c.info.metric, c, now);
}

function numbers(bed: Bed, all: Candidate[], now: number) {
  const large: NumberView[] = [];
  const used = new Set<string>(hidden);
  for (const group of largeOf(bed.location.kind)) {
    if (large.length === 2) break;
    const v = pick(all, group, now);
    if (!v) continue;
    large.push(v);
    for (const name of group) used.add(name);
  }
  const own = all.map((c) => c.info.metric.name.replace(/-(sys|dia|mean)$/, ''));
  if (large.length < 2 && bed.location.kind !== 'bed')
    for (const name of own) {
      if (large.length === 2) break;
      if (used.has(name)) continue;
      const v = one(all, name, now);
      used.add(name);
      if (v) large.push(v);
    }
  const small = smallOf.map((group) => {
    if (group.some((g) => used.has(g))) return null;
    const v = pick(all, group, now) ?? null;
    if (v) for (const g of group) used.add(g);
    return v;
  });
  for (const name of [...fillers, ...own]) {
    const free = small.indexOf(null);
    if (free < 0) break;
    if (used.has(name)) continue;
    used.add(name);
    small[free] = one(all, name, now) ?? null;
  }
  return { large, small };
}

/** States that mean that a wave of that kind is not the patient's any more. */
const lost = new Set(['leads-off', 'sensor-off']);

function waves(bed: Bed, now: SubjectNow, all: Candidate[], limit: number): WaveView[] {
  const off = (names: string[]) =>
    all.some((c) => names.includes(c.info.metric.name) && c.state !== undefined && lost.has(c.state));
  const noEcg = off(['hr']);
  const noPleth = off(['spo2']);
  const shown = bed.series
    .filter((s) => s.wave && !now.silent.has(s.id))
    .filter((s) => !(noEcg && (s.metric.name.startsWith('ecg') || s.metric.name === 'resp')))
    .filter((s) => !(noPleth && s.metric.name === 'pleth'))
    .sort((a, b) => waveRank(a.metric.name) - waveRank(b.metric.name));
  const out: WaveView[] = [];
  for (const s of shown) {
    const colour = waveColour(s.metric.name);
    if (out.length < limit && !out.some((w) => w.colour === colour))
      out.push({
        series: s.id,
        metric: s.metric.name,
        label: waveLabel(s.metric),
        colour,
        unit: s.metric.unit,
      });
  }
  return out;
}

const barStates = new Set(['leads-off', 'sensor-off', 'device-error']);

/** The one thing that the devices of the bed have to say, the most serious first. */
export function barOf(all: Candidate[], s: SubjectNow): BarView | undefined {
  const silent = all.filter((c) => c.fresh === 'stale' && !covered(all, c));
  if (silent.length > 0) {
    const since = Math.max(...silent.map((c) => lastHeard(c)));
    return {
      icon: 'wifi-off',
      text: missing(silent.map((c) => c.info.metric)),
      since,
    };
  }
  const off = all.find((c) => c.state !== undefined && barStates.has(c.state) && !covered(all, c));
  if (!off) return undefined;
  const what = off.info.metric.name === 'hr' && off.state === 'leads-off' ? 'ECG' : short(off.info.metric);
  return {
    icon: 'plug-connected-x',
    text: `${what} ${qualityText(off.state ?? '')}`,
    since: s.stateSince.get(off.info.id),
  };
}

/** "No SpO₂, RR"; metrics without a short label say it after their title. */
function missing(of: Metric[]): string {
  const first = of.find((m) => isVital(base(m.name))) ?? of[0];
  if (!first) return 'No data';
  if (!isVital(base(first.name))) return `${short(first)} no data`;
  const labels = [...new Set(of.filter((m) => isVital(base(m.name))).map(short))];
  return `No ${labels.slice(0, 2).join(', ')}${labels.length > 2 ? ' …' : ''}`;
}

const base = (name: string): string => name.replace(/-(sys|dia|mean)$/, '');

const short = (m: Metric): string => {
  return labelOf(base(m.name), m);
};

/** When the series was last heard, ms by the server's clock. */
export const lastHeard = (c: Candidate): number => takenMs(c.reading);

/** Another device of the same bed gives this metric a fresh value. */
const covered = (all: Candidate[], c: Candidate): boolean =>
  all.some((o) => o !== c && o.info.metric.name === c.info.metric.name && !o.state && o.fresh !== 'stale');

function battery(all: Candidate[]): string {
  const low = all.filter((c) => c.info.metric.name === 'battery' && (c.reading.value ?? 100) <= 20);
  const lowest = low.sort((a, b) => (a.reading.value ?? 0) - (b.reading.value ?? 0))[0];
  return lowest ? `${lowest.reading.text} %` : '';
}

const blank: TileView = {
  kind: 'empty',
  large: [],
  small: [null, null, null],
  waves: [],
  bar: undefined,
  last: '',
  age: '',
  ageLate: false,
  battery: '',
};

/**
 * The age in a tile's foot: that of its oldest continuous value. Slower values
 * print their own; without continuous ones it is the newest.
 */
function liveAge(alive: Candidate[], newest: Candidate): Candidate {
  const continuous = alive.filter((c) => (c.info.metric.cadence ?? 0) <= 5_000_000);
  return continuous.length ? continuous.reduce((a, b) => (a.age >= b.age ? a : b)) : newest;
}

const silent = (since: number, bat: string): TileView => ({
  ...blank,
  kind: 'silent',
  bar: { icon: 'wifi-off', text: 'No data', since },
  last: new Date(since).toISOString(),
  battery: bat,
});

/** What the tile of a bed shows at now; at most waveLimit waves. */
export function tileView(bed: Bed, s: SubjectNow, now: number, waveLimit: number): TileView {
  const person = bed.location.kind === 'bed' || bed.location.kind === 'home';
  const all = candidates(bed, s, now);
  const shown = all.filter((c) => !hidden.has(c.info.metric.name));
  if (shown.length === 0) {
    if (person && !bed.patient) return { ...blank, kind: 'free' };
    const w = waves(bed, s, all, waveLimit);
    if (w.length > 0) return { ...blank, kind: 'live', waves: w };
    const since = bed.series.map((x) => s.silent.get(x.id) ?? '').sort();
    const last = since.at(-1);
    if (last) return silent(Date.parse(last), '');
    return { ...blank, kind: bed.devices.length > 0 ? 'waiting' : 'empty' };
  }
  const steady = expected(all);
  const alive = steady.filter((c) => c.fresh !== 'stale');
  const newest = shown.reduce((a, b) => (a.age <= b.age ? a : b));
  const bat = battery(all);
  if (steady.length > 0 && alive.length === 0) {
    const latest = steady.reduce((a, b) => (a.age <= b.age ? a : b));
    return silent(lastHeard(latest), bat);
  }
  const { large, small } = numbers(bed, all, now);
  const age = liveAge(alive, newest);
  return {
    ...blank,
    kind: 'live',
    large,
    small,
    waves: waves(bed, s, all, waveLimit),
    bar: barOf(steady, s),
    age: shortAge(age.age),
    ageLate: age.fresh === 'late',
    battery: bat,
  };
}
