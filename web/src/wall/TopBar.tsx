import { useCallback } from 'react';
import type { Bed, Wall } from '../api/types';
import { clock } from '../clinical/age';
import { candidates, subjectOf } from '../clinical/bed';
import { Icon, Logo } from '../icons';
import { useSession } from '../live/context';
import type { Session } from '../live/session';
import { useBeat } from '../live/useView';
import { attentionNow } from './attention';

export interface TopBarProps {
  wall: Wall | null;
  beds: Bed[];
  unit: string;
  units: string[];
  onUnit: (unit: string) => void;
  page: number;
  pages: number;
  onPage: (page: number) => void;
  night: boolean;
  onNight: () => void;
}

export function TopBar(p: TopBarProps) {
  return (
    <header className="top">
      <a className="brand" href="/app" aria-label="Open the staff app">
        <Logo />
      </a>
      <div className="unit">
        <UnitChoice {...p} />
        <Count wall={p.wall} beds={p.beds} />
      </div>
      {p.pages > 1 && <Pager page={p.page} pages={p.pages} onPage={p.onPage} />}
      <Tally wall={p.wall} beds={p.beds} />
      <button type="button" className="night" aria-pressed={p.night} onClick={p.onNight}>
        <Icon name={p.night ? 'sun' : 'moon'} />
        <span>{p.night ? 'Day' : 'Night'}</span>
      </button>
      <Lamp />
      <Clock />
    </header>
  );
}

function UnitChoice({ unit, units, onUnit }: TopBarProps) {
  if (units.length < 2) return <h1>{units[0] ?? 'Vigil'}</h1>;
  return (
    <>
      <h1 className="sr">{unit || 'All units'}</h1>
      <select aria-label="Unit" value={unit} onChange={(e) => onUnit(e.target.value)}>
        <option value="">All units</option>
        {units.map((u) => (
          <option key={u} value={u}>
            {u}
          </option>
        ))}
      </select>
    </>
  );
}

/** Patients with at least one reading that stands for the present. */
function monitored(session: Session, beds: Bed[], now: number): number {
  return beds.filter(
    (b) => b.patient && candidates(b, session.store.get(subjectOf(b)), now).some((c) => c.fresh !== 'stale'),
  ).length;
}

function Count({ wall, beds }: { wall: Wall | null; beds: Bed[] }) {
  const session = useSession();
  const compute = useCallback(
    () => (session.lostAt ? -1 : monitored(session, beds, session.clock.now())),
    [session, beds],
  );
  const n = useBeat(session.store, compute);
  if (!wall) return null;
  const of = beds.filter((b) => b.location.kind === 'bed').length;
  const homes = beds.filter((b) => b.location.kind === 'home').length;
  const places = [of && `${of} beds`, homes && `${homes} homes`].filter(Boolean).join(', ');
  return <span>{[places, n >= 0 && `${n} monitored`].filter(Boolean).join(', ')}</span>;
}

function Pager({ page, pages, onPage }: { page: number; pages: number; onPage: (n: number) => void }) {
  return (
    <nav className="pager" aria-label="Pages of beds">
      <button type="button" onClick={() => onPage(page - 1)} disabled={page === 0} aria-label="Page before">
        <Icon name="chevron-left" />
      </button>
      <span>
        {page + 1} of {pages}
      </span>
      <button
        type="button"
        onClick={() => onPage(page + 1)}
        disabled={page === pages - 1}
        aria-label="Next page"
      >
        <Icon name="chevron-right" />
      </button>
    </nav>
  );
}

function Tally({ wall, beds }: { wall: Wall | null; beds: Bed[] }) {
  const session = useSession();
  const compute = useCallback(() => {
    if (!wall) return { silent: 0, device: 0 };
    const { items } = attentionNow(wall, beds, session.store, session.clock.now());
    const silent = items.filter((i) => i.kind === 'silent').length;
    return { silent, device: items.length - silent };
  }, [session, wall, beds]);
  const { silent, device } = useBeat(session.store, compute);
  return (
    <div className="tally">
      <b className={silent ? 'tech' : 'zero'}>
        <Icon name="wifi-off" />
        {silent} silent
      </b>
      <b className={device ? 'tech' : 'zero'}>
        <Icon name="plug-connected-x" />
        {device} device
      </b>
    </div>
  );
}

/** The link to the server: shape, word and number. */
function Lamp() {
  const session = useSession();
  const compute = useCallback(
    () => ({
      phase: session.phase(),
      seconds: Math.floor(session.events.silence() / 1000),
      since: session.lostAt,
    }),
    [session],
  );
  const { phase, seconds, since } = useBeat(session.store, compute);
  const text = {
    connecting: ['Connecting', ''],
    live: ['Live', seconds < 1 ? '0 s' : `${seconds} s`],
    stale: ['Stale', `${seconds} s`],
    offline: ['Offline', since ? `since ${clock(since)}` : ''],
  }[phase];
  return (
    <div className="st" role="status" data-phase={phase}>
      <span className={`lamp ${phase}`} />
      <span>
        <b>{text[0]}</b> {phase === 'live' ? <span aria-hidden="true">{text[1]}</span> : text[1]}
      </span>
    </div>
  );
}

function Clock() {
  const session = useSession();
  const time = useBeat(
    session.store,
    useCallback(() => clock(session.clock.now()), [session]),
  );
  return <time className="clock">{time}</time>;
}
