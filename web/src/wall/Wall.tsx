import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { Bed, Wall as WallData } from '../api/types';
import { clock, duration } from '../clinical/age';
import { Tile } from '../clinical/Tile';
import { Icon } from '../icons';
import { useSession } from '../live/context';
import { useBeat } from '../live/useView';
import { AttentionColumn } from './Attention';
import { attentionNow } from './attention';
import { Details } from './Details';
import { Empty, Unreached } from './Empty';
import { waveLimit } from './layout';
import { Places } from './Places';
import { type Page, pagesOf, sectionsOf } from './pages';
import { Sound } from './Sound';
import { useGridSize, useNight, useUnit } from './state';
import { TopBar } from './TopBar';

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
  const { sections, places } = useMemo(() => sectionsOf(wall, chosen), [wall, chosen]);
  const pages = useMemo(() => pagesOf(sections, size), [sections, size]);
  const beds = useMemo(() => [...sections.flatMap((s) => s.beds), ...places], [sections, places]);
  useEffect(() => session.show(chosen ? [chosen] : null), [session, chosen]);

  const at = Math.min(page, Math.max(0, pages.length - 1));
  const shown = pages[at];
  const openBed = beds.find((b) => b.location.id === open);

  const openNamed = useCallback((b: Bed) => setOpen(b.location.id), []);
  const close = useCallback(() => {
    setOpen((id) => {
      document.querySelector<HTMLElement>(`[data-bed="${CSS.escape(id ?? '')}"]`)?.focus();
      return null;
    });
  }, []);
  useKeys(grid, close, pages.length, setPage);

  return (
    <div className="wall">
      <StaleBar />
      <TopBar
        wall={wall}
        beds={beds}
        unit={chosen}
        units={names}
        onUnit={setUnit}
        page={at}
        pages={pages.length}
        onPage={setPage}
        night={night}
        onNight={toggleNight}
      />
      <main className="grid" ref={grid} aria-label="Beds">
        {!wall && <Unreached error={error} />}
        {wall && beds.length === 0 && <Empty />}
        {shown && beds.length > 0 && <Sections page={shown} night={night} onOpen={openNamed} />}
      </main>
      {wall && beds.length > 0 && (
        <aside className="att" aria-label="Attention">
          {openBed ? (
            <Details key={openBed.location.id} bed={openBed} onClose={close} />
          ) : (
            <>
              <AttentionColumn wall={wall} beds={beds} brief={size.list} onOpen={setOpen} />
              <Places places={places} onOpen={setOpen} />
              <Sound />
              <p className="note">A second screen. It shows readings and raises no alarms.</p>
            </>
          )}
        </aside>
      )}
      {wall && <Spoken wall={wall} beds={beds} />}
    </div>
  );
}

function Sections({ page, night, onOpen }: { page: Page; night: boolean; onOpen: (b: Bed) => void }) {
  const { sections, layout } = page;
  const limit = layout ? waveLimit(sections.reduce((n, s) => n + s.beds.length, 0)) : 2;
  const first = sections[0]?.beds[0]?.location.id;
  return sections.map((s, i) => {
    const block = layout?.blocks[i];
    const captions = layout?.captions ?? true;
    const style = block && {
      flexGrow: block.columns * block.weight,
      gridTemplateColumns: `repeat(${block.columns}, minmax(0, 26rem))`,
      gridTemplateRows: `${captions ? 'auto ' : ''}repeat(${layout?.rows}, minmax(0, 22rem))`,
    };
    return (
      <section className={block ? 'block' : 'unit-list'} key={s.name} aria-label={s.name} style={style}>
        {captions && (
          <h2 className="caption">
            {s.name} <span>{s.beds.length}</span>
          </h2>
        )}
        {s.beds.map((b) => (
          <Tile
            key={b.location.id}
            bed={b}
            waveLimit={limit}
            night={night}
            focusable={b.location.id === first}
            onOpen={onOpen}
          />
        ))}
      </section>
    );
  });
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
    const silent = attentionNow(wall, beds, session.store, now).items.filter((i) => i.kind === 'silent');
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

/** Arrows go from bed to bed by where they lie, Escape closes the details. */
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
