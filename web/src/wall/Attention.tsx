import { useCallback } from 'react';
import type { Bed, Wall } from '../api/types';
import { clock, running } from '../clinical/age';
import { Icon, type IconName } from '../icons';
import { useSession } from '../live/context';
import { useBeat } from '../live/useView';
import { attention, type EventItem, type Item } from './attention';

const eventIcons: Record<string, IconName> = {
  fall: 'urgent',
  'bed-exit': 'bed',
  'door-open': 'door',
  'dose-taken': 'pill',
  button: 'alert-circle',
};

const maxItems = 9;
const maxEvents = 12;

/** The column on the right: what needs a look, and what happened. */
export function AttentionColumn({
  wall,
  beds,
  onOpen,
}: {
  wall: Wall;
  beds: Bed[];
  onOpen: (bedName: string) => void;
}) {
  const session = useSession();
  const compute = useCallback(() => {
    const now = session.clock.now();
    const a = attention(wall, beds, session.store, now);
    const row = (i: Item) => ({ ...i, time: i.since === undefined ? '' : running(now - i.since) });
    return {
      items: a.items.slice(0, maxItems).map(row),
      count: a.items.length,
      events: a.events.slice(0, maxEvents),
    };
  }, [session, wall, beds]);
  const { items, count, events } = useBeat(session.store, compute);
  return (
    <>
      <h2>
        <span>Needs attention</span>
        <span>{count}</span>
      </h2>
      {count === 0 && <p className="calm">Every device on this screen reports.</p>}
      {items.map((i) => (
        <button type="button" className="card" key={i.key} onClick={() => onOpen(i.bed)}>
          <span className="mini tech">
            <Icon name={i.icon} />
            {i.bed && <span className="b">{i.bed}</span>}
            <span className="tx">{i.text}</span>
            {i.time && <time>{i.time}</time>}
          </span>
          {i.detail && <span className="p">{i.detail}</span>}
        </button>
      ))}
      {count > items.length && <p className="calm">and {count - items.length} more</p>}
      <Events events={events} />
    </>
  );
}

function Events({ events }: { events: EventItem[] }) {
  if (events.length === 0) return null;
  return (
    <>
      <h2>
        <span>Events, last 4 h</span>
        <span>{events.length}</span>
      </h2>
      <div className="events">
        {events.map((e) => (
          <div className="row" key={e.key}>
            <b>{e.bed}</b>
            <span className="ev">
              <Icon name={eventIcons[e.type] ?? 'info-circle'} />
              <span>{e.text}</span>
            </span>
            <span>{clock(e.at).slice(0, 5)}</span>
          </div>
        ))}
      </div>
    </>
  );
}
