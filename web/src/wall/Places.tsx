import { useCallback } from 'react';
import type { Bed } from '../api/types';
import { subjectOf, tileView } from '../clinical/bed';
import { tileText } from '../clinical/words';
import { useSession } from '../live/context';
import type { SubjectNow } from '../live/store';
import { useView } from '../live/useView';

/** Fridges and rooms of a ward, as lines beside its beds. */
export function Places({ places, onOpen }: { places: Bed[]; onOpen: (id: string) => void }) {
  if (places.length === 0) return null;
  return (
    <>
      <h2>
        <span>Places</span>
        <span>{places.length}</span>
      </h2>
      {places.map((p) => (
        <Place key={p.location.id} bed={p} onOpen={onOpen} />
      ))}
    </>
  );
}

function Place({ bed, onOpen }: { bed: Bed; onOpen: (id: string) => void }) {
  const session = useSession();
  const compute = useCallback(
    (s: SubjectNow) => {
      const phase = session.phase();
      return {
        ...tileView(bed, s, session.clock.now(), 0),
        lost: phase === 'stale' || phase === 'offline',
      };
    },
    [session, bed],
  );
  const v = useView(session.store, subjectOf(bed), compute);
  return (
    <button
      type="button"
      className={`place k-${v.kind}${v.lost ? ' lost' : ''}`}
      data-bed={bed.location.id}
      onClick={() => onOpen(bed.location.id)}
    >
      <span className="sr">{tileText(bed, v)}</span>
      <span className="face" aria-hidden="true">
        <span className="nm">{bed.location.name}</span>
        {v.kind !== 'live' && <span>{v.kind === 'silent' ? 'no data' : 'no reading'}</span>}
        {v.large.map((n) => (
          <span key={n.metric}>
            <b className={`c-${n.colour}`}>{n.text || n.note}</b> {n.text ? n.unit : ''}
          </span>
        ))}
        <span>{v.age}</span>
      </span>
    </button>
  );
}
