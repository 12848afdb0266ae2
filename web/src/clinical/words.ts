// A tile in words: for screen readers, and as its accessible name.

import type { Bed } from '../api/types';
import type { NumberView, TileView } from './bed';

const spoken: Record<string, string> = {
  hr: 'heart rate',
  spo2: 'oxygen saturation',
  resp: 'respiration',
  temp: 'temperature',
  nibp: 'cuff pressure',
  abp: 'arterial pressure',
  etco2: 'carbon dioxide',
};

export const bedName = (bed: Bed): string =>
  bed.location.kind === 'bed' ? `Bed ${bed.location.name}` : bed.location.name;

export const personName = (bed: Bed): string => {
  const p = bed.patient;
  if (!p) return '';
  return p.given ? `${p.family}, ${p.given.slice(0, 1)}.` : p.family;
};

function numberText(n: NumberView): string {
  const name = spoken[n.metric] ?? n.label;
  if (n.kind === 'stale') return `${name} without data for ${n.note}`;
  if (n.kind === 'state') return `${name} ${n.note}`;
  return [name, n.text, n.unit, n.note && n.note !== n.unit ? n.note : ''].filter(Boolean).join(' ');
}

/** The whole tile as one sentence after another. */
export function tileText(bed: Bed, v: TileView): string {
  const head = [bedName(bed), personName(bed).replace(/\.$/, '')].filter(Boolean).join(', ');
  switch (v.kind) {
    case 'free':
      return `${head}. Free.`;
    case 'empty':
      return `${head}. No device.`;
    case 'waiting':
      return `${head}. No reading yet.`;
    case 'silent':
      return `${head}. No data since ${new Date(v.last).toLocaleTimeString('en-GB')}. Not monitored.`;
    case 'live': {
      const rows = [...v.large, ...v.small.filter((n) => n !== null)].map(numberText);
      return `${head}. ${[v.bar?.text, ...rows].filter(Boolean).join('. ')}.`;
    }
  }
}
