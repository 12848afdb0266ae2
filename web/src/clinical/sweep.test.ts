import { expect, test } from 'vitest';
import { type Block, Trace } from '../live/waves';
import { type Drawn, drawLine, exceeds, leastRange, ring, scaleFor, xAt } from './sweep';

test('time lies on a ring', () => {
  expect(xAt(0, 50, 200)).toBe(0);
  expect(xAt(3000, 50, 200)).toBe(150);
  expect(xAt(5000, 50, 200)).toBe(50);
  expect(xAt(-1000, 50, 200)).toBe(150);
});

test('clears ahead of the head, also over the edge', () => {
  expect(ring(10, 30, 100)).toEqual([[10, 30]]);
  expect(ring(290, 310, 100)).toEqual([
    [90, 100],
    [0, 10],
  ]);
  expect(ring(0, 250, 100)).toEqual([[0, 100]]);
});

const block = (t: number, samples: number[], seq = 0): Block => ({
  channel: 1,
  seq,
  t0: t,
  rate: 100,
  samples: Float32Array.from(samples),
  low: Math.min(...samples),
  high: Math.max(...samples),
});

function draw(blocks: Block[], until: number, from: Drawn = { t: -1, x: 0, y: 0, down: false }) {
  const trace = new Trace();
  trace.blocks.push(...blocks);
  const path: string[] = [];
  const pen = { moveTo: (x: number) => path.push(`m${x}`), lineTo: (x: number) => path.push(`l${x}`) };
  drawLine(pen, trace, from, until, { speed: 1000, width: 10_000, y: (v) => v });
  return { path: path.slice(1), drawn: from };
}

test('draws what is new up to the head, and goes on where it stopped', () => {
  const b = [block(0, [1, 2, 3, 4])];
  const first = draw(b, 15);
  expect(first.path).toEqual(['m0', 'l10']);
  expect(draw(b, 100, first.drawn).path).toEqual(['l20', 'l30']);
});

test('a missing sample and a hole between blocks lift the pen', () => {
  expect(draw([block(0, [1, Number.NaN, 3])], 100).path).toEqual(['m0', 'm20']);
  expect(draw([block(0, [1, 1]), block(100, [1, 1])], 200).path).toEqual(['m0', 'l10', 'm100', 'l110']);
});

test('the right edge lifts the pen', () => {
  const trace = new Trace();
  trace.blocks.push(block(90, [1, 1, 1]));
  const path: string[] = [];
  const pen = { moveTo: (x: number) => path.push(`m${x}`), lineTo: (x: number) => path.push(`l${x}`) };
  drawLine(pen, trace, { t: 0, x: 0, y: 0, down: false }, 200, { speed: 1000, width: 100, y: (v) => v });
  expect(path.slice(1)).toEqual(['m90', 'm0', 'l10']);
});

test('noise on a flat line stays a flat line', () => {
  const s = scaleFor({ low: -0.01, high: 0.01 }, undefined, leastRange('ecg-ii', 'mV'));
  expect(s.high - s.low).toBeCloseTo(1);
  expect(leastRange('ecg-ii', 'uV')).toBe(1000);
  // a pulse that has gone keeps a tenth of its widest swing, however many laps pass
  let p = scaleFor({ low: 0, high: 1 }, undefined, 0);
  for (let i = 0; i < 50; i++) p = scaleFor({ low: 0.5, high: 0.501 }, p, 0);
  expect(p.high - p.low).toBeGreaterThanOrEqual(0.0999);
});

test('widens at once, narrows slowly', () => {
  const narrow = scaleFor({ low: 0, high: 1 }, undefined, 0);
  expect(scaleFor({ low: -1, high: 3 }, narrow, 0)).toMatchObject({ low: -1, high: 3 });
  expect(scaleFor({ low: 0, high: 1 }, { low: -1, high: 3 }, 0).high).toBeCloseTo(2.5);
  expect(exceeds({ low: 0, high: 1.2 }, narrow)).toBe(true);
  expect(exceeds({ low: 0, high: 1.04 }, narrow)).toBe(false);
});
