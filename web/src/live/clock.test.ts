import { expect, test } from 'vitest';
import { awakeClock } from './awake';
import { backoff } from './backoff';
import { ServerClock } from './clock';

test('takes the message that travelled fastest as the truth', () => {
  let local = 1_000_000;
  const c = new ServerClock(() => local);
  const server = (ms: number) => new Date(ms).toISOString();
  // The server is 5000 ms ahead; messages take 300, 40 and 200 ms.
  for (const delay of [300, 40, 200]) {
    c.learn(server(local + 5000));
    local += delay;
  }
  local = 2_000_000;
  c.learn(server(local + 5000 - 40));
  expect(c.now() - local).toBe(5000);
});

test('forgets what it learnt when a clock was set', () => {
  const local = 1_000_000;
  const c = new ServerClock(() => local);
  c.learn(new Date(local + 60_000).toISOString());
  c.learn(new Date(local).toISOString());
  expect(c.now()).toBe(local);
});

test('ignores a time that is none', () => {
  const c = new ServerClock(() => 7);
  c.learn('soon');
  expect(c.now()).toBe(7);
});

test('the awake clock counts sleep and never runs back', () => {
  let mono = 0;
  let wall = 1_000_000;
  const now = awakeClock(
    () => mono,
    () => wall,
  );
  mono += 10;
  wall += 10;
  expect(now()).toBe(10);
  wall += 3_600_000; // slept an hour, performance.now() stood still
  expect(now()).toBe(3_600_010);
  wall -= 7_200_000; // somebody set the clock back
  mono += 5;
  expect(now()).toBe(3_600_015);
});

test('back-off grows to ten seconds, with jitter', () => {
  expect(backoff(0, () => 0)).toBe(250);
  expect(backoff(0, () => 1)).toBe(500);
  expect(backoff(30, () => 1)).toBe(10_000);
  expect(backoff(3, () => 0)).toBeLessThan(backoff(3, () => 1));
});
