import { Table, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { get } from '../../api/fetch';
import type { Device, Wall } from '../../api/types';
import { exactly } from '../../clinical/age';
import { Facts, Loaded, Nothing, Page, Side } from '../parts';
import { Readings } from '../Readings';

interface Where {
  text: string;
  patient: string;
}

/** Whom each device serves now, as the wall has it. */
function whereOf(wall: Wall | undefined): Map<string, Where> {
  const map = new Map<string, Where>();
  for (const u of wall?.units ?? [])
    for (const b of u.beds)
      for (const d of b.devices)
        map.set(d.id, {
          text: `${u.name} ${b.location.name}`,
          patient: b.patient ? `${b.patient.family}, ${b.patient.given ?? ''}` : 'nobody',
        });
  return map;
}

export default function Devices() {
  const { id } = useParams({ strict: false });
  const [find, setFind] = useState('');
  const devices = useQuery({
    queryKey: ['devices'],
    queryFn: () => get('/devices'),
  });
  const wall = useQuery({ queryKey: ['wall'], queryFn: () => get('/wall') as Promise<Wall> });
  const where = whereOf(wall.data);
  const list = (devices.data?.devices ?? []).filter((d) => matches(d, where.get(d.id), find));
  return (
    <div className="split">
      <Page
        title="Devices"
        count={devices.data ? list.length : undefined}
        actions={
          <TextInput
            aria-label="Find a device"
            placeholder="Find a device, profile or bed"
            value={find}
            onChange={(e) => setFind(e.currentTarget.value)}
            w={280}
          />
        }
      >
        <Loaded query={devices}>
          {() =>
            list.length === 0 && !find ? (
              <Nothing title="No devices yet">
                Register one with <code>vigil device add --profile bedside-monitor --patient PATIENT-ID</code>
              </Nothing>
            ) : (
              <List devices={list} where={where} chosen={id} />
            )
          }
        </Loaded>
      </Page>
      {id && <Detail id={id} />}
    </div>
  );
}

const matches = (d: Device, w: Where | undefined, find: string) =>
  [d.id, d.name, d.profile, d.serial, w?.text, w?.patient]
    .join(' ')
    .toLowerCase()
    .includes(find.toLowerCase());

function List({
  devices,
  where,
  chosen,
}: {
  devices: Device[];
  where: Map<string, Where>;
  chosen: string | undefined;
}) {
  return (
    <div className="panel">
      <Table highlightOnHover stickyHeader>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Device</Table.Th>
            <Table.Th>Profile</Table.Th>
            <Table.Th>Where</Table.Th>
            <Table.Th>Firmware</Table.Th>
            <Table.Th>State</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {devices.map((d) => (
            <Table.Tr key={d.id} aria-selected={d.id === chosen}>
              <Table.Td>
                <Link to="/devices/$id" params={{ id: d.id }}>
                  {d.name ?? d.id}
                </Link>
                <small>{[d.maker, d.model].filter(Boolean).join(' ')}</small>
              </Table.Td>
              <Table.Td>{d.profile}</Table.Td>
              <Table.Td>
                {where.get(d.id)?.text ?? <span className="dim">no bed</span>}
                <small>{where.get(d.id)?.patient}</small>
              </Table.Td>
              <Table.Td>{d.firmware ?? <span className="dim">Not known</span>}</Table.Td>
              <Table.Td>
                {d.revoked ? (
                  <b className="bad">Revoked</b>
                ) : d.gateway ? (
                  'Gateway'
                ) : d.shared ? (
                  'Shared'
                ) : (
                  'In use'
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function Detail({ id }: { id: string }) {
  const device = useQuery({
    queryKey: ['device', id],
    queryFn: () => get('/devices/{id}', { id }),
  });
  const links = useQuery({
    queryKey: ['assignments', id],
    queryFn: () => get('/assignments', { query: { device: id } }),
  });
  const latest = useQuery({
    queryKey: ['latest', 'device', id],
    queryFn: () => get('/latest', { query: { device: [id] } }),
    refetchInterval: 2_000,
  });
  const patients = useQuery({
    queryKey: ['patients'],
    queryFn: () => get('/patients'),
  });
  const subject = (s: string) => {
    const p = patients.data?.patients?.find((x) => `patient/${x.id}` === s);
    return p ? [p.family, p.given].filter(Boolean).join(', ') : s;
  };
  const now = Date.now();
  return (
    <Side title={device.data?.name ?? id} sub={device.data?.profile} back="/devices">
      <Loaded query={device}>
        {(d) => (
          <Facts
            rows={[
              ['Identifier', <code key="id">{d.id}</code>],
              ['Maker', [d.maker, d.model].filter(Boolean).join(' ')],
              ['Serial', d.serial && <code>{d.serial}</code>],
              ['UDI', d.udi && <code>{d.udi}</code>],
              ['Firmware', d.firmware],
              ['Registered', d.created && exactly(d.created, now)],
              ['Topic', <code key="t">devices/{d.id}/messages</code>],
            ]}
          />
        )}
      </Loaded>
      <h3>Latest readings</h3>
      <Loaded query={latest}>{(l) => <Readings readings={l.readings ?? []} />}</Loaded>
      <h3>Served</h3>
      <Loaded query={links}>
        {(l) =>
          (l.assignments ?? []).length === 0 ? (
            <p className="dim">Linked to nobody so far.</p>
          ) : (
            <ul className="lines">
              {l.assignments?.map((a) => (
                <li key={a.id}>
                  {subject(a.subject)}
                  <small>
                    {a.from ? `from ${exactly(a.from, now)}` : 'since ever'}{' '}
                    {a.to ? `until ${exactly(a.to, now)}` : 'until now'}
                  </small>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Side>
  );
}
