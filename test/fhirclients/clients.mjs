// Three FHIR clients that others wrote do what they are for, against a running
// server: node clients.mjs BASE TOKEN. Prints one line for each thing that was
// tried, "ok …" or "FAILED …", and ends with 1 when one failed.
import assert from 'node:assert/strict';
import { MedplumClient } from '@medplum/core';
import { Client as KitClient } from 'fhir-kit-client';
import smart from 'fhirclient';

const [base, token] = process.argv.slice(2);
let failed = false;

async function tried(name, f) {
  try {
    await f();
    console.log(`ok ${name}`);
  } catch (e) {
    failed = true;
    console.log(`FAILED ${name}: ${e?.stack ?? e}`);
    const body = e?.response?.data ?? e?.outcome;
    if (body) console.log(JSON.stringify(body).slice(0, 2000));
  }
}

/** Wants a promise to be refused with a status. */
async function refused(promise, status) {
  const e = await promise.then(
    () => assert.fail('it was not refused'),
    (e) => e,
  );
  if (e instanceof assert.AssertionError) throw e;
  const got = e.response?.status ?? e.status ?? e.statusCode;
  assert.equal(got, status, String(e));
  return e;
}

const marker = `clients-${Date.now()}`;
const patient = (family) => ({
  resourceType: 'Patient',
  identifier: [{ system: 'urn:vigil:test', value: `${marker}-${family}` }],
  name: [{ family, given: ['Real'] }],
  birthDate: '1970-05-04',
});
const pulse = (subject, value, when) => ({
  resourceType: 'Observation',
  status: 'final',
  category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] }],
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4', display: 'Heart rate' }] },
  subject: { reference: subject },
  effectiveDateTime: when,
  valueQuantity: { value, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
});

async function fhirclient() {
  const client = smart({ url: '/' }, {}, memory()).client({
    serverUrl: base,
    tokenResponse: { access_token: token, token_type: 'bearer' },
  });
  let made;
  await tried('fhirclient: create and read', async () => {
    made = await client.create(patient('Smart'));
    assert.ok(made.id);
    const read = await client.request(`Patient/${made.id}`);
    assert.equal(read.name[0].family, 'Smart');
  });
  await tried('fhirclient: all pages, flat, with references resolved', async () => {
    for (let i = 0; i < 7; i++) await client.create(pulse(`Patient/${made.id}`, 60 + i, `2026-03-01T10:0${i}:00Z`));
    const all = await client.request(`Observation?patient=${made.id}&_count=3&_sort=-date`, { pageLimit: 0, flat: true });
    assert.deepEqual(all.map((o) => o.valueQuantity.value), [66, 65, 64, 63, 62, 61, 60]);
    const one = await client.request(`Observation?patient=${made.id}&_count=1`, { resolveReferences: 'subject', flat: true, pageLimit: 1 });
    assert.equal(one[0].subject.name[0].family, 'Smart');
  });
  await tried('fhirclient: the patient in context', async () => {
    const about = smart({ url: '/' }, {}, memory()).client({
      serverUrl: base,
      tokenResponse: { access_token: token, token_type: 'bearer', patient: made.id },
    });
    assert.equal((await about.patient.read()).id, made.id);
    const found = await about.patient.request('Observation?code=http://loinc.org|8867-4', { flat: true, pageLimit: 0 });
    assert.equal(found.length, 7);
    assert.equal(client.byCode(found, 'code')['8867-4'].length, 7);
  });
  await tried('fhirclient: patch, update, delete', async () => {
    const patched = await client.patch(`Patient/${made.id}`, [{ op: 'add', path: '/active', value: true }]);
    assert.equal(patched.active, true);
    const updated = await client.update({ ...patched, active: false });
    assert.equal(updated.active, false);
    const gone = await client.create(patient('Gone'));
    await client.delete(`Patient/${gone.id}`);
    await refused(client.request(`Patient/${gone.id}`), 410);
  });
  await tried('fhirclient: what the server says it is', async () => {
    assert.equal(await client.getFhirVersion(), '4.0.1');
    assert.equal(await client.getFhirRelease(), 4);
  });
}

