import { Table, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { get } from '../../api/fetch';
import type { Patient, Wall } from '../../api/types';
import { born } from '../../clinical/age';
import { Facts, Loaded, Nothing, Page, Side } from '../parts';
import { Readings } from '../Readings';

function placesOf(wall: Wall | undefined): Map<string, string> {
  const map = new Map<string, string>();
  for (const u of wall?.units ?? [])
    for (const b of u.beds) if (b.patient) map.set(b.patient.id, `${u.name} ${b.location.name}`);
  return map;
}

const nameOf = (p: Patient) => [p.family, p.given].filter(Boolean).join(', ');

export default function Patients() {
  const { id } = useParams({ strict: false });
  const [find, setFind] = useState('');
  const patients = useQuery({
    queryKey: ['patients'],
    queryFn: () => get('/patients'),
  });
  const wall = useQuery({ queryKey: ['wall'], queryFn: () => get('/wall') as Promise<Wall> });
  const places = placesOf(wall.data);
  const list = (patients.data?.patients ?? []).filter((p) =>
    [nameOf(p), p.mrn, p.id, places.get(p.id)].join(' ').toLowerCase().includes(find.toLowerCase()),
  );
  const chosen = patients.data?.patients?.find((p) => p.id === id);
  return (
    <div className="split">
      <Page
        title="Patients"
        count={patients.data ? list.length : undefined}
        actions={
          <TextInput
            aria-label="Find a patient"
            placeholder="Find a name, number or bed"
            value={find}
            onChange={(e) => setFind(e.currentTarget.value)}
            w={280}
          />
        }
      >
        <Loaded query={patients}>
          {() =>
            list.length === 0 && !find ? (
              <Nothing title="No patients yet">
                Add one with <code>vigil patient add --family NAME --unit "4 East" --bed 01</code>
              </Nothing>
            ) : (
              <List patients={list} places={places} chosen={id} />
            )
          }
        </Loaded>
      </Page>
      {chosen && <Detail patient={chosen} place={places.get(chosen.id)} />}
    </div>
  );
}

function List({
  patients,
  places,
  chosen,
}: {
  patients: Patient[];
  places: Map<string, string>;
  chosen: string | undefined;
}) {
  return (
    <div className="panel">
      <Table highlightOnHover stickyHeader>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Born</Table.Th>
            <Table.Th>Number</Table.Th>
            <Table.Th>Where</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {patients.map((p) => (
            <Table.Tr key={p.id} aria-selected={p.id === chosen}>
              <Table.Td>
                <Link to="/patients/$id" params={{ id: p.id }}>
                  {nameOf(p)}
                </Link>
              </Table.Td>
              <Table.Td>{born(p.born, Date.now())}</Table.Td>
              <Table.Td>{p.mrn ?? <span className="dim">Not known</span>}</Table.Td>
              <Table.Td>{places.get(p.id) ?? <span className="dim">in no bed</span>}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function Detail({ patient: p, place }: { patient: Patient; place: string | undefined }) {
  const latest = useQuery({
    queryKey: ['latest', p.id],
    queryFn: () => get('/latest', { query: { patient: [p.id] } }),
    refetchInterval: 2_000,
  });
  return (
    <Side title={nameOf(p)} sub={`Born ${born(p.born, Date.now())}`} back="/patients">
      <Facts
        rows={[
          ['Identifier', <code key="id">{p.id}</code>],
          ['Number', p.mrn],
          ['Sex', p.sex],
          ['Where', place],
        ]}
      />
      <p className="links">
        <a href={`/me?patient=${encodeURIComponent(p.id)}`}>The patient's own page</a>
        <a href={`/fhir/Observation?patient=${encodeURIComponent(p.id)}&_sort=-date&_count=20`}>
          Observations as FHIR
        </a>
      </p>
      <h3>Latest readings</h3>
      <Loaded query={latest}>{(l) => <Readings readings={l.readings ?? []} />}</Loaded>
    </Side>
  );
}
