import { Button, Table, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { get, post } from '../../api/fetch';
import type { Problem, Profile, Tried } from '../../api/types';
import { unitText } from '../../clinical/age';
import { Facts, Loaded, Page, Side } from '../parts';

export default function Profiles() {
  const { id } = useParams({ strict: false });
  const list = useQuery({
    queryKey: ['profiles'],
    queryFn: () => get('/profiles'),
  });
  return (
    <div className="split">
      <Page
        title="Profiles"
        count={list.data?.profiles?.length}
        actions={
          <Link to="/profiles/$id" params={{ id: 'new' }}>
            Check a new one
          </Link>
        }
      >
        <Loaded query={list}>
          {(l) => (
            <>
              {(l.problems ?? []).length > 0 && (
                <Problems problems={l.problems ?? []} title="Files that were not loaded" />
              )}
              <List profiles={l.profiles ?? []} chosen={id} />
            </>
          )}
        </Loaded>
      </Page>
      {id === 'new' ? (
        <Side
          title="Check a profile"
          sub="Nothing is saved. Put the file into the devices folder of the data folder to use it."
          back="/profiles"
        >
          <Bench text="" channelless />
        </Side>
      ) : (
        id && <Detail id={id} key={id} />
      )}
    </div>
  );
}

function Problems({ problems, title }: { problems: Problem[]; title: string }) {
  return (
    <div className="broken" role="alert">
      <b>{title}</b>
      <ul>
        {problems.map((p) => (
          <li key={`${p.file} ${p.pos} ${p.msg}`}>
            {p.file && <code>{p.file}</code>} {p.pos} {p.msg}
          </li>
        ))}
      </ul>
    </div>
  );
}

function List({ profiles, chosen }: { profiles: Profile[]; chosen: string | undefined }) {
  return (
    <div className="panel">
      <Table highlightOnHover stickyHeader>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Profile</Table.Th>
            <Table.Th>Maker</Table.Th>
            <Table.Th>Kind</Table.Th>
            <Table.Th className="num">Metrics</Table.Th>
            <Table.Th>Origin</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {profiles.map((p) => (
            <Table.Tr key={p.name} aria-selected={p.name === chosen}>
              <Table.Td>
                <Link to="/profiles/$id" params={{ id: p.name }}>
                  {p.title ?? p.name}
                </Link>
                <small>
                  <code>{p.name}</code>
                </small>
              </Table.Td>
              <Table.Td>{[p.maker, p.model].filter(Boolean).join(' ')}</Table.Td>
              <Table.Td>{p.kind}</Table.Td>
              <Table.Td className="num">{p.metrics?.length ?? 0}</Table.Td>
              <Table.Td>{p.builtin ? 'built in' : 'this site'}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function Detail({ id }: { id: string }) {
  const profile = useQuery({
    queryKey: ['profile', id],
    queryFn: () => get('/profiles/{name}', { id }),
    refetchInterval: false,
  });
  return (
    <Side title={profile.data?.title ?? id} sub={profile.data?.source} back="/profiles">
      <Loaded query={profile}>
        {(p) => (
          <>
            <Facts
              rows={[
                ['Name', <code key="n">{p.name}</code>],
                ['Maker', [p.maker, p.model].filter(Boolean).join(' ')],
                ['Origin', p.builtin ? 'built in' : 'this site'],
              ]}
            />
            <h3>Metrics</h3>
            <ul className="lines">
              {(p.metrics ?? []).map((m) => (
                <li key={m.name}>
                  {m.title ?? m.name}
                  <b>{m.rateNum ? `${m.rateNum / (m.rateDen ?? 1)} Hz` : unitText(m.unit)}</b>
                  <small>
                    {[
                      m.codes.map((c) => c.code).join(', '),
                      m.cadence ? `every ${m.cadence / 1e6} s` : 'as it comes',
                    ]
                      .filter(Boolean)
                      .join(', ')}
                  </small>
                </li>
              ))}
            </ul>
            <h3>Try it</h3>
            <Bench text={p.text ?? ''} name={p.name} />
          </>
        )}
      </Loaded>
    </Side>
  );
}

/** Checks a profile's text and tries it on a message, without keeping either. */
function Bench({
  text: initial,
  name,
  channelless = false,
}: {
  text: string;
  name?: string;
  channelless?: boolean;
}) {
  const [text, setText] = useState(initial);
  const [payload, setPayload] = useState('');
  const [channel, setChannel] = useState('');
  const own = text !== '' || !name ? { text } : { name };
  const check = useMutation({
    mutationFn: () => post('/profiles/check', { body: { text } }),
  });
  const attempt = useMutation({
    mutationFn: () =>
      post('/profiles/try', {
        body: { ...own, ...(payload ? { payload } : {}), ...(channel ? { channel } : {}) },
      }),
  });
  return (
    <div className="bench">
      <Textarea
        label="Profile, YAML"
        value={text}
        onChange={(e) => setText(e.currentTarget.value)}
        rows={12}
        spellCheck={false}
        styles={{ input: { fontFamily: 'var(--font-code)', fontSize: 12 } }}
      />
      <div className="row">
        <Button
          variant="default"
          disabled={text === ''}
          loading={check.isPending}
          onClick={() => check.mutate()}
        >
          Check
        </Button>
        <span role="status">{check.data?.ok ? 'No problem found.' : check.error?.message}</span>
      </div>
      {check.data && !check.data.ok && <Problems problems={check.data.problems ?? []} title="Problems" />}
      <Textarea
        label="Message"
        description="Empty tries the profile's first example."
        value={payload}
        onChange={(e) => setPayload(e.currentTarget.value)}
        rows={4}
        spellCheck={false}
        styles={{ input: { fontFamily: 'var(--font-code)', fontSize: 12 } }}
      />
      {!channelless && (
        <TextInput label="Channel" value={channel} onChange={(e) => setChannel(e.currentTarget.value)} />
      )}
      <div className="row">
        <Button loading={attempt.isPending} onClick={() => attempt.mutate()}>
          Try
        </Button>
        <span role="status">{attempt.error?.message}</span>
      </div>
      {attempt.data && <Result tried={attempt.data} />}
    </div>
  );
}

function Result({ tried }: { tried: Tried }) {
  const parts = [...tried.readings, ...tried.waves, ...tried.events];
  return (
    <ul className="lines">
      {parts.map((p, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a batch repeats names, and the list never changes
        <li key={i}>
          {p.name} <b>{p.text}</b>
          <small>{p.time}</small>
        </li>
      ))}
      {tried.refusals.map((r) => (
        <li key={`${r.pos} ${r.reason}`} className="bad">
          refused <b>{r.reason}</b>
          <small>{r.pos}</small>
        </li>
      ))}
    </ul>
  );
}
