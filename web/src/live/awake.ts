/**
 * A clock that runs on while the computer sleeps and never runs backwards:
 * performance.now() may stop in sleep, Date.now() may be set back. A wall that
 * wakes up must know that it slept.
 */
export function awakeClock(
  mono: () => number = () => performance.now(),
  wall: () => number = Date.now,
): () => number {
  let m = mono();
  let w = wall();
  let t = m;
  return () => {
    const m2 = mono();
    const w2 = wall();
    t += Math.max(m2 - m, w2 - w, 0);
    m = m2;
    w = w2;
    return t;
  };
}