/** A storage of fhirclient that forgets. */
function memory() {
  const kept = new Map();
  return {
    get: async (k) => kept.get(k),
    set: async (k, v) => (kept.set(k, v), v),
    unset: async (k) => kept.delete(k),
  };
}

async function kit() {
  const client = new KitClient({ baseUrl: base, bearerToken: token });
  let made;
  await tried('fhir-kit-client: capability statement', async () => {
    const c = await client.capabilityStatement();
    assert.equal(c.fhirVersion, '4.0.1');
    const types = c.rest[0].resource.map((r) => r.type);
    assert.ok(types.includes('Observation') && types.includes('Patient'));
  });
  await tried('fhir-kit-client: create, read, vread, update, patch, history, delete', async () => {
    made = await client.create({ resourceType: 'Patient', body: patient('Kit') });
    const read = await client.read({ resourceType: 'Patient', id: made.id });
    assert.equal(read.meta.versionId, '1');
    await client.update({ resourceType: 'Patient', id: made.id, body: { ...read, gender: 'female' } });
    await client.patch({ resourceType: 'Patient', id: made.id, jsonPatch: [{ op: 'replace', path: '/gender', value: 'other' }] });
    const first = await client.vread({ resourceType: 'Patient', id: made.id, version: '1' });
    assert.equal(first.gender, undefined);
    const history = await client.history({ resourceType: 'Patient', id: made.id });
    assert.deepEqual(history.entry.map((e) => e.resource.meta.versionId), ['3', '2', '1']);
    assert.ok((await client.typeHistory({ resourceType: 'Patient' })).entry.length >= 3);
    assert.ok((await client.systemHistory()).entry.length >= 3);
    const gone = await client.create({ resourceType: 'Patient', body: patient('KitGone') });
    await client.delete({ resourceType: 'Patient', id: gone.id });
    await refused(client.read({ resourceType: 'Patient', id: gone.id }), 410);
  });
  await tried('fhir-kit-client: search and pages, forth and back', async () => {
    for (let i = 0; i < 5; i++)
      await client.create({ resourceType: 'Observation', body: pulse(`Patient/${made.id}`, 70 + i, `2026-03-02T10:0${i}:00Z`) });
    const first = await client.search({ resourceType: 'Observation', searchParams: { patient: made.id, _count: 2, _sort: 'date' } });
    assert.equal(first.entry.length, 2);
    const second = await client.nextPage({ bundle: first });
    assert.deepEqual(second.entry.map((e) => e.resource.valueQuantity.value), [72, 73]);
    const posted = await client.search({
      resourceType: 'Observation',
      searchParams: { patient: made.id, 'value-quantity': 'gt72|http://unitsofmeasure.org|/min' },
      options: { postSearch: true },
    });
    assert.equal(posted.entry.length, 2);
    const within = await client.compartmentSearch({ resourceType: 'Observation', compartment: { resourceType: 'Patient', id: made.id } });
    assert.equal(within.entry.length, 5);
    assert.ok((await client.systemSearch({ searchParams: { _type: 'Patient', _count: 1 } })).entry.length >= 1);
  });
  await tried('fhir-kit-client: batch, transaction, references', async () => {
    const to = 'urn:uuid:0b4c5f16-6c0e-4f2e-9d4c-5f0b8d2c7a11';
    const done = await client.transaction({
      body: {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [
          { fullUrl: to, resource: patient('Tx'), request: { method: 'POST', url: 'Patient' } },
          { resource: pulse(to, 80, '2026-03-03T10:00:00Z'), request: { method: 'POST', url: 'Observation' } },
        ],
      },
    });
    assert.ok(done.entry.every((e) => e.response.status.startsWith('201')));
    const [, type, id] = done.entry[1].response.location.match(/(Observation)\/([^/]+)/);
    const made = await client.read({ resourceType: type, id });
    const subject = await client.resolve({ reference: made.subject.reference });
    assert.equal(subject.name[0].family, 'Tx');
    const batch = await client.batch({
      body: {
        resourceType: 'Bundle',
        type: 'batch',
        entry: [
          { request: { method: 'GET', url: `Observation/${id}` } },
          { request: { method: 'GET', url: 'Observation/there-is-none' } },
        ],
      },
    });
    assert.deepEqual(batch.entry.map((e) => e.response.status.slice(0, 3)), ['200', '404']);
  });
  await tried('fhir-kit-client: operations, refusals with an OperationOutcome', async () => {
    const found = await client.operation({
      name: 'lookup',
      resourceType: 'CodeSystem',
      method: 'GET',
      input: { system: 'http://unitsofmeasure.org', code: 'mm[Hg]' },
    });
    assert.equal(found.resourceType, 'Parameters');
    const e = await refused(client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', gender: 'purple' } }), 422);
    assert.equal(e.response.data.resourceType, 'OperationOutcome');
  });
}

async function medplum() {
  const client = new MedplumClient({ baseUrl: new URL(base).origin, fhirUrlPath: 'fhir/', accessToken: token, fetch, cacheTime: 0 });
  let made;
  await tried('@medplum/core: create if none exists', async () => {
    const body = patient('Med');
    const query = `identifier=${body.identifier[0].system}|${body.identifier[0].value}`;
    made = await client.createResourceIfNoneExist(body, query);
    const again = await client.createResourceIfNoneExist(body, query);
    assert.equal(again.id, made.id);
  });
  await tried('@medplum/core: read, update, patch, history, delete', async () => {
    const read = await client.readResource('Patient', made.id);
    await client.updateResource({ ...read, gender: 'male' });
    const patched = await client.patchResource('Patient', made.id, [{ op: 'replace', path: '/gender', value: 'unknown' }]);
    assert.equal(patched.gender, 'unknown');
    const history = await client.readHistory('Patient', made.id);
    assert.equal(history.entry.length, 3);
    assert.equal((await client.readVersion('Patient', made.id, '2')).gender, 'male');
    assert.equal((await client.readReference({ reference: `Patient/${made.id}` })).id, made.id);
    const gone = await client.createResource(patient('MedGone'));
    await client.deleteResource('Patient', gone.id);
    const e = await client.readResource('Patient', gone.id).then(
      () => assert.fail('it was not refused'),
      (e) => e,
    );
    assert.equal(e.outcome?.issue[0].code, 'deleted', String(e));
  });
  await tried('@medplum/core: search, one, pages, upsert', async () => {
    for (let i = 0; i < 4; i++) await client.createResource(pulse(`Patient/${made.id}`, 90 + i, `2026-03-04T10:0${i}:00Z`));
    const found = await client.searchResources('Observation', { subject: `Patient/${made.id}`, _sort: '-date', _count: '10' });
    assert.deepEqual(found.map((o) => o.valueQuantity.value), [93, 92, 91, 90]);
    const one = await client.searchOne('Patient', `identifier=urn:vigil:test|${marker}-Med`);
    assert.equal(one.id, made.id);
    let seen = 0;
    for await (const page of client.searchResourcePages('Observation', { subject: `Patient/${made.id}`, _count: '3' })) seen += page.length;
    assert.equal(seen, 4);
    const again = await client.upsertResource({ ...patient('Med'), active: true }, `identifier=urn:vigil:test|${marker}-Med`);
    assert.equal(again.id, made.id);
    assert.equal(again.active, true);
  });
  await tried('@medplum/core: transaction and refusals', async () => {
    const done = await client.executeBatch({
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [{ resource: pulse(`Patient/${made.id}`, 99, '2026-03-05T10:00:00Z'), request: { method: 'POST', url: 'Observation' } }],
    });
    assert.ok(done.entry[0].response.status.startsWith('201'));
    const e = await client.createResource({ resourceType: 'Observation', status: 'wrong' }).then(
      () => assert.fail('it was not refused'),
      (e) => e,
    );
    assert.equal(e.outcome?.resourceType, 'OperationOutcome', String(e));
  });
  await tried('@medplum/core: validate', async () => {
    const outcome = await client.validateResource(patient('Valid'));
    assert.equal(outcome.resourceType, 'OperationOutcome');
  });
  await tried('@medplum/core: everything about a patient', async () => {
    const bundle = await client.readPatientEverything(made.id);
    assert.ok(bundle.entry.length >= 5);
  });
}

await fhirclient();
await kit();
await medplum();
process.exit(failed ? 1 : 0);
