// What must be true of the screens, asked of a real browser and a real server.
import assert from 'node:assert/strict';
import AxeBuilder from '@axe-core/playwright';

export const lamp = (page) => page.locator('.st[data-phase]').getAttribute('data-phase');

/** Waits until the link has a state, at most so long. */
export async function waitForPhase(page, phases, ms) {
  await page.waitForFunction(
    (want) => want.includes(document.querySelector('.st[data-phase]')?.dataset.phase),
    phases,
    {
      timeout: ms,
      polling: 100,
    },
  );
}

const pictures = (page) =>
  page.evaluate(() => [...document.querySelectorAll('.tile canvas')].map((c) => c.toDataURL()));

/** How many sweeps differ between two looks. */
export async function moving(page, ms = 1500) {
  const before = await pictures(page);
  await page.waitForTimeout(ms);
  const after = await pictures(page);
  return after.filter((p, i) => p !== before[i]).length;
}

export async function openWall(browser, url, size = { width: 1920, height: 1080 }, query = '') {
  const context = await browser.newContext({ viewport: size });
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', (e) => page.errors.push(e.message));
  page.on('console', (m) => {
    if (m.type() === 'error' && !/WebSocket|Failed to load resource/.test(m.text()))
      page.errors.push(m.text());
  });
  await page.goto(`${url}/wall${query}`);
  await page.waitForSelector('.st[data-phase="live"]', { timeout: 20_000 });
  return page;
}

export async function beds(page) {
  await page.waitForFunction(() => document.querySelectorAll('.tile').length >= 24, null, {
    timeout: 20_000,
  });
  const names = await page.locator('.tile .bed').allTextContents();
  const ward = names.filter((n) => /^\d\d$/.test(n));
  assert.equal(ward.length, 24, `want 24 numbered beds, got ${ward.length}`);
  assert.deepEqual(ward, [...ward].sort(), 'beds do not stand in the order of their numbers');
  const numbers = await page.locator('.tile .nu b').count();
  assert.ok(numbers >= 30, `want large numbers in most tiles, got ${numbers}`);
}

export async function valuesUpdate(page) {
  const read = () => page.locator('.tile').evaluateAll((all) => all.map((t) => t.textContent));
  const before = await read();
  let changed = 0;
  for (let i = 0; i < 20 && changed < 10; i++) {
    await page.waitForTimeout(500);
    changed = (await read()).filter((t, k) => t !== before[k]).length;
  }
  assert.ok(changed >= 10, `want at least 10 tiles to change within 10 s, got ${changed}`);
}

export async function keyboard(page) {
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('data-bed') ?? '');
  for (let i = 0; i < 12 && !(await focused()); i++) await page.keyboard.press('Tab');
  const first = await focused();
  assert.ok(first, 'Tab does not reach a bed');
  await page.keyboard.press('ArrowRight');
  const second = await focused();
  assert.notEqual(second, first, 'the right arrow does not go to the next bed');
  await page.keyboard.press('ArrowDown');
  const below = await focused();
  assert.notEqual(below, second, 'the down arrow does not go to the bed below');
  await page.keyboard.press('ArrowUp');
  assert.equal(await focused(), second, 'the up arrow does not come back');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.details', { timeout: 2000 });
  assert.match(
    await page.locator('.details').textContent(),
    /taken \d\d:\d\d:\d\d/,
    'details show no exact time',
  );
  await page.keyboard.press('Escape');
  await page.waitForSelector('.details', { state: 'detached', timeout: 2000 });
  assert.equal(await focused(), second, 'Escape does not return to the bed');
}

export async function accessible(page, name) {
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
    .analyze();
  const text = violations.map(
    (v) => `${v.id} (${v.nodes.length}): ${v.help}; ${v.nodes[0]?.html.slice(0, 160)}`,
  );
  assert.deepEqual(text, [], `axe found problems on ${name}`);
}

/** Processor time of scripts on the main thread, ms per second; not the time that others took away. */
export async function scriptTime(page, seconds = 8) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async () => {
    const { metrics } = await cdp.send('Performance.getMetrics');
    return metrics.find((m) => m.name === 'ScriptDuration').value;
  };
  const before = await read();
  await page.waitForTimeout(seconds * 1000);
  return ((await read()) - before) * (1000 / seconds);
}

export async function phone(page) {
  await page.waitForSelector('.tile', { timeout: 20_000 });
  const { wide, px } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - innerWidth,
    px: Number.parseFloat(getComputedStyle(document.querySelector('.nu b')).fontSize),
  }));
  assert.ok(wide <= 0, `the page is ${wide} px wider than the phone`);
  assert.ok(px >= 36, `large numbers are ${px} px on a phone, want at least 36`);
}

/** Nothing on the screen may look live: no trace, no number in its colour, a bar above everything. */
export async function looksLost(page) {
  assert.ok(await page.locator('.lostbar').isVisible(), 'no bar says that the server is lost');
  const drawn = await page.evaluate(
    () =>
      [...document.querySelectorAll('.tile canvas')].filter((c) => {
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return d.some((v) => v !== 0);
      }).length,
  );
  assert.equal(drawn, 0, `${drawn} traces are still on the screen`);
  const lit = await page.evaluate(() => {
    const ink = getComputedStyle(document.documentElement).getPropertyValue('--v-hr').trim();
    const probe = document.createElement('i');
    probe.style.color = ink;
    document.body.append(probe);
    const live = getComputedStyle(probe).color;
    probe.remove();
    return [...document.querySelectorAll('.tile .nu b')].filter((b) => getComputedStyle(b).color === live)
      .length;
  });
  assert.equal(lit, 0, `${lit} heart rates keep the colour of live ones`);
}

/** The pages of /fhir, wide and light, narrow and dark: readable, no wider than the screen, refused nothing. */
export async function fhirPages(browser, url, shot) {
  const asked = await fetch(`${url}/fhir/Observation?_count=1`, {
    headers: { Accept: 'application/fhir+json' },
  });
  const patient = (await asked.json()).entry?.[0]?.resource.subject?.reference;
  const paths = [
    '',
    '/metadata',
    '/Patient',
    '/Observation?date=yesterday',
    '/Account',
    '/Patient/none',
    '/_history',
  ];
  if (patient) paths.push(`/${patient}`, `/${patient}?view=xml`, `/Observation?patient=${patient}&_count=20`);
  for (const [colorScheme, size] of [
    ['light', { width: 1280, height: 800 }],
    ['dark', { width: 390, height: 844 }],
  ]) {
    const context = await browser.newContext({ viewport: size, colorScheme });
    const page = await context.newPage();
    const refused = [];
    page.on('console', (m) => {
      if (/Content Security Policy/.test(m.text())) refused.push(m.text());
    });
    for (const path of paths) {
      await page.goto(`${url}/fhir${path}`);
      assert.equal(await page.locator('h1').count(), 1, `${path} has no title`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${path} is ${wide} px wider than the screen`);
      if (path !== '/metadata') await accessible(page, `/fhir${path}, ${size.width} px, ${colorScheme}`);
      await shot(page, `fhir${path.replace(/[^A-Za-z]+/g, '-').slice(0, 40)}-${size.width}-${colorScheme}`);
    }
    assert.deepEqual(refused, []);
    await context.close();
  }
  return `${paths.length} pages`;
}
