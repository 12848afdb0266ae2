// Puts a brotli and a gzip twin beside every script and style of dist, so that
// the server compresses nothing at run time.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, gzipSync } from 'node:zlib';

for (const name of readdirSync('dist/assets')) {
  if (!/\.(js|css)$/.test(name)) continue;
  const text = readFileSync(`dist/assets/${name}`);
  writeFileSync(`dist/assets/${name}.br`, brotliCompressSync(text));
  writeFileSync(`dist/assets/${name}.gz`, gzipSync(text, { level: 9 }));
}
