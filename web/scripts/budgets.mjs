// Fails the build when an entry or a route has grown over its budget. Sizes
// are those of JavaScript and CSS together, compressed with brotli, in KiB.
import { readFileSync } from 'node:fs';
import { brotliCompressSync } from 'node:zlib';

const budgets = { 'wall.html': 80, 'me.html': 120, 'app.html': 230 };
const routeBudget = 80;

const manifest = JSON.parse(readFileSync('dist/.vite/manifest.json', 'utf8'));
const size = (file) => brotliCompressSync(readFileSync(`dist/${file}`)).length / 1024;

/** The files that a chunk loads at once: itself, its static imports, their styles. */
function files(key, seen = new Set(), out = new Set()) {
  const chunk = manifest[key];
  if (!chunk || seen.has(key)) return out;
  seen.add(key);
  out.add(chunk.file);
  for (const css of chunk.css ?? []) out.add(css);
  for (const next of chunk.imports ?? []) files(next, seen, out);
  return out;
}
const total = (set) => [...set].reduce((sum, f) => sum + size(f), 0);

const rows = [];
for (const [entry, budget] of Object.entries(budgets)) rows.push([entry, total(files(entry)), budget]);
const shell = files('app.html');
for (const [key, chunk] of Object.entries(manifest)) {
  if (!chunk.isDynamicEntry) continue;
  rows.push([key, total(new Set([...files(key)].filter((f) => !shell.has(f)))), routeBudget]);
}
let over = false;
for (const [name, kib, budget] of rows) {
  const bad = kib > budget;
  over ||= bad;
  console.log(`${bad ? 'OVER ' : 'ok   '} ${name.padEnd(34)} ${kib.toFixed(1).padStart(6)} of ${budget} KiB`);
}
process.exit(over ? 1 : 0);
