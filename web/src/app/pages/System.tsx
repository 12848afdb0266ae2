import { Table } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { get } from '../../api/fetch';
import { exactly } from '../../clinical/age';
import { Icon } from '../../icons';
import { Facts, Loaded, Page } from '../parts';

export default function System() {
  const health = useQuery({
    queryKey: ['health'],
    queryFn: () => get('/health'),
    refetchInterval: 5_000,
  });
  const system = useQuery({ queryKey: ['system'], queryFn: () => get('/system') });
  const bad = health.data?.checks.filter((c) => !c.ok).length ?? 0;
  return (
    <Page
      title="System"
      actions={
        health.data && <span>{bad === 0 ? 'Everything that was checked is well' : `${bad} to look at`}</span>
      }
    >
      <Loaded query={health}>
        {(h) => (
          <div className="panel">
            <Table>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Check</Table.Th>
                  <Table.Th>Found</Table.Th>
                  <Table.Th>What to do</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {[...h.checks]
                  .sort((a, b) => Number(a.ok) - Number(b.ok))
                  .map((c) => (
                    <Table.Tr key={c.name}>
                      <Table.Td>
                        <span className={c.ok ? 'mark' : 'mark bad'}>
                          <Icon name={c.ok ? 'check' : 'alert-circle'} />
                          {c.name}
                          <span className="sr">{c.ok ? ', well' : ', needs attention'}</span>
                        </span>
                      </Table.Td>
                      <Table.Td>{c.detail}</Table.Td>
                      <Table.Td>{c.advice}</Table.Td>
                    </Table.Tr>
                  ))}
              </Table.Tbody>
            </Table>
          </div>
        )}
      </Loaded>
      <Loaded query={system}>
        {(s) => (
          <div className="panel pad">
            <Facts
              rows={[
                ['Version', s.version],
                ['Started', exactly(s.started, Date.now())],
                [
                  'API',
                  <a key="a" href="/api/v1/openapi.json">
                    OpenAPI document
                  </a>,
                ],
                [
                  'FHIR',
                  <a key="f" href="/fhir/metadata">
                    Capability statement
                  </a>,
                ],
                [
                  'Metrics',
                  <a key="m" href="/metrics">
                    Prometheus
                  </a>,
                ],
              ]}
            />
          </div>
        )}
      </Loaded>
    </Page>
  );
}
