import { useCallback, useState } from 'react';
import type { Bed, Wall } from '../api/types';
import { clock, running } from '../clinical/age';
import { Icon, type IconName } from '../icons';
import { useSession } from '../live/context';
import { useBeat } from '../live/useView';
import { attentionNow, type EventItem, type Item } from './attention';

const eventIcons: Record<string, IconName> = {
  fall: 'urgent',
  'bed-exit': 'bed',
  'door-open': 'door',
  'dose-taken': 'pill',
  button: 'alert-circle',
};

const maxItems = 14;
const maxEvents = 12;
/** With more than this each item is one line. */
const roomForDetails = 5;
/** A phone shows the first ones, so that the beds stay near. */
const briefly = 3;

export interface AttentionProps {
  wall: Wall;
  beds: Bed[];
  brief: boolean;
  onOpen: (locationID: string) => void;
}

/** The column on the right: what needs a look, and what happened. */
export function AttentionColumn({ wall, beds, brief, onOpen }: AttentionProps) {
  const session = useSession();
  const [all, setAll] = useState(false);
  const short = brief && !all;
  const compute = useCallback(() => {
    const now = session.clock.now();
    const a = attentionNow(wall, beds, session.store, now);
    const row = (i: Item) => ({ ...i, time: i.since === undefined ? '' : running(now - i.since) });
    return {
      items: a.items.slice(0, short ? briefly : brief ? a.items.length : maxItems).map(row),
      count: a.items.length,
      events: a.events.slice(0, short ? briefly : maxEvents),
      eventCount: a.events.length,
      lost: session.lostAt > 0,
    };
  }, [session, wall, beds, brief, short]);
  const { items, count, events, eventCount, lost } = useBeat(session.store, compute);
  return (
    <>
      <h2>
        <span>Needs attention</span>
        <span>{count}</span>
      </h2>
      {lost && <p className="calm">Not known while the server is lost.</p>}
      {count === 0 && !lost && <p className="calm">Every device on this screen reports.</p>}
      {items.map((i) => (
        <button type="button" className="card" key={i.key} onClick={() => onOpen(i.location)}>
          <span className="mini tech">
            <Icon name={i.icon} />
            {i.bed && <span className="b">{i.bed}</span>}
            <span className="tx">{i.text}</span>
            {i.time && <time>{i.time}</time>}
          </span>
          {i.detail && items.length <= roomForDetails && <span className="p">{i.detail}</span>}
        </button>
      ))}
      {!brief && count > items.length && <p className="calm">and {count - items.length} more</p>}
      <Events events={events} count={eventCount} />
      {brief && (count > briefly || eventCount > briefly) && (
        <button type="button" className="more" onClick={() => setAll(!all)}>
          {all ? 'Show fewer' : `Show all ${count} and ${eventCount} events`}
        </button>
      )}
    </>
  );
}

function Events({ events, count }: { events: EventItem[]; count: number }) {
  if (events.length === 0) return null;
  return (
    <>
      <h2>
        <span>Events, last 4 h</span>
        <span>{count}</span>
      </h2>
      <div className="events">
        {events.map((e) => (
          <div className="row" key={e.key}>
            <b>{e.bed}</b>
            <span className="ev">
              <Icon name={eventIcons[e.type] ?? 'info-circle'} />
              <span>{e.count > 1 ? `${e.text} ×${e.count}` : e.text}</span>
            </span>
            <span>{clock(e.at).slice(0, 5)}</span>
          </div>
        ))}
      </div>
    </>
  );
}
