import { expect, test } from 'vitest';
import { type Block, parseBlocks, Trace } from './waves';

function encode(channel: number, seq: number, t: number, samples: number[], kind = 1): Uint8Array {
  const b = new Uint8Array((32 + samples.length * 2 + 7) & ~7);
  const v = new DataView(b.buffer);
  v.setUint8(0, 1);
  v.setUint8(1, kind);
  v.setUint16(2, channel, true);
  v.setUint32(4, seq, true);
  v.setFloat64(8, t, true);
  v.setUint32(16, 333_333, true);
  v.setUint16(20, samples.length, true);
  v.setFloat32(24, 0.5, true);
  v.setFloat32(28, 10, true);
  for (const [i, s] of samples.entries()) v.setInt16(32 + i * 2, s, true);
  return b;
}

const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((p) => [...p])).buffer;

test('reads several blocks of one frame: scale, missing samples, gaps', () => {
  const [a, b, c, ...none] = parseBlocks(
    join(
      encode(3, 7, 1000.5, [0, -4, -32768]),
      encode(4, 1, 2000, [2, 2, 2, 2, 2]),
      encode(3, 9, 3000, [], 2),
    ),
  );
  expect(none).toEqual([]);
  expect(a).toMatchObject({ channel: 3, seq: 7, t0: 1000.5, low: 8, high: 10 });
  expect(a?.rate).toBeCloseTo(333.333);
  expect([...(a?.samples ?? [])]).toEqual([10, 8, Number.NaN]);
  expect(b?.samples).toHaveLength(5);
  expect(c?.samples).toHaveLength(0);
});

test('a torn or foreign frame yields what was whole', () => {
  const whole = encode(1, 0, 0, [1, 2, 3]);
  const torn = new Uint8Array(join(whole, encode(1, 1, 9, [1, 2, 3, 4]))).slice(0, whole.length + 36);
  expect(parseBlocks(torn.buffer)).toHaveLength(1);
  expect(parseBlocks(new Uint8Array([9, 9, 9]).buffer)).toEqual([]);
  expect(parseBlocks(new Uint8Array(64).buffer)).toEqual([]);
});

const block = (seq: number, t: number, n = 25): Block => ({
  channel: 1,
  seq,
  t0: t,
  rate: 100,
  samples: new Float32Array(n),
  low: 0,
  high: 0,
});

test('plays as far behind as the slowest block needs, steadily', () => {
  const trace = new Trace();
  trace.add(block(0, 0), 300);
  expect(trace.delay).toBe(420);
  trace.add(block(1, 250), 500); // came early: no reason to jump
  expect(trace.delay).toBe(420);
  trace.add(block(2, 500), 1200); // came late: the sweep would run dry
  expect(trace.delay).toBe(820);
});

test('keeps half a minute and drops blocks from the past', () => {
  const trace = new Trace();
  for (let i = 0; i < 400; i++) trace.add(block(i, i * 250), i * 250 + 300);
  expect(trace.blocks.length).toBeLessThanOrEqual(121);
  const before = trace.blocks.length;
  trace.add(block(400, 0), 100_000);
  expect(trace.blocks).toHaveLength(before);
});
