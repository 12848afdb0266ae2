import { useEffect, useState } from 'react';
import { Icon } from '../icons';
import { Chirp } from '../live/chirp';
import { useSession } from '../live/context';

/** Sounds begin this long after the server was last heard, ms, and repeat as often. */
const soundAfter = 10_000;

/** Says whether this screen can be heard, and turns its sound on. */
export function Sound() {
  const session = useSession();
  const [chirp] = useState(() => new Chirp());
  const [armed, setArmed] = useState(false);
  useEffect(() => {
    let last = 0;
    const timer = setInterval(() => {
      setArmed(chirp.armed());
      const phase = session.phase();
      const lost = phase !== 'live' && session.events.silence() > soundAfter;
      if (!lost) last = 0;
      else if (Date.now() - last >= soundAfter) {
        last = Date.now();
        chirp.play();
      }
    }, 1000);
    return () => clearInterval(timer);
  }, [session, chirp]);
  return (
    <div className="aud">
      <div>
        <Icon name={armed ? 'volume' : 'volume-3'} />
        <span>
          <b>{armed ? 'Link sound on' : 'No sound on this screen'}</b>
          <small>
            {armed ? 'Sounds when the server is lost for 10 s' : 'It cannot be heard when the server is lost'}
          </small>
        </span>
      </div>
      {!armed && (
        <button type="button" className="btn" onClick={() => void chirp.arm().then(setArmed)}>
          Turn on and test
        </button>
      )}
    </div>
  );
}
