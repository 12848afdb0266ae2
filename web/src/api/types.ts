// What the server says, in the words of /api/v1 and /ws/events. Times are
// RFC 3339 texts in UTC; durations in a Metric are microseconds.

export interface Code {
  system: string;
  code: string;
  display?: string;
}

export interface Metric {
  name: string;
  title?: string;
  codes: Code[];
  /** UCUM; "1" for a bare number. */
  unit: string;
  category?: string;
  decimals: number;
  /** Expected time between readings, µs; absent for spot readings. */
  cadence?: number;
  /** How long the series may go without a usable reading, µs; absent for never. */
  silence?: number;
  panel?: { name: string; codes: Code[] };
  rateNum?: number;
  rateDen?: number;
}

export interface SeriesInfo {
  id: number;
  /** "patient/…", "location/…", "device/…". */
  subject: string;
  device: string;
  channel?: string;
  metric: Metric;
  wave: boolean;
}

export interface ReadingNow {
  series: number;
  subject: string;
  device: string;
  channel?: string;
  metric: string;
  /** null when quality holds a state such as sensor-off. */
  value: number | null;
  /** The value as a person reads it: "97", "> 600". */
  text: string;
  unit: string;
  decimals: number;
  time: string;
  arrived: string;
  quality: string[];
  silenceMs?: number;
  version: number;
}

export interface Patient {
  id: string;
  family: string;
  given?: string;
  born?: string;
  sex?: string;
  mrn?: string;
  created?: string;
}

export interface Location {
  id: string;
  name: string;
  unit: string;
  kind: string;
  rank: number;
  created?: string;
}

export interface Device {
  id: string;
  name?: string;
  profile: string;
  maker?: string;
  model?: string;
  serial?: string;
  udi?: string;
  firmware?: string;
  gateway?: boolean;
  for?: string[];
  shared?: boolean;
  created?: string;
  revoked?: string;
}

export interface WallDevice {
  id: string;
  name?: string;
  profile: string;
  kind?: string;
  title?: string;
}

export interface Bed {
  location: Location;
  patient: Patient | null;
  devices: WallDevice[];
  series: SeriesInfo[];
  latest: ReadingNow[];
}

export interface Unit {
  name: string;
  beds: Bed[];
}

export interface Wall {
  time: string;
  units: Unit[];
  unattributed?: { device: WallDevice; location?: Location | null }[];
}

export interface StoredEvent {
  id: string;
  subject: string;
  device: string;
  channel?: string;
  type: string;
  title?: string;
  time: string;
  arrived: string;
  data?: unknown;
  quality: string[];
}

export interface SeriesState {
  series: number;
  subject?: string;
  metric: string;
  device: string;
  state: 'silent' | 'heard';
  since: string;
}

export interface Problem {
  file?: string;
  pos?: string;
  msg: string;
}

export interface QuarantineEntry {
  id: string;
  device: string;
  profile: string;
  state: 'open' | 'replayed' | 'closed';
  pos?: string;
  reason: string;
  count: number;
  first: string;
  last: string;
  closed?: string;
  by?: string;
}

export interface QuarantineDetail extends QuarantineEntry {
  payload: { text: string | null; base64: string };
  profileText?: string;
}

export interface Profile {
  name: string;
  title?: string;
  maker?: string;
  model?: string;
  kind?: string;
  source?: string;
  builtin: boolean;
  examples?: unknown[];
  metrics?: Metric[];
}

export interface Assignment {
  id: string;
  device: string;
  subject: string;
  from?: string;
  to?: string;
  reason?: string;
}

export interface Health {
  ok: boolean;
  checks: { name: string; ok: boolean; detail?: string; advice?: string }[];
}

export interface System {
  version: string;
  demo: boolean;
  started: string;
  time: string;
}
