import { useCallback, useEffect, useRef } from 'react';
import type { Bed, ReadingNow, SeriesInfo } from '../api/types';
import { born, clock, exactly, qualityText, shortAge, unitText } from '../clinical/age';
import { candidates, subjectOf } from '../clinical/bed';
import { colourOf } from '../clinical/vitals';
import { bedName } from '../clinical/words';
import { Icon } from '../icons';
import { useSession } from '../live/context';
import type { SubjectNow } from '../live/store';
import { useView } from '../live/useView';

interface Row {
  info: SeriesInfo;
  reading: ReadingNow;
  age: string;
  taken: string;
  arrived: string;
  fresh: string;
  words: string;
}

/** Every value of a bed as it was sent: exact times, device and quality. */
export function Details({ bed, onClose }: { bed: Bed; onClose: () => void }) {
  const session = useSession();
  const compute = useCallback(
    (s: SubjectNow) => {
      const now = session.clock.now();
      const rows = candidates(bed, s, now).map(
        (c): Row => ({
          info: c.info,
          reading: c.reading,
          age: shortAge(c.age),
          taken: exactly(c.reading.time, now),
          arrived: exactly(c.reading.arrived, now),
          fresh: c.fresh,
          words: c.reading.quality.map(qualityText).join(', ') || 'good',
        }),
      );
      return {
        rows,
        events: s.events
          .slice(0, 8)
          .map((e) => ({ id: e.id, text: e.title || e.type, at: clock(Date.parse(e.time)) })),
      };
    },
    [session, bed],
  );
  const { rows, events } = useView(session.store, subjectOf(bed), compute);
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => close.current?.focus(), []);
  const p = bed.patient;
  return (
    <section className="details" role="dialog" aria-label={`Details of ${bedName(bed)}`}>
      <header>
        <div>
          <h2>
            {bedName(bed)}
            {p ? ` ${[p.family, p.given].filter(Boolean).join(', ')}` : ''}
          </h2>
          {p && (
            <p>
              Born {born(p.born, session.clock.now())}
              {p.mrn ? `, number ${p.mrn}` : ''}
            </p>
          )}
        </div>
        <button type="button" className="btn" ref={close} onClick={onClose} aria-label="Close details">
          <Icon name="x" />
        </button>
      </header>
      <div className="scroll">
        {rows.length === 0 && <p className="calm">No reading in the last 24 hours.</p>}
        {rows.map((r) => (
          <DetailRow key={r.info.id} row={r} bed={bed} />
        ))}
        {events.length > 0 && <h3>Events</h3>}
        {events.map((e) => (
          <p className="line" key={e.id}>
            <span>{e.at}</span> {e.text}
          </p>
        ))}
        <h3>Devices</h3>
        {bed.devices.map((d) => (
          <p className="line" key={d.id}>
            <span>{d.name ?? d.id}</span> {d.title ?? d.profile}
          </p>
        ))}
        {bed.devices.length === 0 && <p className="line">No device is linked.</p>}
      </div>
    </section>
  );
}

function DetailRow({ row, bed }: { row: Row; bed: Bed }) {
  const { info, reading: r } = row;
  const device = bed.devices.find((d) => d.id === info.device);
  const base = info.metric.name.replace(/-(sys|dia|mean)$/, '');
  return (
    <div className={`value ${row.fresh}`}>
      <div className="v1">
        <span>{info.metric.title ?? info.metric.name}</span>
        <b className={r.value !== null && row.fresh !== 'stale' ? `c-${colourOf(base)}` : ''}>
          {r.value === null ? 'no value' : r.text} <small>{r.value === null ? '' : unitText(r.unit)}</small>
        </b>
      </div>
      <div className="v2">
        taken {row.taken} <span className={row.fresh === 'fresh' ? '' : 'strong'}>({row.age} ago)</span>,
        arrived {row.arrived}
      </div>
      <div className="v2">
        {device?.name ?? info.device}
        {info.channel ? ` ${info.channel}` : ''}, quality {row.words}
        {r.version > 1 ? `, corrected (version ${r.version})` : ''}
      </div>
    </div>
  );
}
