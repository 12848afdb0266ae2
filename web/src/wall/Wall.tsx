import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { Bed, Wall as WallData } from '../api/types';
import { clock, duration } from '../clinical/age';
import { Tile } from '../clinical/Tile';
import { Icon } from '../icons';
import { useSession } from '../live/context';
import { useBeat } from '../live/useView';
import { AttentionColumn } from './Attention';
import { attention } from './attention';
import { Details } from './Details';
import { Empty, Unreached } from './Empty';
import { type Plan, plan, type UnitSize, waveLimit } from './layout';
import { Sound } from './Sound';
import { useGridSize, useNight, useUnit } from './state';
import { TopBar } from './TopBar';

const noBeds: Bed[] = [];

export function Wall() {
  const session = useSession();
  const wall = useSyncExternalStore(session.subscribeWall, session.wall);
  const error = useSyncExternalStore(session.subscribeWall, session.wallError);
  const [unit, setUnit] = useUnit();
  const [night, toggleNight] = useNight();
  const [page, setPage] = useState(0);
  const [open, setOpen] = useState<string | null>(null);
  const grid = useRef<HTMLElement>(null);
  const size = useGridSize(grid);

  const names = useMemo(() => wall?.units.map((u) => u.name) ?? [], [wall]);
  const chosen = names.includes(unit) ? unit : '';
  const { sections, layout } = useMemo(() => arrange(wall, chosen, size), [wall, chosen, size]);
  const beds = useMemo(() => (wall ? sections.flatMap((s) => s.beds) : noBeds), [wall, sections]);
  useEffect(() => session.show(chosen ? [chosen] : null), [session, chosen]);

  const perPage = layout?.perPage ?? Number.POSITIVE_INFINITY;
  const pages = Math.max(1, Math.ceil(beds.length / perPage));
  const at = Math.min(page, pages - 1);
  const shown = perPage < beds.length ? beds.slice(at * perPage, (at + 1) * perPage) : beds;
  const openBed = beds.find((b) => b.location.id === open);

  const openNamed = useCallback((b: Bed) => setOpen(b.location.id), []);
  const close = useCallback(() => {
    setOpen((id) => {
      document.querySelector<HTMLElement>(`[data-bed="${CSS.escape(id ?? '')}"]`)?.focus();
      return null;
    });
  }, []);
  useKeys(grid, close, pages, setPage);

  return (
    <div className={`wall${layout ? '' : ' list'}`}>
      <StaleBar />
      <TopBar
        wall={wall}
        beds={beds}
        unit={chosen}
        units={names}
        onUnit={setUnit}
        page={at}
        pages={pages}
        onPage={setPage}
        night={night}
        onNight={toggleNight}
      />
      <main className="grid" ref={grid} aria-label="Beds">
        {!wall && <Unreached error={error} />}
        {wall && beds.length === 0 && <Empty />}
        {wall && beds.length > 0 && (
          <Sections sections={sections} shown={shown} layout={layout} night={night} onOpen={openNamed} />
        )}
      </main>
      {wall && beds.length > 0 && (
        <aside className="att" aria-label="Attention">
          {openBed ? (
            <Details key={openBed.location.id} bed={openBed} onClose={close} />
          ) : (
            <AttentionColumn
              wall={wall}
              beds={beds}
              onOpen={(name) => setOpen(beds.find((b) => b.location.name === name)?.location.id ?? null)}
            />
          )}
          {!openBed && <Sound />}
          {!openBed && <p className="note">A second screen. It shows readings and raises no alarms.</p>}
        </aside>
      )}
      {wall && <Spoken wall={wall} beds={beds} />}
    </div>
  );
}

interface Section {
  name: string;
  beds: Bed[];
}

function arrange(
  wall: WallData | null,
  unit: string,
  size: { width: number; height: number; list: boolean },
) {
  const units = (wall?.units ?? []).filter((u) => (!unit || u.name === unit) && u.beds.length > 0);
  const sections: Section[] = units.map((u) => ({ name: u.name, beds: u.beds }));
  if (size.list || size.width === 0) return { sections, layout: undefined };
  const sizes = units.map(
    (u): UnitSize => ({
      name: u.name,
      beds: u.beds.length,
      waves: u.beds.some((b) => b.series.some((s) => s.wave)),
    }),
  );
  const together = plan(sizes, size.width, size.height);
  if (together || sizes.length < 2) return { sections, layout: together };
  // The units do not fit beside one another: one run of pages through all of them.
  const run: UnitSize = {
    name: '',
    beds: sizes.reduce((n, s) => n + s.beds, 0),
    waves: sizes.some((s) => s.waves),
  };
  return {
    sections: [{ name: '', beds: units.flatMap((u) => u.beds) }],
    layout: plan([run], size.width, size.height),
  };
}

interface SectionsProps {
  sections: Section[];
  shown: Bed[];
  layout: Plan | undefined;
  night: boolean;
  onOpen: (b: Bed) => void;
}

