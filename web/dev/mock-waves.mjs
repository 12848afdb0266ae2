// Synthetic wave shapes of the development tool.
const hump = (p, m, w, a) => a * Math.exp(-((p - m) ** 2) / (2 * w * w));
const shapes = {
  ecg: (p) =>
    hump(p, 0.17, 0.028, 0.14) -
    hump(p, 0.335, 0.011, 0.16) +
    hump(p, 0.36, 0.0125, 1.05) -
    hump(p, 0.39, 0.013, 0.28) +
    hump(p, 0.6, 0.052, 0.27),
  pleth: (p) => hump(p, 0.3, 0.09, 0.9) + hump(p, 0.52, 0.1, 0.42) + hump(p, 0.72, 0.14, 0.12),
  resp: (p) => 0.5 - 0.5 * Math.cos(2 * Math.PI * p ** 0.85),
};

/** The value of a wave at a time in seconds, for a person's rates per minute. */
export function waveform(metric, seed, t, { hr, rr }) {
  const kind = metric.startsWith('ecg') ? 'ecg' : metric;
  const perSecond = (kind === 'resp' ? rr : hr) / 60;
  const phase = (t * perSecond + (seed % 97) / 97) % 1;
  return shapes[kind](phase) + 0.01 * Math.sin(t * 311 + seed);
}
