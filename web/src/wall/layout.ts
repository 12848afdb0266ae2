// How many tiles fit. Numbers are never made smaller: what does not fit goes
// on the next page. All lengths in rem.

export const gap = 0.3125;
/** The least a tile needs: two large numbers over a row of small ones. */
export const minHeight = 14;
const minWidth = 11.5;
const minWidthNoWaves = 9;
const captionHeight = 1.9;
/** A tile looks best at this width to height. */
const shape = 1.2;

export interface UnitSize {
  name: string;
  beds: number;
  waves: boolean;
}

export interface Block {
  unit: string;
  columns: number;
  /** Share of the width of one column. */
  weight: number;
}

export interface Plan {
  rows: number;
  /** Units side by side; with one block the unit has the whole width. */
  blocks: Block[];
  /** Tiles on a page; only with one block. */
  perPage: number;
  captions: boolean;
}

const fits = (length: number, least: number): number =>
  Math.max(1, Math.floor((length + gap) / (least + gap)));

/** Plans a wall of units in a space; several units share it only when all their beds fit at once. */
export function plan(units: UnitSize[], width: number, height: number): Plan | undefined {
  const [only] = units;
  if (!only) return undefined;
  if (units.length === 1) return onePlan(only, width, height, false);
  const rows = fits(height - captionHeight, minHeight);
  const blocks = units.map((u) => {
    const columns = Math.ceil(u.beds / rows);
    return { unit: u.name, columns, weight: u.waves ? 1.35 : 1 };
  });
  const total = blocks.reduce((sum, b) => sum + b.columns * b.weight, 0);
  const inner = width - blocks.reduce((sum, b) => sum + b.columns, 0) * gap;
  const room = blocks.every(
    (b, i) => (inner * b.weight) / total >= (units[i]?.waves ? minWidthNoWaves + 2 : 8.6),
  );
  return room ? { rows, blocks, perPage: Number.POSITIVE_INFINITY, captions: true } : undefined;
}

/** Plans pages of one unit; with its name above when other units have pages too. */
export function onePlan(u: UnitSize, width: number, full: number, captions: boolean): Plan {
  const height = full - (captions ? captionHeight : 0);
  const maxRows = fits(height, minHeight);
  const maxColumns = fits(width, u.waves ? minWidth : minWidthNoWaves);
  const whole = (rows: number, columns: number, perPage: number): Plan => ({
    rows,
    blocks: [{ unit: u.name, columns, weight: 1 }],
    perPage,
    captions,
  });
  let best: Plan | undefined;
  let bestScore = Number.POSITIVE_INFINITY;
  for (let rows = 1; rows <= maxRows; rows++) {
    const columns = Math.ceil(u.beds / rows);
    if (columns > maxColumns) continue;
    const score = Math.abs(Math.log(width / columns / (height / rows) / shape));
    if (score < bestScore) {
      bestScore = score;
      best = whole(rows, Math.max(1, columns), Math.max(1, u.beds));
    }
  }
  return best ?? whole(maxRows, maxColumns, maxRows * maxColumns);
}

/** Waves per tile: fewer the more tiles there are. */
export function waveLimit(tiles: number): number {
  if (tiles <= 12) return 3;
  if (tiles <= 48) return 2;
  return tiles <= 72 ? 1 : 0;
}
