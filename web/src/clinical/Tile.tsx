import { memo, useCallback } from 'react';
import type { Bed } from '../api/types';
import { Icon } from '../icons';
import { useSession } from '../live/context';
import type { SubjectNow } from '../live/store';
import { useView } from '../live/useView';
import { clock, duration, running } from './age';
import { type BarView, type NumberView, subjectOf, type TileView, tileView } from './bed';
import { Sweep } from './Sweep';
import './tile.css';
import { personName, tileText } from './words';

export interface TileProps {
  bed: Bed;
  waveLimit: number;
  night: boolean;
  focusable: boolean;
  onOpen: (bed: Bed) => void;
}

interface Shown extends TileView {
  /** Running time in the bar or the headline, in words. */
  time: string;
  headline: string;
  lost: boolean;
}

/**
 * One bed. It has one subscription, and renders only when what it shows
 * differs. Screen readers get the same in words.
 */
export const Tile = memo(function Tile({ bed, waveLimit, night, focusable, onOpen }: TileProps) {
  const session = useSession();
  const compute = useCallback(
    (s: SubjectNow): Shown => {
      const now = session.clock.now();
      const v = tileView(bed, s, now, waveLimit);
      const since = v.bar?.since;
      const phase = session.phase();
      return {
        ...v,
        time: since === undefined ? '' : running(now - since),
        headline: v.kind === 'silent' ? duration(now - Date.parse(v.last)) : '',
        lost: phase === 'stale' || phase === 'offline',
      };
    },
    [session, bed, waveLimit],
  );
  const v = useView(session.store, subjectOf(bed), compute);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a button may not hold the blocks of a tile
    <div
      className={`tile k-${v.kind}${v.bar ? ' al' : ''}${v.lost ? ' lost' : ''}${v.waves.length ? '' : ' plain'}`}
      role="button"
      tabIndex={focusable ? 0 : -1}
      data-bed={bed.location.id}
      onClick={() => onOpen(bed)}
      onKeyDown={(e) => {
        if (e.key !== 'Enter' && e.key !== ' ') return;
        e.preventDefault();
        onOpen(bed);
      }}
    >
      <span className="sr">{tileText(bed, v)}</span>
      <div className="face" aria-hidden="true">
        <div className="hd">
          <span className={bed.location.name.length > 3 ? 'bed long' : 'bed'}>{bed.location.name}</span>
          <span className="nm">{personName(bed)}</span>
        </div>
        {v.bar && <Bar bar={v.bar} time={v.time} />}
        <Body bed={bed} v={v} night={night} />
        <Foot bed={bed} v={v} />
      </div>
    </div>
  );
});

function Bar({ bar, time }: { bar: BarView; time: string }) {
  return (
    <div className="bar tech">
      <Icon name={bar.icon} />
      <span>{bar.text}</span>
      {time && <time>{time}</time>}
    </div>
  );
}

function Body({ bed, v, night }: { bed: Bed; v: Shown; night: boolean }) {
  if (v.kind !== 'live') return <Void bed={bed} v={v} />;
  return (
    <>
      <div className="bd">
        {v.waves.length > 0 && (
          <div className="wv">
            {v.waves.map((w) => (
              <Sweep key={w.series} wave={w} night={night} />
            ))}
          </div>
        )}
        <div className="nums">
          {v.large.map((n) => (
            <Large key={n.metric} n={n} />
          ))}
        </div>
      </div>
      <div className="sec">
        {v.small.map((n, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the three places are fixed
          <Small key={i} n={n} />
        ))}
      </div>
    </>
  );
}

function Void({ bed, v }: { bed: Bed; v: Shown }) {
  const device = bed.devices[0];
  const name = device ? (device.name ?? device.id) : '';
  const todo =
    bed.location.kind === 'bed' ? 'Go to the bed.' : bed.patient ? 'Call the patient.' : 'Check the device.';
  switch (v.kind) {
    case 'silent':
      return (
        <div className="void">
          <b>{v.headline}</b>
          <span>without data. {todo}</span>
        </div>
      );
    case 'free':
      return (
        <div className="void">
          <b>Free</b>
          <span>{name ? `${name} is here, linked to nobody` : 'No device here'}</span>
        </div>
      );
    case 'waiting':
      return (
        <div className="void">
          <b>No reading yet</b>
          <span>{name} has sent nothing in 24 h</span>
        </div>
      );
    default:
      return (
        <div className="void">
          <b>Not monitored</b>
          <span>No device linked</span>
        </div>
      );
  }
}

/** A pressure is too wide for the largest size. */
const long = (text: string) =>
  text.length > 5 ? ' wide' : text.length > 3 ? ' mid' : text.length > 2 ? ' three' : '';

function Large({ n }: { n: NumberView }) {
  const label = n.metric === 'hr' || n.metric === 'pulse' ? '' : n.unit;
  const strong = n.kind === 'late' || n.kind === 'implausible';
  return (
    <div className={`nu c-${n.colour} ${n.kind}${long(n.text)}`}>
      <i>
        {n.label}
        <span>{label}</span>
        {n.note && n.text && <span className={strong ? 'strong' : ''}>{n.note}</span>}
      </i>
      {n.text ? <b>{n.text}</b> : <Missing n={n} />}
    </div>
  );
}

function Missing({ n }: { n: NumberView }) {
  if (n.kind === 'stale') return <em className="none hatch">{n.note}</em>;
  return <em className="none">{n.note}</em>;
}

function Small({ n }: { n: NumberView | null }) {
  if (!n) return <div />;
  const label = (n.metric === 'temp' || n.metric === 'weight') && n.unit ? n.unit : n.label;
  const note = n.text && n.kind !== 'fresh' ? n.note : '';
  return (
    <div className={`c-${n.colour} ${n.kind}`}>
      <small>
        {label}
        {note ? <span className={n.kind === 'late' ? 'strong' : ''}> {note}</span> : ''}
      </small>
      {n.text ? n.text : <Missing n={n} />}
    </div>
  );
}

function Foot({ bed, v }: { bed: Bed; v: Shown }) {
  const device = bed.devices.find((d) => d.id === v.large[0]?.device) ?? bed.devices[0];
  return (
    <div className="ft">
      {v.kind === 'silent' && <span>last {clock(Date.parse(v.last))}</span>}
      {v.kind === 'live' && v.age && (
        <span className={v.ageLate ? 'strong' : ''}>{v.ageLate ? `${v.age} ago` : v.age}</span>
      )}
      {v.battery && (
        <span className="strong">
          <Icon name="battery-1" />
          {v.battery}
        </span>
      )}
      {device && v.kind !== 'free' && <span className="ow">{device.name ?? device.id}</span>}
    </div>
  );
}
