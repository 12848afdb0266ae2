// Names for the shapes that the screens use. They come from schema.d.ts, which
// is made from the server's OpenAPI document (npm run api).

import type { components } from './schema';

type Schemas = components['schemas'];

export type Metric = Schemas['Metric'];
export type SeriesInfo = Schemas['SeriesInfo'];
export type ReadingNow = Schemas['ReadingNow'];
export type Patient = Schemas['Patient'];
export type Location = Schemas['Location'];
export type Device = Schemas['Device'];
export type WallDevice = Schemas['WallDevice'];
/** A free bed has no patient. */
export type Bed = Omit<Schemas['Bed'], 'patient'> & { patient: Patient | null };
export type Wall = Omit<Schemas['Wall'], 'units' | 'unattributed'> & {
  units: { name: string; beds: Bed[] }[];
  unattributed: { device: WallDevice; location: Location | null }[];
};
export type StoredEvent = Schemas['StoredEvent'];
export type Problem = Schemas['Problem'];
export type QuarantineEntry = Schemas['QuarantineEntry'];
export type QuarantineDetail = Schemas['ShownEntry'];
export type Profile = Schemas['Profile'];
export type Tried = Schemas['Tried'];

/** Of /ws/events: a series passed its silence limit, or was heard again. */
export interface SeriesState {
  /** 0 when a device missed its heartbeat. */
  series: number;
  subject?: string;
  metric: string;
  device: string;
  state: 'silent' | 'heard';
  since: string;
}
