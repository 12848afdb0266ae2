import { expect, test } from 'vitest';
import type { Bed, Wall } from '../api/types';
import { tileView } from '../clinical/bed';
import { LiveStore } from '../live/store';
import { at, bed, location, metric, patient, reading, series, t0 } from '../testdata';
import { attention } from './attention';
import { plan, waveLimit } from './layout';
import { pagesOf, sectionsOf } from './pages';

const waves = (n: number, name = '4 East') => ({ name, beds: n, waves: true });
// A 1920 x 1080 wall in rem of 16 px, less the bars around the grid.
const full = { width: 100, height: 63.5, list: false };

test('24 beds stand as on the drawing: six by four', () => {
  expect(plan([waves(24)], full.width, full.height)).toMatchObject({
    rows: 4,
    perPage: 24,
    blocks: [{ columns: 6 }],
  });
});

test('24 beds and 12 homes share one screen', () => {
  const p = plan([waves(24), { name: 'Homes', beds: 12, waves: false }], full.width, full.height);
  expect(p?.blocks.map((b) => b.columns)).toEqual([6, 3]);
});

test('what does not fit goes on another page, never smaller', () => {
  const p = plan([waves(60)], 50, 30);
  expect(p?.perPage).toBe(8);
  expect(plan([waves(24), waves(24, '5 East')], full.width, full.height)).toBeUndefined();
});

test('fewer waves the more tiles', () => {
  expect([8, 24, 36, 60, 200].map(waveLimit)).toEqual([3, 2, 2, 1, 0]);
});

const place = (name: string, kind: string, unit = '4 East', more: Partial<Bed> = {}) =>
  bed([], { location: location(`${unit}-${name}`, name, kind, unit), ...more });
const wall = (units: Record<string, Bed[]>): Wall => ({
  time: at(0),
  units: Object.entries(units).map(([name, beds]) => ({ name, beds })),
  unattributed: [],
});

test('a fridge of a ward stands beside the beds, a cold store has tiles', () => {
  const w = wall({
    '4 East': [place('01', 'bed'), place('Fridge', 'fridge')],
    Store: [place('Cold 1', 'fridge', 'Store')],
  });
  const { sections, places } = sectionsOf(w, '');
  expect(sections.map((s) => s.beds.map((b) => b.location.name))).toEqual([['01'], ['Cold 1']]);
  expect(places.map((b) => b.location.name)).toEqual(['Fridge']);
  expect(sectionsOf(w, 'Store').places).toEqual([]);
});

test('a page holds beds of one unit when the units do not fit together', () => {
  const many = (unit: string) => Array.from({ length: 40 }, (_, i) => place(String(i), 'bed', unit));
  const pages = pagesOf(sectionsOf(wall({ A: many('A'), B: many('B') }), '').sections, full);
  expect(pages.every((p) => p.sections.length === 1)).toBe(true);
  expect(pages.flatMap((p) => p.sections[0]?.beds ?? [])).toHaveLength(80);
});

test('attention: silence first, then devices, then nobody’s readings; a limit is never invented', () => {
  const hr = series(1, metric('hr'));
  const spo2 = series(2, metric('spo2'), { subject: 'patient/p2' });
  const a = bed([hr]);
  const b = bed([spo2], {
    patient: patient('p2', 'Heron'),
    location: location('l2', '08', 'bed', '4 East'),
  });
  const w: Wall = {
    time: at(0),
    units: [
      {
        name: '4 East',
        beds: [
          { ...a, latest: [reading(hr, 250, -40_000)] },
          { ...b, latest: [reading(spo2, null, 0, { quality: ['sensor-off'] })] },
        ],
      },
    ],
    unattributed: [{ device: { id: 'x', profile: 'pulse-oximeter' }, location: null }],
  };
  const store = new LiveStore(() => t0);
  store.wall(w);
  store.event({
    id: 'e1',
    subject: 'patient/p1',
    device: 'd1',
    type: 'bed-exit',
    time: at(-1000),
    arrived: at(0),
    quality: [],
  });
  store.event({
    id: 'e2',
    subject: 'patient/p1',
    device: 'd1',
    type: 'beat',
    time: at(-1000),
    arrived: at(0),
    quality: [],
  });
  const got = attention(w, w.units[0]?.beds ?? [], store, t0);
  expect(got.items.map((i) => `${i.bed} ${i.kind} ${i.text}`)).toEqual([
    '07 silent No data',
    '08 device SpO₂ sensor off',
    ' nobody pulse-oximeter',
  ]);
  expect(got.events.map((e) => e.text)).toEqual(['Bed exit']);
  store.take({ type: 'readings', data: [reading(hr, 250, 0)] });
  expect(attention(w, w.units[0]?.beds ?? [], store, t0).items.map((i) => i.bed)).toEqual(['08', '']);
});

test('attention: a device that missed its heartbeat; the numbers of its bed stay', () => {
  const hr = series(1, metric('hr'));
  const pendant = { id: 'd2', name: 'P-7', profile: 'fall-pendant', title: 'Fall pendant' };
  const b = bed([hr], { latest: [reading(hr, 72, 0)] });
  b.devices = [...b.devices, pendant];
  const w = wall({ '4 East': [b] });
  const store = new LiveStore(() => t0);
  store.wall(w);
  const state = (s: 'silent' | 'heard') =>
    ({ series: 0, subject: 'patient/p1', metric: '', device: 'd2', state: s, since: at(-900_000) }) as const;
  const items = () => attention(w, [b], store, t0).items;
  store.take({ type: 'snapshot', data: { readings: [], states: [state('silent')] } });
  expect(items()).toMatchObject([
    { bed: '07', kind: 'silent', text: 'No sign of life', detail: 'Fall pendant P-7', since: t0 - 900_000 },
  ]);
  expect(tileView(b, store.get('patient/p1'), t0, 0)).toMatchObject({ kind: 'live', bar: undefined });
  store.take({ type: 'state', subject: 'patient/p1', data: state('heard') });
  expect(items()).toEqual([]);
  store.take({ type: 'state', subject: 'patient/p1', data: { ...state('silent'), device: 'moved' } });
  expect(items()).toEqual([]);
  store.take({ type: 'state', subject: 'patient/p1', data: { ...state('silent'), device: 'd1' } });
  const later = attention(w, [b], store, t0 + 3_600_000).items;
  expect(later.map((i) => i.text)).toEqual(['No data']);
});
