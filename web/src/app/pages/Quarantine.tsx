import { Button, SegmentedControl, Table, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { get, post } from '../../api/fetch';
import type { QuarantineDetail, QuarantineEntry } from '../../api/types';
import { exactly } from '../../clinical/age';
import { Facts, Loaded, Nothing, Page, Side } from '../parts';

export default function Quarantine() {
  const { id } = useParams({ strict: false });
  const [state, setState] = useState<State | ''>('open');
  const [device, setDevice] = useState('');
  const list = useQuery({
    queryKey: ['quarantine', state, device],
    queryFn: () =>
      get('/quarantine', {
        query: { ...(state ? { state } : {}), ...(device ? { device } : {}), limit: 200 },
      }),
  });
  const entries = list.data?.entries ?? [];
  return (
    <div className="split">
      <Page
        title="Quarantine"
        count={list.data ? entries.length : undefined}
        actions={
          <>
            <SegmentedControl
              aria-label="State"
              value={state}
              onChange={(v) => setState(v as State | '')}
              data={[
                { value: 'open', label: 'Open' },
                { value: 'replayed', label: 'Replayed' },
                { value: 'closed', label: 'Closed' },
                { value: '', label: 'All' },
              ]}
            />
            <TextInput
              aria-label="Device"
              placeholder="Device"
              value={device}
              onChange={(e) => setDevice(e.currentTarget.value)}
              w={140}
            />
            <ReplayAll entries={entries} device={device} />
          </>
        }
      >
        <Loaded query={list}>
          {() =>
            entries.length === 0 ? (
              <Nothing title={state === 'open' ? 'Every message was understood' : 'Nothing here'}>
                Messages that no profile understands are kept here with the reason, until the profile is
                mended and they are replayed.
              </Nothing>
            ) : (
              <List entries={entries} chosen={id} />
            )
          }
        </Loaded>
      </Page>
      {id && <Detail id={id} key={id} />}
    </div>
  );
}

function List({ entries, chosen }: { entries: QuarantineEntry[]; chosen: string | undefined }) {
  const now = Date.now();
  return (
    <div className="panel">
      <Table highlightOnHover stickyHeader>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Reason</Table.Th>
            <Table.Th>Device</Table.Th>
            <Table.Th className="num">Messages</Table.Th>
            <Table.Th>Last</Table.Th>
            <Table.Th>State</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {entries.map((e) => (
            <Table.Tr key={e.id} aria-selected={e.id === chosen}>
              <Table.Td>
                <Link to="/quarantine/$id" params={{ id: e.id }}>
                  {e.reason}
                </Link>
                <small>
                  <code>{e.pos}</code>
                </small>
              </Table.Td>
              <Table.Td>
                {e.device}
                <small>{e.profile}</small>
              </Table.Td>
              <Table.Td className="num">{e.count}</Table.Td>
              <Table.Td>{exactly(e.last, now)}</Table.Td>
              <Table.Td>{e.state}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

type State = 'open' | 'replayed' | 'closed';

interface Replayed {
  replayed: number;
  refused: { pos?: string; reason: string }[];
}

const replayText = (r: Replayed) => {
  const { refused } = r;
  const first = refused[0];
  if (!first) return `${r.replayed} replayed. The readings have landed.`;
  return `${r.replayed} replayed, ${refused.length} refused again: ${[first.pos, first.reason].filter(Boolean).join(': ')}`;
};

function useAct<T>(act: () => Promise<T>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSettled: () => queries.invalidateQueries({ queryKey: ['quarantine'] }),
  });
}

function ReplayAll({ entries, device }: { entries: QuarantineEntry[]; device: string }) {
  const open = entries.filter((e) => e.state === 'open').length;
  const act = useAct(() => post('/quarantine/replay', { body: device ? { device } : {} }));
  return (
    <>
      <Button onClick={() => act.mutate()} loading={act.isPending} disabled={open === 0}>
        {device ? `Replay ${device}` : 'Replay all open'}
      </Button>
      <span role="status">{act.data ? replayText(act.data) : act.error?.message}</span>
    </>
  );
}

function Detail({ id }: { id: string }) {
  const entry = useQuery({
    queryKey: ['quarantine', 'entry', id],
    queryFn: () => get('/quarantine/{id}', { id }),
  });
  const now = Date.now();
  return (
    <Side
      title={entry.data?.reason ?? 'Message'}
      sub={entry.data && <code>{entry.data.pos}</code>}
      back="/quarantine"
    >
      <Loaded query={entry}>
        {(e) => (
          <>
            <Acts entry={e} />
            <h3>Message</h3>
            <pre>{e.payload.text ?? e.payload.base64}</pre>
            {e.payload.text === null && <p className="dim">Not text, shown as base64.</p>}
            <Facts
              rows={[
                [
                  'Device',
                  <Link key="d" to="/devices/$id" params={{ id: e.device }}>
                    {e.device}
                  </Link>,
                ],
                [
                  'Profile',
                  <Link key="p" to="/profiles/$id" params={{ id: e.profile }}>
                    {e.profile}
                  </Link>,
                ],
                ['State', e.state],
                ['Messages', String(e.count)],
                ['First', exactly(e.first, now)],
                ['Last', exactly(e.last, now)],
                ['Closed', e.closed ? `${exactly(e.closed, now)} by ${e.by ?? 'not known'}` : 'not yet'],
              ]}
            />
            {e.profileText && (
              <>
                <h3>Profile that refused it</h3>
                <pre>{e.profileText}</pre>
              </>
            )}
          </>
        )}
      </Loaded>
    </Side>
  );
}

function Acts({ entry }: { entry: QuarantineDetail }) {
  const [reason, setReason] = useState('');
  const replay = useAct(() => post('/quarantine/{id}/replay', { id: entry.id }));
  const close = useAct(() => post('/quarantine/{id}/close', { id: entry.id, body: { reason } }));
  if (entry.state !== 'open') return null;
  return (
    <div className="acts">
      <Button onClick={() => replay.mutate()} loading={replay.isPending}>
        Replay this message
      </Button>
      <p role="status">
        {replay.data ? replayText(replay.data) : (replay.error?.message ?? close.error?.message)}
      </p>
      <div className="row">
        <TextInput
          aria-label="Reason to close"
          placeholder="Reason to close it"
          value={reason}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
        <Button
          variant="default"
          disabled={reason.trim() === ''}
          loading={close.isPending}
          onClick={() => close.mutate()}
        >
          Close
        </Button>
      </div>
    </div>
  );
}
