// Which beds stand on which page. Beds keep their place: the order is that of
// the server, and only the size of the screen decides where a page ends.

import type { Bed, Wall } from '../api/types';
import { onePlan, type Plan, plan, type UnitSize } from './layout';

export interface Section {
  name: string;
  beds: Bed[];
}

export interface Page {
  sections: Section[];
  /** undefined: a list, as on a phone. */
  layout: Plan | undefined;
}

export interface Space {
  width: number;
  height: number;
  list: boolean;
}

const bedside = (b: Bed) => b.location.kind === 'bed' || b.location.kind === 'home';

/** The chosen units' tiles, and the places (fridges, rooms) that stand beside beds. */
export function sectionsOf(wall: Wall | null, unit: string): { sections: Section[]; places: Bed[] } {
  const units = (wall?.units ?? []).filter((u) => !unit || u.name === unit);
  const sections: Section[] = [];
  const places: Bed[] = [];
  for (const u of units) {
    const beds = u.beds.filter(bedside);
    // A unit of places only, such as a cold store, shows them as tiles.
    sections.push({ name: u.name, beds: beds.length ? beds : u.beds });
    if (beds.length) places.push(...u.beds.filter((b) => !bedside(b)));
  }
  return { sections: sections.filter((s) => s.beds.length > 0), places };
}

const sizeOf = (s: Section): UnitSize => ({
  name: s.name,
  beds: s.beds.length,
  // One oximeter at home does not make a unit of waves.
  waves: s.beds.filter((b) => b.series.some((x) => x.wave)).length * 2 > s.beds.length,
});

function chunks(s: Section, layout: Plan): Page[] {
  const out: Page[] = [];
  for (let i = 0; i < s.beds.length; i += layout.perPage)
    out.push({ sections: [{ name: s.name, beds: s.beds.slice(i, i + layout.perPage) }], layout });
  return out;
}

/** Lays the sections out: all beside one another when they fit, else page after page, unit after unit. */
export function pagesOf(sections: Section[], space: Space): Page[] {
  if (space.list || space.width === 0) return [{ sections, layout: undefined }];
  const together = plan(sections.map(sizeOf), space.width, space.height);
  const [only] = sections;
  if (!together || !only) {
    return sections.flatMap((s) => chunks(s, onePlan(sizeOf(s), space.width, space.height, true)));
  }
  return sections.length === 1 ? chunks(only, together) : [{ sections, layout: together }];
}
