import { expect, test } from 'vitest';
import { at, metric, t0 } from '../testdata';
import {
  ageOf,
  born,
  duration,
  freshness,
  qualityText,
  running,
  shortAge,
  stateOf,
  takenAt,
  takenShort,
  unitText,
} from './age';

test('the 5 and 15 second rule of continuous signals', () => {
  const m = metric('hr');
  const of = (ms: number) => freshness(m, ms, false);
  expect([0, 4999, 5000, 14_999, 15_000].map(of)).toEqual(['fresh', 'fresh', 'late', 'late', 'stale']);
  expect(freshness(m, 10_000, true)).toBe('stale'); // the server's word counts
  expect(freshness(m, 1000, true)).toBe('fresh'); // a fresh "lead off" is not silence
});

test('slow series follow their cadence and silence', () => {
  const cgm = metric('glucose', { cadence: 300e6, silence: 900e6 });
  const of = (min: number) => freshness(cgm, min * 60_000, false);
  expect([4, 9, 11, 14, 15].map(of)).toEqual(['fresh', 'fresh', 'late', 'late', 'stale']);
});

test('a series without a cadence is a spot reading for ever', () => {
  expect(freshness({}, 86_400_000, false)).toBe('spot');
});

test('a device clock that runs ahead does not make a reading younger', () => {
  expect(ageOf({ time: at(240_000), arrived: at(0) }, t0 + 20_000)).toBe(20_000);
  expect(ageOf({ time: at(-60_000), arrived: at(0) }, t0)).toBe(60_000);
  expect(ageOf({ time: at(0), arrived: at(0) }, t0 - 500)).toBe(0);
});

test('ages in words', () => {
  expect([0, 59_999, 192_000, 3_600_000 * 2 + 300_000, 86_400_000 * 3 + 14_400_000].map(duration)).toEqual([
    '0 s',
    '59 s',
    '3 min 12 s',
    '2 h 5 min',
    '3 d 4 h',
  ]);
  expect([1000, 65_000, 7_300_000, 90_000_000].map(shortAge)).toEqual(['1 s', '1 min', '2 h', '1 d']);
  expect([41_000, 3_729_000, 90_000_000].map(running)).toEqual(['0:41', '1:02:09', '1 d']);
});

test('a spot reading of another day says the day', () => {
  const noon = new Date(2026, 10, 21, 12, 0).getTime();
  expect(takenAt(new Date(2026, 10, 21, 6, 30).toISOString(), noon)).toBe('06:30');
  expect(takenAt(new Date(2026, 10, 20, 6, 30).toISOString(), noon)).toBe('20-Nov 06:30');
  expect(takenShort(new Date(2026, 10, 20, 6, 30).toISOString(), noon)).toBe('20-Nov');
  expect(takenShort(new Date(2026, 10, 21, 6, 30).toISOString(), noon)).toBe('06:30');
});

test('dates of birth, whole, partial and unknown', () => {
  const now = new Date(2026, 10, 21).getTime();
  expect(born('1957-03-14', now)).toBe('14-Mar-1957 (69y)');
  expect(born('1957-12-14', now)).toBe('14-Dec-1957 (68y)');
  expect(born('1957', now)).toBe('1957');
  expect(born(undefined, now)).toBe('Not known');
});

test('units and words for people', () => {
  expect(['mm[Hg]', 'Cel', '1', '/min', 'mmol/L', '{steps}'].map(unitText)).toEqual([
    'mmHg',
    '°C',
    '',
    '/min',
    'mmol/L',
    '',
  ]);
  expect(qualityText('leads-off')).toBe('lead off');
  expect(stateOf({ quality: ['clock-suspect', 'sensor-off'], value: null })).toBe('sensor-off');
  expect(stateOf({ quality: ['above'], value: 600 })).toBeUndefined();
  expect(stateOf({ quality: [], value: null })).toBe('not-measured');
});
