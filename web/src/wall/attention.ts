// What needs a look, in the order of how much: silence first, then what
// devices say about themselves, then readings without an owner or beyond
// belief, then what happened. Nothing here is an alarm: no limit is applied.

import type { Bed, StoredEvent, Wall, WallDevice } from '../api/types';
import { stateOf } from '../clinical/age';
import { barOf, candidates, expected, subjectOf, tileView } from '../clinical/bed';
import type { LiveStore } from '../live/store';

export interface Item {
  key: string;
  /** Name of the bed, with its unit where the name alone is not enough. */
  bed: string;
  location: string;
  icon: 'wifi-off' | 'plug-connected-x' | 'user-question' | 'ruler-2-off';
  text: string;
  detail: string;
  /** ms by the server's clock; undefined when not known. */
  since: number | undefined;
  kind: 'silent' | 'device' | 'nobody' | 'implausible';
  person: boolean;
}

export interface EventItem {
  key: string;
  bed: string;
  text: string;
  type: string;
  at: number;
  count: number;
}

export interface Attention {
  items: Item[];
  events: EventItem[];
}

/** Too frequent to be news. */
const routine = new Set(['beat', 'tag-seen', 'annotation', 'heartbeat']);
const eventWindow = 4 * 3_600_000;

const named = (devices: WallDevice[], id: string): string => {
  const d = devices.find((x) => x.id === id);
  if (!d) return id;
  // "Bedside monitor M-0214", but not "Bedside monitor Monitor M-0214".
  const name = d.name ?? d.id;
  return d.title && !/[a-z]{3}/.test(name) ? `${d.title} ${name}` : name;
};

const icons: Record<Item['kind'], number> = { silent: 0, device: 1, nobody: 2, implausible: 3 };

/** How to call each bed among these: "07", or "4 East 07" when another unit has a 07 too. */
function labels(beds: Bed[]): Map<string, string> {
  const count = new Map<string, number>();
  for (const b of beds) count.set(b.location.name, (count.get(b.location.name) ?? 0) + 1);
  return new Map(
    beds.map(({ location: l }) => [l.id, (count.get(l.name) ?? 0) > 1 ? `${l.unit} ${l.name}` : l.name]),
  );
}

function bedItems(bed: Bed, label: string, store: LiveStore, now: number): Item[] {
  const s = store.get(subjectOf(bed));
  const all = candidates(bed, s, now);
  const steady = expected(all);
  const view = tileView(bed, s, now, 0);
  const base = { bed: label, location: bed.location.id, person: bed.patient !== null };
  const out: Item[] = [];
  let told = '';
  if (view.kind === 'silent') {
    const newest = [...steady].sort((a, b) => a.age - b.age)[0];
    told = newest?.info.device ?? bed.series[0]?.device ?? '';
    const device = named(bed.devices, told);
    out.push({
      ...base,
      key: `${bed.location.id} silent`,
      icon: 'wifi-off',
      kind: 'silent',
      text: 'No data',
      since: Date.parse(view.last),
      detail: bed.patient ? `Patient is not monitored: ${device} went silent.` : `${device} went silent.`,
    });
  } else {
    const bar = barOf(steady, s);
    if (bar)
      out.push({
        ...base,
        key: `${bed.location.id} ${bar.text}`,
        icon: bar.icon,
        text: bar.text,
        since: bar.since,
        detail: '',
        kind: bar.icon === 'wifi-off' ? 'silent' : 'device',
      });
  }
  const place = store.get(`location/${bed.location.id}`);
  for (const { id } of bed.devices) {
    const since = s.silent.get(id) ?? place.silent.get(id);
    if (since && id !== told)
      out.push({
        ...base,
        key: `${id} silent`,
        icon: 'wifi-off',
        kind: 'silent',
        text: 'No sign of life',
        since: Date.parse(since),
        detail: named(bed.devices, id),
      });
  }
  for (const c of all)
    if (c.reading.quality.includes('implausible') && c.fresh !== 'stale' && !stateOf(c.reading))
      out.push({
        ...base,
        key: `${bed.location.id} ${c.info.id} implausible`,
        icon: 'ruler-2-off',
        kind: 'implausible',
        since: undefined,
        text: `${c.info.metric.title ?? c.info.metric.name} ${c.reading.text}`,
        detail: 'Outside what the sensor can measure.',
      });
  return out;
}

function words(e: StoredEvent): string {
  const text = e.title || e.type.replaceAll('-', ' ');
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

const kept = new WeakMap<Bed[], { beat: number; found: Attention }>();

/** attention(), computed once a beat however many parts of the screen ask. */
export function attentionNow(wall: Wall, beds: Bed[], store: LiveStore, now: number): Attention {
  const old = kept.get(beds);
  if (old?.beat === store.beatCount()) return old.found;
  const found = attention(wall, beds, store, now);
  kept.set(beds, { beat: store.beatCount(), found });
  return found;
}

/** Everything that needs a look in the given beds at now. */
export function attention(wall: Wall, beds: Bed[], store: LiveStore, now: number): Attention {
  const label = labels(beds);
  const called = (id: string | undefined) => label.get(id ?? '') ?? '';
  const items = beds.flatMap((b) => bedItems(b, called(b.location.id), store, now));
  const shown = new Set(beds.map((b) => b.location.id));
  for (const u of wall.unattributed ?? []) {
    if (u.location && !shown.has(u.location.id)) continue;
    items.push({
      key: `${u.device.id} nobody`,
      bed: called(u.location?.id),
      location: u.location?.id ?? '',
      icon: 'user-question',
      kind: 'nobody',
      since: undefined,
      text: u.device.title ?? u.device.name ?? u.device.profile,
      person: false,
      detail: `Readings of ${u.device.name ?? u.device.id} belong to nobody. Link the device to a patient or a place.`,
    });
  }
  items.sort(
    (a, b) =>
      icons[a.kind] - icons[b.kind] ||
      Number(b.person) - Number(a.person) ||
      (b.since ?? 0) - (a.since ?? 0) ||
      a.bed.localeCompare(b.bed),
  );
  const events = beds.flatMap((b) => {
    const of = [store.get(subjectOf(b)), ...(b.patient ? [store.get(`location/${b.location.id}`)] : [])];
    return of
      .flatMap((s) => s.events)
      .map((e) => ({
        key: e.id,
        bed: called(b.location.id),
        text: words(e),
        type: e.type,
        at: Date.parse(e.time),
        count: 1,
      }));
  });
  const news = events.filter((e) => !routine.has(e.type) && e.at > now - eventWindow);
  return { items, events: fold(news.sort((a, b) => b.at - a.at)) };
}

/** The same thing again and again in one bed is one line with its newest time. */
function fold(events: EventItem[]): EventItem[] {
  const lines = new Map<string, EventItem>();
  for (const e of events) {
    const key = `${e.bed} ${e.type} ${e.text}`;
    const line = lines.get(key);
    if (line) line.count++;
    else lines.set(key, { ...e });
  }
  return [...lines.values()];
}
