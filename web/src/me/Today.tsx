import { useEffect, useState } from 'react';
import { get } from '../api/fetch';
import type { ReadingNow } from '../api/types';
import { ageOf, qualityText, shortAge, stateOf, takenAt, unitText } from '../clinical/age';
import { Logo } from '../icons';

/** How often the page asks for newer readings, ms. */
const every = 10_000;

interface Asked<T> {
  data: T | undefined;
  /** Since when the answers fail, ms; 0 while they come. */
  lostAt: number;
}

/** Asks again and again; key says when the question is another one. */
function useAsked<T>(key: string, question: () => Promise<T>): Asked<T> {
  const [state, set] = useState<Asked<T>>({ data: undefined, lostAt: 0 });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the question
  useEffect(() => {
    let on = true;
    const ask = () =>
      question().then(
        (data) => on && set({ data, lostAt: 0 }),
        () => on && set((s) => ({ ...s, lostAt: s.lostAt || Date.now() })),
      );
    void ask();
    const timer = setInterval(ask, every);
    return () => {
      on = false;
      clearInterval(timer);
    };
  }, [key]);
  return state;
}

export function Today() {
  const id = new URLSearchParams(location.search).get('patient') ?? '';
  return id ? <Mine id={id} /> : <Choose />;
}

function Choose() {
  const { data, lostAt } = useAsked('patients', () => get('/patients'));
  const patients = data?.patients ?? [];
  return (
    <Frame lostAt={lostAt} title="Who are you?">
      {data && patients.length === 0 && <p className="card">Nobody is here yet. Your care team adds you.</p>}
      <ul className="card">
        {patients.map((p) => (
          <li key={p.id}>
            <a href={`/me?patient=${encodeURIComponent(p.id)}`}>
              {[p.given, p.family].filter(Boolean).join(' ')}
            </a>
          </li>
        ))}
      </ul>
    </Frame>
  );
}

const plain: Record<string, string> = {
  hr: 'Heart rate',
  pulse: 'Pulse',
  spo2: 'Oxygen',
  resp: 'Breathing',
  temp: 'Temperature',
  glucose: 'Sugar',
  weight: 'Weight',
  steps: 'Steps',
  'nibp-sys': 'Blood pressure',
  'abp-sys': 'Blood pressure (line)',
  battery: 'Battery',
};
const folded = new Set(['nibp-dia', 'nibp-mean', 'abp-dia', 'abp-mean']);

/** Pressure is read as one number out of two. */
function printed(r: ReadingNow, all: ReadingNow[]): string {
  if (!r.metric.endsWith('-sys')) return r.text;
  const dia = all.find(
    (o) => o.metric === r.metric.replace('-sys', '-dia') && o.device === r.device && o.time === r.time,
  );
  return dia ? `${r.text}/${dia.text}` : r.text;
}

function Mine({ id }: { id: string }) {
  const who = useAsked(`patient ${id}`, () => get('/patients/{id}', { id }));
  const latest = useAsked(`latest ${id}`, () => get('/latest', { query: { patient: [id] } }));
  const all = latest.data?.readings ?? [];
  const shown = all
    .filter((r) => !folded.has(r.metric) && r.metric !== 'battery')
    .sort((a, b) => Date.parse(b.time) - Date.parse(a.time));
  const name = who.data?.given ?? who.data?.family;
  return (
    <Frame lostAt={latest.lostAt} title={name ? `${name}, your readings` : 'Your readings'}>
      {latest.data && shown.length === 0 && <p className="card">No reading has come in the last day.</p>}
      {shown.length > 0 && (
        <ul className="card">
          {shown.map((r) => (
            <Row key={r.series} r={r} all={all} />
          ))}
        </ul>
      )}
      <p className="small">
        These are readings only. If you feel ill, do not wait for this page: call for help.
      </p>
    </Frame>
  );
}

function Row({ r, all }: { r: ReadingNow; all: ReadingNow[] }) {
  const now = Date.now();
  const state = stateOf(r);
  return (
    <li>
      <span>
        {plain[r.metric] ?? r.metric.replaceAll('-', ' ')}
        <small>
          {takenAt(r.time, now)}, {shortAge(ageOf(r, now))} ago
        </small>
      </span>
      {state ? (
        <em>{qualityText(state)}</em>
      ) : (
        <b>
          {printed(r, all)} <small>{unitText(r.unit)}</small>
        </b>
      )}
    </li>
  );
}

function Frame({ title, lostAt, children }: { title: string; lostAt: number; children: React.ReactNode }) {
  return (
    <>
      <header>
        <Logo />
        <span>Vigil</span>
        <span className="link" role="status">
          {lostAt
            ? `Not connected since ${takenAt(new Date(lostAt).toISOString(), Date.now())}. What you see may be old.`
            : ''}
        </span>
      </header>
      <main>
        <h1>{title}</h1>
        {children}
      </main>
    </>
  );
}
