// The charts' numbers are those of the flows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base, drawn, near, number, onPage, settled, useBrowser } from './browser.mjs';

useBrowser();

const from = Math.floor(Date.now() / 60000) * 60 - 1800, to = from + 2400;
const range = `from=${from}&to=${to}&live=off&scale=sampled`;
const table = (page, name) => page.getByRole('region', { name, exact: true });

const plain = (address) => `replaceOne(toString(${address}), '::ffff:', '')`;
const port = (index) => `concat(${plain('exporter_addr')}, '/', toString(${index}))`;

/** Octets × sampling rate of all flows by an expression of SQL. */
async function sums(key) {
  const query = `SELECT toString(${key}) AS key, sum(bytes * greatest(1, sampling_rate)) FROM flows WHERE time_received >= toDateTime(${from}) GROUP BY key`;
  const { rows } = await (await fetch(`${base}/api/v1/sql`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ query }) })).json();
  assert.ok(rows?.length > 0);
  return new Map(rows.map(([k, octets]) => [k, Number(octets)]));
}

/** Texts of a table's cells below a heading. */
async function column(page, name, heading) {
  const t = table(page, name);
  await t.waitFor();
  const at = (await t.locator('th').allTextContents()).indexOf(heading) + 1;
  assert.ok(at > 0, `${heading} in ${name}`);
  return t.locator(`tbody td:nth-child(${at})`).allTextContents();
}

test('Traffic over time: the volume of each source AS', () => onPage(`${base}/time?${range}`, async (page) => {
  await drawn(page);
  const want = [...(await sums('src_as')).values()].sort((a, b) => b - a).slice(0, 10);
  const shown = (await column(page, 'Traffic, table', 'Volume')).map(number);
  want.slice(0, shown.length).forEach((v, i) => near(shown[i], v, `row ${i + 1}`));
  await page.locator('.plot canvas').first().hover();
  await page.locator('.tip .sum').waitFor();
}));

test('Overview: totals, and rings of the same total', () => onPage(`${base}/?${range}`, async (page) => {
  await settled(page);
  const all = [...(await sums("'all'")).values()][0];
  const label = await page.locator('section[aria-label="Source AS"] [role=img]').first().getAttribute('aria-label');
  near(number(label), all * 8 / (to - from), 'ring');
}));

test('IP addresses: rates of the top ones, and the flows of one', () => onPage(`${base}/addresses?${range}`, async (page) => {
  await drawn(page);
  const want = await sums(plain('src_addr'));
  const names = (await table(page, 'Source address, table').locator('tbody .n').allTextContents());
  const rates = (await column(page, 'Source address, table', 'Rate')).map(number);
  names.forEach((n, i) => n !== 'Other' && near(rates[i], want.get(n) * 8 / (to - from), n));
  await table(page, 'Source address, table').getByRole('button', { name: names[0] }).click();
  await page.getByRole('link', { name: 'Show traffic' }).click();
  const octets = (await column(page, 'Flows, table', 'Octets')).map((t) => Number(t.replaceAll('\u202f', '')));
  assert.equal(octets.reduce((a, b) => a + b, 0), want.get(names[0]));
  await page.waitForURL(/flows=/);
}));

test('flows sort, and CSV has all of them', () => onPage(`${base}/addresses?${range}&flows=all`, async (page) => {
  await table(page, 'Flows, table').waitFor();
  await table(page, 'Flows, table').getByRole('button', { name: 'Packets' }).click();
  await page.waitForURL(/sort=-packets/);
  await settled(page);
  const packets = (await column(page, 'Flows, table', 'Packets')).map((t) => Number(t.replaceAll('\u202f', '')));
  assert.deepEqual(packets, packets.slice().sort((a, b) => b - a));
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'All as CSV' }).click()]);
  const text = await (await import('node:fs/promises')).readFile(await download.path(), 'utf8');
  const { total } = await (await fetch(`${base}/api/v1/flows?from=${from}&to=${to}&limit=1`)).json();
  assert.equal(text.trim().split('\n').length - 1, total.flows);
}));

test('BGP AS: paths add up to the total, and an AS filters', () => onPage(`${base}/as?${range}&threshold=0&top=50`, async (page) => {
  await drawn(page);
  const bySource = await sums('src_as');
  const label = await page.locator('.plot [role=img]').first().getAttribute('aria-label');
  near(number(label.split(', ').at(-1)), [...bySource.values()].reduce((a, b) => a + b, 0) * 8 / (to - from), 'total');
  const [as, octets] = [...bySource].sort((a, b) => b[1] - a[1])[0];
  await page.getByLabel('From AS').fill(String(as));
  await page.getByLabel('From AS').press('Enter');
  await page.waitForURL(new RegExp(`src=${as}`));
  await settled(page);
  near(number((await page.locator('.plot [role=img]').first().getAttribute('aria-label')).split(', ').at(-1)), octets * 8 / (to - from), `AS${as}`);
}));

test('Interface: what goes out of it and comes in', () => onPage(`${base}/interface?${range}`, async (page) => {
  await drawn(page);
  const most = [...await sums(port('out_if'))].filter(([k]) => !k.endsWith('/0')).sort((a, b) => b[1] - a[1])[0];
  near(number((await page.locator('.plot [role=img]').first().getAttribute('aria-label')).split(', ').at(-1)), most[1] * 8 / (to - from), most[0]);
}));

test('Common stats: a ring for an uplink has its total; ticked ones add up', () => onPage(`${base}/common?${range}`, async (page) => {
  await drawn(page);
  await settled(page);
  const byInterface = [...await sums(port('in_if'))].filter(([k]) => !k.endsWith('/0')).sort((a, b) => b[1] - a[1]);
  const ring = async () => number((await page.locator('.plot [role=img]').first().getAttribute('aria-label')));
  near(await ring(), byInterface[0][1] * 8 / (to - from), byInterface[0][0]);
  const boxes = page.locator('.ticks input');
  const n = Math.min(2, await boxes.count());
  for (let i = 0; i < n; i++) await boxes.nth(i).click();
  await page.waitForURL(/uplinks=/);
  await settled(page);
  near(await ring(), byInterface.slice(0, n).reduce((a, [, v]) => a + v, 0) * 8 / (to - from), 'together');
}));

test('minute replay steps through the range', () => onPage(`${base}/common?${range}`, async (page) => {
  await drawn(page);
  await page.getByRole('button', { name: 'Replay minute by minute' }).click();
  await page.waitForURL(new RegExp(`from=${from}&to=${from + 60}&.*during=${from}-${to}`));
  await page.waitForURL(new RegExp(`from=${from + 120}&`));
  await page.getByRole('button', { name: 'Pause the replay' }).click();
  await page.getByRole('button', { name: 'Whole range' }).click();
  await page.waitForURL(new RegExp(`from=${from}&to=${to}&`));
}));
