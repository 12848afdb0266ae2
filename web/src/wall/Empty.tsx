import { useSession } from '../live/context';

const steps: [string, string][] = [
  ['See a whole hospital at once, with simulated patients', 'make demo'],
  ['Or add a patient in a bed', 'vigil patient add --family Avocet --given Ida --unit "4 East" --bed 01'],
  [
    'Give the patient a device; this prints its secret and topic',
    'vigil device add --profile bedside-monitor --patient PATIENT-ID',
  ],
  [
    'Send a first reading',
    'mosquitto_pub -u DEVICE-ID -P SECRET -q 1 -t devices/DEVICE-ID/messages -m \'{"hr": 72}\'',
  ],
];

/** No bed yet: what would be here, and how to make it so. */
export function Empty() {
  return (
    <section className="blank">
      <h2>No beds yet</h2>
      <p>This wall shows every bed and home with its live values. Beds appear here by themselves.</p>
      <ol>
        {steps.map(([what, command]) => (
          <li key={command}>
            <span>{what}</span>
            <code>{command}</code>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** The wall was never fetched: say why, and that it goes on trying. */
export function Unreached({ error }: { error: string }) {
  const session = useSession();
  if (!error) return <section className="blank" aria-busy="true" />;
  return (
    <section className="blank">
      <h2>The server is not reached</h2>
      <p>{error}</p>
      <p>
        This screen goes on trying. Nothing is shown until it has been answered
        {session.phase() === 'live' ? '' : ', because old values would look live'}.
      </p>
    </section>
  );
}
