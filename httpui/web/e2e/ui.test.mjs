// The page in a real browser against the real program: NFSTATS_URL has flows,
// NFSTATS_EMPTY_URL has none. Every console error, exception and report of the
// content security policy fails the test that meets it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { base, launch } from './browser.mjs';

const emptyBase = process.env.NFSTATS_EMPTY_URL;
const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

/** Opens a page, lets use work with it, and wants no complaint of the browser. */
async function onPage(url, use, { theme = 'light', width = 1280 } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, timezoneId: 'Europe/Berlin', bypassCSP: false });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) complaints.push(m.text()); });
  page.on('pageerror', (e) => complaints.push(String(e)));
  await page.addInitScript((t) => localStorage.setItem('theme', t), theme);
  await page.goto(url);
  await use(page);
  assert.deepEqual(complaints, []);
  await context.close();
}

const drawn = (page) => page.waitForFunction(() => {
  const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('.plot canvas'));
  if (!canvas) return false;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const colors = new Set();
  for (let i = 0; i < data.length; i += 16) if (data[i + 3]) colors.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  return colors.size > 20;
});

test('the chart is drawn from the flows and the table agrees with the API', () => onPage(`${base}/?range=15m&live=off`, async (page) => {
  await drawn(page);
  const now = Math.ceil(Date.now() / 1000);
  const answer = await (await fetch(`${base}/api/v1/traffic?by=src_as&from=${now - 900}&to=${now}`)).json();
  assert.ok(answer.rows.length > 1, 'the API has rows');
  const shown = await page.locator('[aria-label="Traffic, table"] tbody tr .n').allTextContents();
  assert.deepEqual(shown.filter((n) => n !== 'Other'), answer.rows.filter((r) => !r.other).map((r) => (r.value === '0' ? 'AS unknown' : r.name || `AS${r.value}`)));
  const volume = answer.rows[0].bits_per_second.reduce((a, v) => a + v, 0) * answer.step / 8;
  const text = await page.locator('[aria-label="Traffic, table"] tbody tr').first().locator('td').last().textContent();
  const [n, unit] = text.split('\u202f');
  const told = Number(n.replaceAll(',', '')) * { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 }[unit];
  assert.ok(Math.abs(told / volume - 1) < 0.01, `table says ${text}, the API ${volume} octets`);
}));

test('exporters are listed with when they were seen', () => onPage(`${base}/?range=15m&live=off`, async (page) => {
  const table = page.getByRole('region', { name: 'Exporters, table' });
  await table.waitFor();
  assert.match(await table.textContent(), /127\.\d+\.\d+\.\d+.*ago/);
}));

for (const theme of ['light', 'dark']) {
  test(`no accessibility violations, ${theme}`, () => onPage(`${base}/?range=15m&live=off`, async (page) => {
    await drawn(page);
    await violations(page);
  }, { theme }));
  if (emptyBase) {
    test(`first start tells where to point routers, ${theme}`, () => onPage(`${emptyBase}/`, async (page) => {
      await page.getByText('flow exporter NFSTATS').waitFor();
      const { receiving } = await (await fetch(`${emptyBase}/api/v1/status`)).json();
      assert.match(await page.locator('main').textContent(), new RegExp(`UDP ${receiving[0].replaceAll('.', '\\.')}`));
      await violations(page);
    }, { theme }));
  }
}

async function violations(page) {
  const session = await page.context().newCDPSession(page); // past the page's own policy
  const { result } = await session.send('Runtime.evaluate', { expression: `${axe}; axe.run().then((r) => JSON.stringify(r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target).join(' '))))`, awaitPromise: true });
  assert.deepEqual(JSON.parse(result.value), []);
}

test('the tooltip works under the policy', () => onPage(`${base}/?range=15m&live=off`, async (page) => {
  await drawn(page);
  const box = await page.locator('.plot canvas').first().boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.locator('.tip .sum').waitFor();
}));

test('ranges, back and forth, by mouse and keys', () => onPage(`${base}/?live=off`, async (page) => {
  await page.locator('#range').click();
  await page.getByRole('button', { name: 'Last 6 hours' }).click();
  assert.match(page.url(), /range=6h/);
  await page.goBack();
  assert.doesNotMatch(page.url(), /range=6h/);
  await page.locator('#main').press('[');
  assert.match(page.url(), /from=\d+&to=\d+/);
  await page.locator('#range').click();
  await page.getByLabel('From').fill('nonsense');
  await page.getByRole('button', { name: 'Apply range' }).click();
  assert.equal(await page.getByLabel('From').evaluate((el) => el.checkValidity()), false);
  await page.getByLabel('From').fill('now-2h');
  await page.getByLabel('To').fill('now');
  await page.getByRole('button', { name: 'Apply range' }).click();
  await page.getByRole('dialog', { name: 'Time range' }).waitFor({ state: 'detached' });
}));

test('drag zooms in', () => onPage(`${base}/?range=15m&live=off`, async (page) => {
  await drawn(page);
  const box = await page.locator('.plot canvas').first().boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 100);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 100, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/from=\d+&to=\d+/);
}));

test('live refresh asks again by itself and can be paused', () => onPage(`${base}/?range=15m`, async (page) => {
  await page.waitForResponse(/api\/v1\/traffic/);
  await page.waitForResponse(/api\/v1\/traffic/);
  await page.locator('#live').click();
  assert.match(page.url(), /live=off/);
}));

test('a narrow screen has no sideways scrolling', () => onPage(`${base}/?range=15m&live=off`, async (page) => {
  await drawn(page);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
}, { width: 400 }));

test('an error of the server is shown in its words, with a way to try again', async () => {
  const page = await browser.newPage();
  let fail = true;
  await page.route(/api\/v1\/traffic/, (route) => (fail ? route.fulfill({ status: 502, contentType: 'application/json', headers: { 'X-Request-Id': 'r-1' }, body: '{"error":"read traffic: no such table"}' }) : route.continue()));
  await page.goto(`${base}/?range=15m&live=off`);
  await page.getByText('read traffic: no such table').waitFor();
  fail = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.locator('.plot canvas').first().waitFor();
  await page.close();
});

test('names from outside stay text', async () => {
  const page = await browser.newPage();
  await page.route(/api\/v1\/traffic/, async (route) => {
    const answer = await (await route.fetch()).json();
    answer.rows[0].name = '<img src=x onerror="document.title=1">';
    await route.fulfill({ json: answer });
  });
  await page.goto(`${base}/?range=15m&live=off`);
  await page.locator('.plot canvas').first().waitFor();
  assert.match(await page.locator('main').textContent(), /<img src=x/);
  assert.equal(await page.locator('main img').count(), 0);
  assert.equal(await page.title(), 'NFStats');
  await page.close();
});
