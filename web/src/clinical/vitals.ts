// What the wall knows about metrics: their short label, their colour and their
// order. A metric that is not listed is shown under its own title in a neutral
// colour, so that a new device type needs no change here.

import type { Metric } from '../api/types';

interface Vital {
  label: string;
  /** Name of the colour token, --v-… */
  colour: string;
}

const vitals: Record<string, Vital> = {
  hr: { label: 'HR', colour: 'hr' },
  pulse: { label: 'Pulse', colour: 'spo2' },
  spo2: { label: 'SpO₂', colour: 'spo2' },
  resp: { label: 'RR', colour: 'rr' },
  temp: { label: 'Temp', colour: 'temp' },
  abp: { label: 'ABP', colour: 'abp' },
  art: { label: 'Art', colour: 'abp' },
  nibp: { label: 'NIBP', colour: 'nibp' },
  etco2: { label: 'EtCO₂', colour: 'co2' },
  glucose: { label: 'Glucose', colour: 'glucose' },
  weight: { label: 'Weight', colour: 'nibp' },
  steps: { label: 'Steps', colour: 'nibp' },
  'room-temp': { label: 'Inside', colour: 'temp' },
  humidity: { label: 'Humidity', colour: 'spo2' },
};

export function labelOf(name: string, m?: Metric): string {
  return vitals[name]?.label ?? m?.title ?? name;
}

export const colourOf = (name: string): string => vitals[name]?.colour ?? 'nibp';

/** Wave names as monitors print them. */
export function waveLabel(m: Metric): string {
  if (m.name.startsWith('ecg-'))
    return m.name
      .slice(4)
      .replace(/^mlii$/, 'MLII')
      .toUpperCase();
  if (m.name === 'pleth') return 'Pleth';
  if (m.name === 'resp') return 'Resp';
  return labelOf(m.name, m);
}

export function waveColour(name: string): string {
  if (name.startsWith('ecg')) return 'hr';
  if (name === 'pleth') return 'spo2';
  return colourOf(name);
}

/** Top to bottom: ECG (one lead), SpO₂, arterial, respiration, others. */
export function waveRank(name: string): number {
  const order = ['ecg-ii', 'ecg-mlii', 'pleth', 'abp', 'art', 'resp'];
  const at = order.indexOf(name);
  return at >= 0 ? at : name.startsWith('ecg') ? 1.5 : order.length;
}

/** Candidates for the two large numbers, best first; groups stand for one another. */
export const largeOf = (kind: string): string[][] =>
  kind === 'bed'
    ? [['hr', 'pulse'], ['spo2'], ['glucose'], ['etco2'], ['resp'], ['temp'], ['weight']]
    : kind === 'home'
      ? [['glucose'], ['hr', 'pulse'], ['spo2'], ['nibp'], ['temp'], ['weight']]
      : [['room-temp'], ['humidity'], ['temp']];

/** Candidates for the three small numbers at their fixed places. */
export const smallOf: string[][] = [['resp'], ['abp', 'nibp'], ['temp']];

/** What fills a small place that its own metric leaves empty. */
export const fillers = ['nibp', 'spo2', 'hr', 'glucose', 'etco2', 'weight', 'steps', 'humidity', 'room-temp'];

/** Not printed as numbers: they have a place of their own, or their number says nothing to a reader. */
export const hidden = new Set(['battery', 'bed-occupied', 'glucose-trend']);

/** Tells whether the wall has a short label for a metric. */
export const isVital = (name: string): boolean => vitals[name] !== undefined;