function Sections({ sections, shown, layout, night, onOpen }: SectionsProps) {
  const limit = layout ? waveLimit(shown.length) : 2;
  const first = shown[0]?.location.id;
  const tiles = (beds: Bed[]) =>
    beds.map((b) => (
      <Tile
        key={b.location.id}
        bed={b}
        waveLimit={limit}
        night={night}
        focusable={b.location.id === first}
        onOpen={onOpen}
      />
    ));
  if (!layout)
    return sections.map((s) => (
      <section className="unit-list" key={s.name} aria-label={s.name}>
        <h2 className="caption">{s.name}</h2>
        {tiles(s.beds)}
      </section>
    ));
  return layout.blocks.map((b, i) => (
    <section
      className={`block${layout.captions ? ' captioned' : ''}`}
      key={b.unit}
      aria-label={b.unit || 'Beds'}
      style={{
        flexGrow: b.columns * b.weight,
        gridTemplateColumns: `repeat(${b.columns}, minmax(0, 26rem))`,
        gridTemplateRows: `${layout.captions ? 'auto ' : ''}repeat(${layout.rows}, minmax(0, 22rem))`,
      }}
    >
      {layout.captions && (
        <h2 className="caption">
          {b.unit} <span>{sections[i]?.beds.length}</span>
        </h2>
      )}
      {tiles(layout.blocks.length > 1 ? (sections[i]?.beds ?? []) : shown)}
    </section>
  ));
}

/** Above everything while the server is not heard. */
function StaleBar() {
  const session = useSession();
  const compute = useCallback(() => {
    const phase = session.phase();
    return { phase, silence: duration(session.events.silence()), since: session.lostAt };
  }, [session]);
  const { phase, silence, since } = useBeat(session.store, compute);
  if (phase !== 'stale' && phase !== 'offline') return null;
  return (
    <div className="lostbar" role="alert">
      <Icon name="wifi-off" />
      <b>This screen has lost the server</b>
      <span>
        {since ? `Nothing here is live since ${clock(since)}. ` : ''}Go to the beds.{' '}
        <span aria-hidden="true">{silence}</span>
      </span>
    </div>
  );
}

/** The numbers in words for screen readers, renewed every 30 s; what is silent at once. */
function Spoken({ wall, beds }: { wall: WallData; beds: Bed[] }) {
  const session = useSession();
  const said = useRef({ at: 0, text: '' });
  const compute = useCallback(() => {
    const now = session.clock.now();
    const silent = attention(wall, beds, session.store, now).items.filter((i) => i.kind === 'silent');
    const text = silent.length
      ? `${silent.length} silent: ${silent.map((i) => `${i.bed} ${i.text}`).join(', ')}`
      : 'All devices report.';
    if (text !== said.current.text && now - said.current.at > 30_000) said.current = { at: now, text };
    return said.current.text;
  }, [session, wall, beds]);
  return (
    <div className="sr" aria-live="polite">
      {useBeat(session.store, compute)}
    </div>
  );
}

/** Arrows go from bed to bed by where they lie, Enter opens, Escape closes. */
function useKeys(
  grid: React.RefObject<HTMLElement | null>,
  close: () => void,
  pages: number,
  setPage: (f: (n: number) => number) => void,
) {
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.key === 'Escape') return close();
      if (e.key === 'PageDown') return setPage((n) => Math.min(n + 1, pages - 1));
      if (e.key === 'PageUp') return setPage((n) => Math.max(n - 1, 0));
      const tile = (e.target as HTMLElement).closest?.<HTMLElement>('.tile');
      if (!tile || !grid.current) return;
      if (e.key === 'Enter' || e.key === ' ') {
        e.preventDefault();
        return tile.click();
      }
      const next = neighbour(tile, [...grid.current.querySelectorAll<HTMLElement>('.tile')], e.key);
      if (!next) return;
      e.preventDefault();
      next.focus();
      next.scrollIntoView({ block: 'nearest' });
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [grid, close, pages, setPage]);
}

function neighbour(from: HTMLElement, all: HTMLElement[], key: string): HTMLElement | undefined {
  const at = all.indexOf(from);
  if (key === 'ArrowLeft') return all[at - 1];
  if (key === 'ArrowRight') return all[at + 1];
  if (key === 'Home') return all[0];
  if (key === 'End') return all.at(-1);
  if (key !== 'ArrowUp' && key !== 'ArrowDown') return undefined;
  const a = from.getBoundingClientRect();
  const sign = key === 'ArrowDown' ? 1 : -1;
  const rows = all
    .map((el) => ({ el, r: el.getBoundingClientRect() }))
    .filter(({ r }) => (r.top - a.top) * sign > a.height / 2)
    .sort(
      (p, q) =>
        Math.abs(p.r.top - a.top) - Math.abs(q.r.top - a.top) ||
        Math.abs(p.r.left - a.left) - Math.abs(q.r.left - a.left),
    );
  return rows[0]?.el;
}
