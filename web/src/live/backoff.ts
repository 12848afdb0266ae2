/**
 * How long to wait before the n-th attempt (from 0) to reach the server again:
 * doubling from half a second to ten, with jitter so that a ward of screens
 * does not come back in one instant.
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(10_000, 500 * 2 ** Math.min(attempt, 10));
  return ceiling / 2 + random() * (ceiling / 2);
}
