import { expect, test } from 'vitest';
import { bed, location, metric, now, reading, series, t0 } from '../testdata';
import { tileView } from './bed';
import { tileText } from './words';

const hr = series(1, metric('hr', { unit: '/min' }));
const spo2 = series(2, metric('spo2', { unit: '%' }));
const pulse = series(3, metric('pulse', { unit: '/min' }));
const resp = series(4, metric('resp', { unit: '/min' }));
const spot = { cadence: 0, silence: 0, unit: 'mm[Hg]' };
const sys = series(5, metric('nibp-sys', spot));
const dia = series(6, metric('nibp-dia', spot));
const ecg = series(7, metric('ecg-ii', { rateNum: 250, rateDen: 1 }));
const pleth = series(8, metric('pleth', { rateNum: 125, rateDen: 1 }));
const all = [hr, spo2, pulse, resp, sys, dia, ecg, pleth];
const view = (readings: Parameters<typeof now>[0], at = 1000, more = {}) =>
  tileView(bed(all, more), now(readings), t0 + at, 3);
const texts = (v: ReturnType<typeof view>) => v.large.map((n) => `${n.metric} ${n.text}`);

test('a quiet bed: heart rate over saturation, pressure as one number with its time', () => {
  const v = view([
    reading(hr, 72, 0),
    reading(spo2, 97, 0),
    reading(resp, 14, 0),
    reading(sys, 128, -1_800_000),
    reading(dia, 74, -1_800_000),
  ]);
  expect(texts(v)).toEqual(['hr 72', 'spo2 97']);
  expect(v.small.map((n) => n?.text)).toEqual(['14', '128/74', undefined]);
  expect(v.small[1]).toMatchObject({ kind: 'spot', label: 'NIBP' });
  expect(v.small[1]?.note).toMatch(/^\d\d:30$/);
  expect(v.waves.map((w) => w.metric)).toEqual(['ecg-ii', 'pleth']);
  expect(v.bar).toBeUndefined();
});

test('pressures of two measurements are never joined', () => {
  const v = view([reading(hr, 72, 0), reading(sys, 128, -60_000), reading(dia, 60, -600_000)]);
  expect(v.small[1]?.text).toBe('128/–');
});

test('a lost lead takes its number and its wave; the pulse stands in under its own name', () => {
  const off = { quality: ['leads-off'] };
  const v = view([
    reading(hr, null, 0, off),
    reading(resp, null, 0, off),
    reading(pulse, 79, 0),
    reading(spo2, 96, 0),
  ]);
  expect(texts(v)).toEqual(['pulse 79', 'spo2 96']);
  expect(v.waves.map((w) => w.metric)).toEqual(['pleth']);
  expect(v.bar).toMatchObject({ icon: 'plug-connected-x', text: 'ECG lead off' });
  expect(v.small[0]).toMatchObject({ text: '', note: 'lead off' });
});

test('zero is a value', () => {
  expect(texts(view([reading(hr, 0, 0)]))).toEqual(['hr 0']);
});

test('one silent series loses its number, the others stay', () => {
  const v = view([reading(hr, 72, 0), reading(spo2, 97, -20_000)]);
  expect(v.large[1]).toMatchObject({ text: '', kind: 'stale', note: '21 s' });
  expect(v.bar?.text).toBe('No SpO₂');
  expect(texts(v)[0]).toBe('hr 72');
});

test('a bed on which nothing is heard shows no number at all', () => {
  const v = view([reading(hr, 72, 0), reading(spo2, 97, -4000), reading(sys, 128, -60_000)], 192_000);
  expect(v).toMatchObject({ kind: 'silent', large: [], waves: [] });
  expect(v.bar).toMatchObject({ text: 'No data', since: t0 });
  expect(JSON.stringify(v)).not.toContain('72');
});

test('another device with a fresh value covers a silent one', () => {
  const second = series(9, metric('hr'), { device: 'd2' });
  const b = bed([hr, second]);
  const v = tileView(b, now([reading(hr, 70, -60_000), reading(second, 75, 0)]), t0 + 1000, 3);
  expect(texts(v)).toEqual(['hr 75']);
  expect(v.bar).toBeUndefined();
});

test('implausible is shown as such, withdrawn not at all', () => {
  const v = view([reading(hr, 72, 0), reading(spo2, 120, 0, { quality: ['implausible'] })]);
  expect(v.large[1]).toMatchObject({ text: '120', kind: 'implausible', note: 'implausible' });
  const w = view([reading(hr, 72, 0), reading(spo2, 97, 0, { quality: ['entered-in-error'] })]);
  expect(texts(w)).toEqual(['hr 72']);
});

test('between 5 and 15 seconds the age is said', () => {
  const v = view([reading(hr, 72, 0)], 9000);
  expect(v.large[0]).toMatchObject({ text: '72', kind: 'late', note: '9 s ago' });
  expect(v).toMatchObject({ age: '9 s', ageLate: true });
});

test('free, waiting, and no device', () => {
  expect(view([], 0, { patient: null }).kind).toBe('free');
  expect(tileView(bed([]), now([]), t0, 3).kind).toBe('waiting');
  expect(tileView(bed([], { devices: [] }), now([]), t0, 3).kind).toBe('empty');
});

test('a home leads with glucose, a fridge with its temperature', () => {
  const glucose = series(10, metric('glucose', { cadence: 300e6, silence: 900e6, unit: 'mmol/L' }));
  const home = bed([hr, glucose], {
    location: location('h', 'H1', 'home', 'Homes'),
  });
  const v = tileView(
    home,
    now([reading(hr, 72, 0), reading(glucose, 22.2, 0, { text: '> 22.2', quality: ['above'] })]),
    t0,
    3,
  );
  expect(texts(v)).toEqual(['glucose > 22.2', 'hr 72']);
  const room = series(11, metric('room-temp', { unit: 'Cel' }), { subject: 'location/f' });
  const fridge = bed([room], {
    patient: null,
    location: location('f', 'Fridge', 'fridge', '4 East'),
  });
  expect(texts(tileView(fridge, now([reading(room, 4.6, 0)]), t0, 3))).toEqual(['room-temp 4.6']);
});

test('a low battery is printed, a good one is not, and neither is a vital sign', () => {
  const battery = series(12, metric('battery', { cadence: 60e6, silence: 600e6, unit: '%' }));
  const of = (n: number) =>
    tileView(bed([hr, battery]), now([reading(hr, 72, 0), reading(battery, n, 0)]), t0, 3);
  expect(of(18).battery).toBe('18 %');
  expect(of(80).battery).toBe('');
  expect(of(80).small.filter(Boolean)).toEqual([]);
});

test('the tile in words', () => {
  const v = view([reading(hr, 72, 0), reading(spo2, null, 0, { quality: ['sensor-off'] })]);
  expect(tileText(bed(all), v)).toBe(
    'Bed 07, Godwit, A. SpO₂ sensor off. heart rate 72 /min. oxygen saturation sensor off.',
  );
});
