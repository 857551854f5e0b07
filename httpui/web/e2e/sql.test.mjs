// The SQL page: result as table, CSV and chart; errors in the words of ClickHouse.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { accessible, base, drawn, onPage, useBrowser } from './browser.mjs';

useBrowser();
const QUERY = "SELECT concat('=', toString(src_as)) AS network, count() AS flows FROM flows GROUP BY network ORDER BY flows DESC";

test('a result is a table, bars and CSV', () => onPage(`${base}/sql`, async (page) => {
  await page.getByLabel('SQL', { exact: true }).fill(QUERY);
  await page.getByRole('button', { name: 'Run' }).click();
  const rows = page.getByRole('region', { name: 'Result, table' }).locator('tbody tr');
  await rows.first().waitFor();
  await drawn(page);
  const answer = await (await fetch(`${base}/api/v1/sql`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ query: QUERY }) })).json();
  assert.deepEqual(await rows.evaluateAll((list) => list.map((r) => [...r.children].map((c) => c.textContent))), answer.rows.map((r) => r.map(String)));
  const [csv] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
  assert.match(await readFile(await csv.path(), 'utf8'), /^network,flows\r\n'=\d+,\d+\r\n/);
  const [png] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'PNG' }).click()]);
  assert.equal((await readFile(await png.path())).toString('latin1', 1, 4), 'PNG');
  await accessible(page);
}));

test('times and numbers are lines', () => onPage(`${base}/sql?q=${encodeURIComponent('SELECT now() - 60 * number AS at, number AS n FROM numbers(10)')}`, async (page) => {
  await page.getByRole('region', { name: 'Result, table' }).waitFor();
  await page.getByRole('img', { name: /^Lines over time: n/ }).waitFor();
}));

test('a fault is told in the words of ClickHouse; nothing can be written', () => onPage(`${base}/sql`, async (page) => {
  const run = async (query) => {
    await page.getByLabel('SQL', { exact: true }).fill(query);
    await page.getByLabel('SQL', { exact: true }).press('Control+Enter');
  };
  await run('SELEC 1');
  await page.getByText(/Syntax error/).waitFor();
  await run('DROP TABLE flows');
  await page.getByText(/READONLY|Not enough privileges|readonly/).waitFor();
}));
