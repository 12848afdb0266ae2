// Evaluates search parameters on resources with an FHIRPath engine that others
// wrote. Reads {"resources": […], "params": {"Patient": [{code, expression,
// components}]}} and writes, for each resource, {code: [value]}: a value is
// {type, value}, one of a composite {parts: [[{type, value}]]}.
import { readFileSync, writeSync } from 'node:fs';
import fhirpath from 'fhirpath';
import model from 'fhirpath/fhir-context/r4/index.js';

// The targets of references are judged by how the reference is written, as a
// server without the target has to.
const table = {
  pointsTo: {
    fn: (found, type) =>
      found.map((x) => {
        const at = x?.data ?? x;
        return String(at?.reference ?? at).split('/').at(-2) === type;
      }),
    arity: { 1: ['String'] },
  },
};
const options = { userInvocationTable: table, resolveInternalTypes: false };
const compiled = new Map();

function evaluate(resource, expression) {
  const text = expression.replace(/resolve\(\) is (\w+)/g, "pointsTo('$1')");
  if (!compiled.has(text)) compiled.set(text, fhirpath.compile(text, model, options));
  const found = compiled.get(text)(resource, { resource });
  const types = fhirpath.types(found);
  return found.map((value, i) => ({ type: types[i].replace(/^(FHIR|System)\./, ''), value }));
}

function values(resource, param) {
  const found = evaluate(resource, param.expression);
  if (!param.components) return found;
  return found.map((_, i) => ({
    parts: param.components.map((c) => evaluate(resource, `(${param.expression})[${i}].select(${c})`)),
  }));
}

const asked = JSON.parse(readFileSync(0, 'utf8'));
const answer = asked.resources.map((resource) => {
  const out = {};
  for (const param of asked.params[resource.resourceType] ?? []) {
    try {
      const found = values(resource, param);
      if (found.length > 0) out[param.code] = found;
    } catch (e) {
      out[param.code] = [{ type: 'error', value: `${param.expression}: ${e.message ?? e}` }];
    }
  }
  return out;
});
const bytes = Buffer.from(JSON.stringify(answer));
for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
