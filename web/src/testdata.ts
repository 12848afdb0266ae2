// Small makers of contract objects, for tests.
import type { Bed, Location, Metric, Patient, ReadingNow, SeriesInfo } from './api/types';
import type { SubjectNow } from './live/store';

export const t0 = Date.parse('2026-11-21T07:00:00Z');
export const at = (ms: number): string => new Date(t0 + ms).toISOString();

export function metric(name: string, more: Partial<Metric> = {}): Metric {
  return { name, codes: [], unit: '1', decimals: 0, cadence: 1_000_000, silence: 10_000_000, ...more };
}

export function series(id: number, m: Metric, more: Partial<SeriesInfo> = {}): SeriesInfo {
  return { id, subject: 'patient/p1', device: 'd1', metric: m, wave: (m.rateNum ?? 0) > 0, ...more };
}

export function reading(
  s: SeriesInfo,
  value: number | null,
  ms: number,
  more: Partial<ReadingNow> = {},
): ReadingNow {
  return {
    series: s.id,
    subject: s.subject,
    device: s.device,
    metric: s.metric.name,
    value,
    text: value === null ? '' : String(value),
    unit: s.metric.unit,
    decimals: 0,
    silenceMs: (s.metric.silence ?? 0) / 1000,
    time: at(ms),
    arrived: at(ms),
    quality: [],
    version: 1,
    ...more,
  };
}

export const location = (id: string, name: string, kind = 'bed', unit = '4 East'): Location => ({
  id,
  name,
  unit,
  kind,
  rank: 7,
  created: at(0),
});

export const patient = (id: string, family: string, given?: string): Patient => ({
  id,
  family,
  ...(given ? { given } : {}),
  created: at(0),
});

export function bed(list: SeriesInfo[], more: Partial<Bed> = {}): Bed {
  return {
    location: location('l1', '07'),
    patient: patient('p1', 'Godwit', 'Ada'),
    devices: [{ id: 'd1', name: 'M-1', profile: 'bedside-monitor', title: 'Bedside monitor' }],
    series: list,
    latest: [],
    ...more,
  };
}

export function now(readings: ReadingNow[], silent: [number, string][] = []): SubjectNow {
  return {
    readings: new Map(readings.map((r) => [r.series, r])),
    silent: new Map(silent),
    stateSince: new Map(),
    events: [],
  };
}
