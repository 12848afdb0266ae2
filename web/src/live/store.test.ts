import { expect, test, vi } from 'vitest';
import type { StoredEvent, Wall } from '../api/types';
import { at, bed, location, metric, patient, reading, series, t0 } from '../testdata';
import { LiveStore } from './store';

const hr = series(1, metric('hr'));
const other = series(2, metric('hr'), { subject: 'patient/p2' });

function filled() {
  const store = new LiveStore(() => t0);
  const second = bed([other], {
    patient: patient('p2', 'Heron'),
    location: location('l2', '08', 'bed', '4 East'),
  });
  const wall: Wall = {
    time: at(0),
    units: [{ name: '4 East', beds: [bed([hr], { latest: [reading(hr, 70, 0)] }), second] }],
    unattributed: [],
  };
  store.wall(wall);
  return store;
}

test('tells only the subject that changed', () => {
  const store = filled();
  const mine = vi.fn();
  const theirs = vi.fn();
  store.subscribe('patient/p1', mine);
  store.subscribe('patient/p2', theirs);
  store.take({ type: 'readings', data: [reading(hr, 71, 1000)] });
  expect(mine).toHaveBeenCalledTimes(1);
  expect(theirs).not.toHaveBeenCalled();
  expect(store.get('patient/p1').readings.get(1)?.value).toBe(71);
});

test('late data never takes the place of newer data', () => {
  const store = filled();
  store.take({ type: 'readings', data: [reading(hr, 80, 5000)] });
  store.take({ type: 'readings', data: [reading(hr, 60, 2000)] });
  expect(store.get('patient/p1').readings.get(1)?.value).toBe(80);
});

test('a correction of the same instant replaces it, an older version does not', () => {
  const store = filled();
  store.take({ type: 'readings', data: [reading(hr, 80, 5000, { version: 2 })] });
  store.take({ type: 'readings', data: [reading(hr, 79, 5000, { version: 1 })] });
  expect(store.get('patient/p1').readings.get(1)?.value).toBe(80);
  store.take({ type: 'readings', data: [reading(hr, 81, 5000, { version: 3 })] });
  expect(store.get('patient/p1').readings.get(1)?.value).toBe(81);
});

test('an event that comes twice is kept once, newest first', () => {
  const store = filled();
  const event = (id: string, ms: number): StoredEvent => ({
    id,
    subject: 'patient/p1',
    device: 'd1',
    type: 'fall',
    time: at(ms),
    arrived: at(ms),
    quality: [],
  });
  for (const e of [event('a', 0), event('b', 1000), event('a', 0)]) store.take({ type: 'event', data: e });
  expect(store.get('patient/p1').events.map((e) => e.id)).toEqual(['b', 'a']);
});

test('silent and heard; a snapshot replaces what was silent before', () => {
  const store = filled();
  const state = (s: 'silent' | 'heard') =>
    ({
      type: 'state',
      subject: 'patient/p1',
      data: { series: 1, metric: 'hr', device: 'd1', state: s, since: at(0) },
    }) as const;
  store.take(state('silent'));
  expect(store.get('patient/p1').silent.has(1)).toBe(true);
  store.take(state('heard'));
  expect(store.get('patient/p1').silent.has(1)).toBe(false);
  store.take(state('silent'));
  store.take({ type: 'snapshot', data: { readings: [], states: [] } });
  expect(store.get('patient/p1').silent.size).toBe(0);
});

test('says when a reading belongs to a series that the wall does not know', () => {
  const store = filled();
  expect(store.take({ type: 'readings', data: [reading(hr, 70, 1000)] })).toBe(true);
  expect(store.take({ type: 'readings', data: [reading(series(99, metric('spo2')), 97, 1000)] })).toBe(false);
});

test('a state word has a beginning only when this screen saw it begin', () => {
  const store = filled();
  const off = (ms: number) => reading(hr, null, ms, { quality: ['leads-off'] });
  store.take({ type: 'readings', data: [off(1000)] });
  store.take({ type: 'readings', data: [off(2000)] });
  expect(store.get('patient/p1').stateSince.get(1)).toBe(t0);
  store.take({ type: 'readings', data: [reading(hr, 70, 3000)] });
  expect(store.get('patient/p1').stateSince.has(1)).toBe(false);

  const fresh = filled();
  fresh.take({ type: 'snapshot', data: { readings: [off(1000)], states: [] } });
  expect(fresh.get('patient/p1').stateSince.has(1)).toBe(false);
});

test('a patient who left the wall is forgotten', () => {
  const store = filled();
  store.wall({ time: at(0), units: [], unattributed: [] });
  expect(store.get('patient/p1').readings.size).toBe(0);
});
