// Flow records that no network can have carried: who sent them, and what they say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, base, onPage, settled, useBrowser } from './browser.mjs';

useBrowser();

const records = 'flow records that no network can have carried';

test('exporters: how many are left out', () => onPage(`${base}/exporters?range=1h&live=off`, async (page) => {
  const row = page.getByRole('region', { name: 'Exporters, table' }).locator('tbody tr').first();
  await row.getByText(`2 ${records}`).waitFor();
  await settled(page);
  assert.match(await page.locator('#ingest').textContent(), new RegExp(records));
  await accessible(page);
}));

test('flows: marked, and in no sum', () => onPage(`${base}/addresses?range=1h&live=off&flows=all`, async (page) => {
  const flows = page.getByRole('region', { name: 'Flows, table' });
  await flows.getByText('(implausible)').first().waitFor();
  assert.equal(await flows.locator('tbody tr').count(), 5);
  assert.equal(await flows.locator('tbody tr', { hasText: '(implausible)' }).count(), 2);
  const sums = page.getByText('5 flows, 300 packets');
  assert.match(await sums.textContent(), /without 2 implausible ones, filter: implausible = yes/);
  await page.goto(`${base}/addresses?range=1h&live=off&flows=all&filter=implausible+%3D+yes`);
  await flows.getByText('(implausible)').first().waitFor();
  assert.equal(await flows.locator('tbody tr').count(), 2);
  await settled(page);
  await accessible(page);
}));
