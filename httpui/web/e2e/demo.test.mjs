// What wants routers with SNMP: the network of the demo, where core1 announces 1:100 and samples 1:1000.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, base, drawn, near, number, onPage, settled, useBrowser } from './browser.mjs';

useBrowser();
const get = async (path) => (await fetch(`${base}/api/v1/${path}`)).json();

test('SNMP data is read, with progress, and interfaces are chosen', () => onPage(`${base}/settings`, async (page) => {
  const row = page.getByRole('region', { name: 'Hosts, table' }).getByRole('row', { name: /core2\.ams/ });
  await row.getByRole('button', { name: 'Read SNMP data' }).click();
  const dialog = page.getByRole('dialog', { name: 'SNMP data of core2.ams' });
  await dialog.getByText(/\d+ interfaces\. Tick those/).waitFor();
  await accessible(page);
  const box = dialog.getByLabel('TenGigE0/0/0/3.31 is sampled');
  const before = await box.isChecked();
  const saved = page.waitForResponse((r) => r.request().method() === 'PATCH');
  await box.click();
  assert.equal((await saved).status(), 200);
  const { interfaces } = await get('interfaces?exporter=127.0.2.2');
  assert.equal(interfaces.find((i) => i.name === 'TenGigE0/0/0/3.31').sampled, !before);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('region', { name: 'Settings of interfaces, table' }).getByRole('row', { name: /TenGigE0\/0\/0\/3\.31/ }).waitFor();
}));

/** An interface of core1 for which the page suggests the true rate, as the page asks for it. */
async function misled() {
  const now = Math.floor(Date.now() / 1000), range = `from=${now - 3600}&to=${now}`;
  const { interfaces } = await get(`calibration?${range}&exporter=127.0.2.1&direction=in`);
  for (const i of interfaces) {
    const { interfaces: [alone] } = await get(`calibration?${range}&exporter=127.0.2.1&if_index=${i.if_index}&direction=in`);
    if (alone?.suggested_sampling_rate === 1000) return alone;
  }
  assert.fail(`no suggestion: ${interfaces.map((i) => i.diagnosis).join('; ')}`);
}

test('Trust: a suggested sampling rate is accepted', async () => {
  const wrong = await misled();
  await onPage(`${base}/trust?range=1h&live=off&interface=${encodeURIComponent(`${wrong.exporter}/${wrong.if_index}`)}`, async (page) => {
    await drawn(page);
    await page.locator('select[aria-label=Exporter] option').nth(1).waitFor({ state: 'attached' }); // names have come: nothing is drawn again
    await settled(page);
    const button = page.getByRole('button', { name: 'Accept 1:1000' });
    await button.waitFor();
    await accessible(page);
    const [accepted] = await Promise.all([page.waitForResponse(/calibration\/accept/), button.click()]);
    assert.equal(accepted.status(), 200);
  });
  const changed = (await get(`interfaces?exporter=${wrong.exporter}`)).interfaces.find((i) => i.if_index === wrong.if_index);
  assert.equal(changed.sampling_rate_override, 1000);
});

/** The rows of a query as objects. */
async function run(query) {
  const response = await fetch(`${base}/api/v1/sql`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ query, limit: 10000 }) });
  const { columns, rows, error } = await response.json();
  assert.equal(response.status, 200, error);
  return rows.map((r) => Object.fromEntries(columns.map((c, i) => [c.name, r[i]])));
}

test('Trust: the SQL behind chart and table gives their numbers', async () => {
  const to = Math.floor(Date.now() / 300000) * 300 - 600, range = `from=${to - 3600}&to=${to}`; // what is final stays
  const { interfaces: [one], sql } = await get(`calibration?${range}&exporter=127.0.2.2&if_index=3&direction=in`);
  const rows = await run(sql);
  assert.equal(rows.length, one.buckets.length);
  assert.ok(rows.length > 2);
  for (const [i, b] of one.buckets.entries()) {
    for (const curve of ['snmp_bps', 'flows_bps', 'calibrated_bps']) near(Number(rows[i][curve]), b[curve], curve);
    assert.equal(rows[i].status, b.status);
  }
  const all = await get(`calibration?${range}`), newest = await run(all.sql);
  assert.equal(newest.length, all.interfaces.length);
  for (const i of all.interfaces.filter((x) => x.coverage !== null)) {
    const row = newest.find((r) => r.exporter_addr === `::ffff:${i.exporter}` && Number(r.if_index) === i.if_index && r.direction === i.direction);
    near(Number(row.coverage), i.coverage, `coverage of ${i.exporter}/${i.if_index}`);
  }
  await onPage(`${base}/trust?range=1h&live=off&interface=${encodeURIComponent('127.0.2.2/3')}`, async (page) => {
    await drawn(page);
    await page.getByRole('button', { name: 'Interface: Show SQL' }).click();
    await page.getByRole('link', { name: 'Open in SQL' }).click();
    await page.getByRole('region', { name: 'Result, table' }).getByRole('columnheader', { name: 'snmp_bps' }).waitFor();
  });
});

test('Exporters: the SQL behind the table gives its numbers', async () => {
  const to = Math.floor(Date.now() / 1000) - 120;
  const { exporters, sql } = await get(`exporters?from=${to - 600}&to=${to}`);
  const rows = await run(sql);
  assert.deepEqual(rows.map((r) => [r.exporter_addr, Number(r.flows), Number(r.octets)]), exporters.filter((e) => e.flows > 0).map((e) => [`::ffff:${e.address}`, e.flows, e.octets]));
});

for (const [view, ready] of [['interfaces', (page) => page.getByRole('img', { name: /^Traffic in of/ }).first().waitFor()], ['as', drawn], ['time', drawn]]) {
  test(`${view}: the SQL behind the chart opens and runs, however long`, () => onPage(`${base}/${view}?range=1h&live=off`, async (page) => {
    await ready(page);
    await page.getByRole('button', { name: /Show SQL/ }).click();
    await page.getByRole('link', { name: 'Open in SQL' }).click();
    await page.getByRole('region', { name: 'Result, table' }).getByRole('columnheader', { name: 'octets_sum' }).waitFor();
  }));
}

test('the previous period is drawn beside, with its numbers', async () => {
  const to = Math.floor(Date.now() / 60000) * 60 - 120, from = to - 600;
  const before = await get(`series?from=${from - 600}&to=${to - 600}&by=src_as&top=10&points=240`);
  const sums = before.flows_per_second.map((_, i) => before.rows.reduce((sum, r) => sum + r.bits_per_second[i], 0));
  await onPage(`${base}/time?from=${from}&to=${to}&live=off`, async (page) => {
    await drawn(page);
    await page.getByRole('button', { name: 'Previous period' }).click();
    await page.waitForURL(/previous=on/);
    await drawn(page);
    await settled(page);
    await page.locator('.plot canvas').first().hover();
    const line = page.locator('.tip div', { hasText: 'One period before' });
    await line.waitFor();
    const shown = number(await line.textContent());
    const closest = sums.toSorted((a, b) => Math.abs(a - shown) - Math.abs(b - shown))[0];
    near(shown, closest, 'a point one period before');
  });
});
