// End-to-end checks of the screens in headless Chromium.
//
//   node e2e/run.mjs --url http://127.0.0.1:8080      against a running `vigil demo`
//   node e2e/run.mjs --bin ../bin/vigil               starts, kills and restarts its own
//
// With --bin it also checks what happens when the server dies, and the wall of
// a server without beds. Pictures go to --shots. CHROMIUM names the browser.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { launch } from './browser.mjs';
import * as check from './checks.mjs';
import { demo, empty } from './server.mjs';

const { values: flags } = parseArgs({
  options: {
    url: { type: 'string' },
    bin: { type: 'string' },
    shots: { type: 'string', default: '' },
    'script-budget': { type: 'string', default: '30' },
  },
});
if (!flags.url && !flags.bin) {
  console.error('want --url of a running demo, or --bin of the binary');
  process.exit(2);
}

let failed = 0;
async function step(name, f) {
  const start = performance.now();
  try {
    const more = await f();
    console.log(
      `ok      ${name}${more ? `, ${more}` : ''} (${((performance.now() - start) / 1000).toFixed(1)} s)`,
    );
  } catch (err) {
    failed++;
    console.log(
      `FAILED  ${name}\n        ${String(err.message).split('\n').slice(0, 12).join('\n        ')}`,
    );
  }
}
const shot = async (page, name) => {
  if (!flags.shots) return;
  mkdirSync(flags.shots, { recursive: true });
  await page.screenshot({ path: `${flags.shots}/${name}.png` });
};

const own = flags.bin ? await demo(flags.bin) : undefined;
const url = flags.url ?? own.url;
const browser = await launch();
let wall;
try {
  await step('the wall opens and is live', async () => {
    wall = await check.openWall(browser, url);
  });
  if (wall) await wallSteps();
  await otherPages();
  if (own && wall) await outage();
  if (flags.bin) await step('a server without beds says what to do', emptyWall);
  await step('no script failed on the wall', async () => assert.deepEqual(wall?.errors ?? [], []));
} finally {
  await browser.close();
  await own?.stop();
}
process.exit(failed ? 1 : 0);

async function wallSteps() {
  await step('24 beds stand in their order, with numbers', () => check.beds(wall));
  await step('waves sweep', async () => {
    await wall.waitForTimeout(2500);
    const n = await check.moving(wall);
    assert.ok(n >= 20, `want at least 20 moving waves, got ${n}`);
    return `${n} move`;
  });
  await step('values update', () => check.valuesUpdate(wall));
  await step('script time is within the budget', async () => {
    const ms = await check.scriptTime(wall);
    assert.ok(ms <= Number(flags['script-budget']), `${ms.toFixed(1)} ms/s, want ${flags['script-budget']}`);
    return `${ms.toFixed(1)} ms/s`;
  });
  await step('keyboard goes from bed to bed and into details', () => check.keyboard(wall));
  await step('axe finds nothing on the wall', () => check.accessible(wall, 'the wall'));
  await shot(wall, 'wall-1920');
}

async function otherPages() {
  for (const [name, path] of [
    ['devices', '/app/devices'],
    ['patients', '/app/patients'],
    ['quarantine', '/app/quarantine'],
    ['profiles', '/app/profiles'],
    ['system', '/app/system'],
    ['the patient’s page', '/me'],
  ])
    await step(`${name}: opens, axe finds nothing`, async () => {
      const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
      const page = await context.newPage();
      const errors = [];
      page.on('pageerror', (e) => errors.push(e.message));
      await page.goto(url + path);
      await page.waitForSelector('h1', { timeout: 10_000 });
      await page.waitForTimeout(600);
      await check.accessible(page, path);
      assert.deepEqual(errors, []);
      await shot(page, path.slice(1).replaceAll('/', '-'));
      await page.close();
    });
  await step('the pages of /fhir: axe finds nothing, wide and light, narrow and dark', () =>
    check.fhirPages(browser, url, shot),
  );
  await step('a phone shows a legible list', async () => {
    const page = await check.openWall(browser, url, { width: 390, height: 844 });
    await check.phone(page);
    await page.waitForTimeout(2000);
    await shot(page, 'wall-390');
    await check.accessible(page, 'the wall on a phone');
    await page.close();
  });
}

async function outage() {
  await step('the server is killed: stale within 4 s, and nothing looks live', async () => {
    const at = performance.now();
    await own.kill();
    await check.waitForPhase(wall, ['stale', 'offline'], 4000);
    const took = performance.now() - at;
    await wall.waitForTimeout(300);
    await check.looksLost(wall);
    await shot(wall, 'wall-stale');
    return `after ${(took / 1000).toFixed(1)} s`;
  });
  await step('after 15 s no saturation is left', async () => {
    await wall.waitForTimeout(15_000);
    // Slower series, such as those of a smart bed, stand for longer.
    const left = await wall.locator('.tile:not(.plain) .nu.c-spo2:not(.spot) b').count();
    assert.equal(left, 0, `${left} numbers of the oximeters are left`);
    await shot(wall, 'wall-offline');
  });
  await step('the server is back: live again, waves sweep', async () => {
    await own.start();
    await check.waitForPhase(wall, ['live'], 30_000);
    await wall.waitForTimeout(8000);
    const n = await check.moving(wall);
    assert.ok(n >= 20, `want at least 20 moving waves, got ${n}`);
    assert.equal(await wall.locator('.lostbar').count(), 0, 'the bar stays');
  });
}

async function emptyWall() {
  const server = await empty(flags.bin);
  try {
    const page = await check.openWall(browser, server.url);
    await page.waitForSelector('.blank h2', { timeout: 10_000 });
    assert.match(await page.locator('.blank').textContent(), /No beds yet[\s\S]*vigil patient add/);
    await check.accessible(page, 'the empty wall');
    await shot(page, 'wall-empty');
  } finally {
    await server.stop();
  }
}
