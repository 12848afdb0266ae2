// A development tool: pictures of a running wall at the sizes that matter.
//   node dev/shots.mjs --url http://127.0.0.1:8090 --out /tmp/shots --name ward [--path /wall] [--size 1920x1080]
import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { launch } from '../e2e/browser.mjs';

const { values: f } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8090' },
    out: { type: 'string', default: 'shots' },
    name: { type: 'string', default: 'wall' },
    path: { type: 'string', default: '/wall' },
    size: { type: 'string', multiple: true, default: ['1920x1080', '1280x800', '390x844'] },
    wait: { type: 'string', default: '6000' },
    key: { type: 'string', multiple: true, default: [] },
    full: { type: 'boolean', default: false },
  },
});
mkdirSync(f.out, { recursive: true });
const browser = await launch();
for (const size of f.size) {
  const [width, height] = size.split('x').map(Number);
  const page = await browser.newPage({ viewport: { width, height } });
  page.on('console', (m) => m.type() === 'error' && console.log(size, m.text()));
  page.on('pageerror', (e) => console.log(size, e.message));
  await page.goto(f.url + f.path);
  await page.waitForTimeout(Number(f.wait));
  for (const k of f.key) await page.keyboard.press(k);
  await page.waitForTimeout(200);
  await page.screenshot({ path: `${f.out}/${f.name}-${width}.png`, fullPage: f.full });
  await page.close();
}
await browser.close();
