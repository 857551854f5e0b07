// What all pages have: ranges, keys, filter, export, errors, hostile names.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { base, drawn, onPage, settled, useBrowser } from './browser.mjs';

useBrowser();

test('ranges, back and forth, by mouse and keys', () => onPage(`${base}/?live=off`, async (page) => {
  await page.locator('#range').click();
  await page.getByRole('button', { name: 'Last 6 hours' }).click();
  await page.waitForURL(/range=6h/);
  await page.goBack();
  await page.waitForURL((url) => !/range=6h/.test(url.href));
  await page.locator('#main').press('[');
  await page.waitForURL(/from=\d+&to=\d+/);
  await page.locator('#range').click();
  await page.getByLabel('From', { exact: true }).fill('nonsense');
  await page.getByRole('button', { name: 'Apply range' }).click();
  assert.equal(await page.getByLabel('From', { exact: true }).evaluate((el) => el.checkValidity()), false);
  await page.getByLabel('From', { exact: true }).fill('now-2h');
  await page.getByLabel('To', { exact: true }).fill('now');
  await page.getByRole('button', { name: 'Apply range' }).click();
  await page.getByRole('dialog', { name: 'Time range' }).waitFor({ state: 'detached' });
}));

test('one minute by the calendar, in a zone of choice', () => onPage(`${base}/?live=off&tz=Asia/Kolkata`, async (page) => {
  await page.locator('#range').click();
  await page.getByLabel('Date').fill('2026-01-31');
  await page.getByLabel('Hour', { exact: true }).selectOption('14');
  await page.getByLabel('Minute of the hour').selectOption('05');
  await page.getByRole('button', { name: 'Minute', exact: true }).click();
  const at = Date.UTC(2026, 0, 31, 8, 35) / 1000;
  await page.waitForURL(new RegExp(`from=${at}&to=${at + 60}`));
  assert.match(await page.locator('#subtitle').textContent(), /Asia\/Kolkata/);
}));

test('keys go to views', () => onPage(`${base}/?live=off&range=15m`, async (page) => {
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await page.waitForURL(/\/as\?/);
  assert.equal(await page.locator('#title').textContent(), 'BGP AS');
  assert.match(page.url(), /range=15m/);
  await page.keyboard.press('f');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'filter');
  await page.locator('#filter').blur();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
}));

test('drag zooms in', () => onPage(`${base}/?range=15m&live=off`, async (page) => {
  await drawn(page);
  await settled(page);
  const box = await page.locator('.plot canvas').first().boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 100);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 100, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/from=\d+&to=\d+/);
}));

test('the filter narrows, and a fault is shown where it is', () => onPage(`${base}/time?range=1h&live=off`, async (page) => {
  await settled(page);
  await page.locator('#filter').fill('proto = 250');
  await page.locator('#filter').press('Enter');
  await page.getByText('Nothing in this time range fits the filters.').waitFor();
  await page.locator('#filter').fill('src_as = 1 and nonsense = 2');
  await page.locator('#filter').press('Enter');
  await page.locator('#filter-error mark').waitFor();
  assert.equal(await page.locator('#filter-error mark').textContent(), 'n');
  assert.match(await page.locator('#filter-error code').textContent(), /and nonsense = 2$/);
}, { provoked: /\/api\/v1\/(series|session)/ }));

test('live refresh asks again by itself and can be paused', () => onPage(`${base}/?range=15m`, async (page) => {
  await drawn(page);
  await settled(page);
  await page.waitForResponse(/api\/v1\/series/);
  await page.locator('#live').click();
  await page.waitForURL(/live=off/);
}));

test('CSV and PNG of a chart', () => onPage(`${base}/time?range=15m&live=off`, async (page) => {
  await drawn(page);
  const [csv] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: /Data as CSV/ }).click()]);
  assert.match(await readFile(await csv.path(), 'utf8'), /^time,.*\(bit\/s\).*flows\/s,packets\/s\r\n\d{4}-\d\d-\d\dT/);
  const [png] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: /Chart as PNG/ }).click()]);
  assert.equal((await readFile(await png.path())).toString('latin1', 1, 4), 'PNG');
}));

test('an error of the server is shown in its words, with a way to try again', () => {
  let fail = true;
  return onPage(`${base}/time?range=15m&live=off`, async (page) => {
    await page.getByText('read traffic: no such table').waitFor();
    await page.getByText('request r-1').waitFor();
    fail = false;
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('.plot canvas').first().waitFor();
  }, { provoked: /\/api\/v1\/(series|session)/, routes: { 'api/v1/series': (route) => (fail ? route.fulfill({ status: 502, contentType: 'application/json', headers: { 'X-Request-Id': 'r-1' }, body: '{"error":"read traffic: no such table"}' }) : route.continue()) } });
});

test('names from outside stay text, in tables, charts and dialogs', () => onPage(`${base}/as?range=15m&live=off`, async (page) => {
  await page.locator('.plot canvas').first().waitFor();
  await settled(page);
  assert.match(await page.locator('main').textContent(), /<img src=x/);
  const box = await page.locator('.plot canvas').first().boundingBox();
  await page.mouse.move(box.x + 20, box.y + box.height / 2);
  assert.equal(await page.locator('main img').count(), 0);
  assert.equal(await page.title(), 'BGP AS · NFStats');
}, { routes: { 'api/v1/paths': async (route) => {
  const answer = await (await route.fetch()).json();
  for (const n of answer.nodes) n.name = '<img src=x onerror="document.title=1">{b|} · =1+1';
  await route.fulfill({ json: answer });
} } }));
