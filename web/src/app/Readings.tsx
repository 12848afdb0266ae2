import type { ReadingNow } from '../api/types';
import { ageOf, exactly, qualityText, shortAge, unitText } from '../clinical/age';

/** Newest readings as a list: value, unit, when, quality. */
export function Readings({ readings }: { readings: ReadingNow[] }) {
  if (readings.length === 0) return <p className="dim">No reading in the last 24 hours.</p>;
  const now = Date.now();
  const sorted = [...readings].sort((a, b) => a.metric.localeCompare(b.metric));
  return (
    <ul className="lines">
      {sorted.map((r) => (
        <li key={r.series}>
          {r.metric}
          <b>
            {r.value === null ? 'no value' : r.text} {r.value === null ? '' : unitText(r.unit)}
          </b>
          <small>
            {exactly(r.time, now)}, {shortAge(ageOf(r, now))} ago
            {r.quality.length ? `, ${r.quality.map(qualityText).join(', ')}` : ''}
          </small>
        </li>
      ))}
    </ul>
  );
}
