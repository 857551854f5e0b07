// What is behind an address or an AS: the registry's answer, and the ways on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, base, onPage, settled, useBrowser } from './browser.mjs';

useBrowser();

/** Opens what is behind the first row of a table that is none of "Other". */
async function open(page, name) {
  const cell = page.getByRole('region', { name: `${name}, table` }).locator('tbody button.n').first();
  const text = await cell.textContent();
  await cell.click();
  return { text, dialog: page.getByRole('dialog', { name: text, exact: true }) };
}

test('an address: what the registry says, as text; its flows', () => onPage(`${base}/addresses?range=1h&live=off`, async (page) => {
  const { text, dialog } = await open(page, 'Source address');
  await dialog.getByText(`subject: ${text}`).waitFor();
  assert.match(await dialog.textContent(), /netname: <b>EXAMPLE<\/b>/);
  assert.equal(await dialog.locator('pre b').count(), 0);
  assert.match(await dialog.textContent(), /From 127\.0\.0\.1/);
  await accessible(page);
  await dialog.getByRole('link', { name: 'Filter here' }).click();
  await page.waitForURL((url) => url.searchParams.get('filter') === `src_addr = ${text}`);
  await settled(page);
}));

test('an AS: what the registry says; BGP AS, traffic over time and addresses of it', () => onPage(`${base}/common?range=1h&live=off`, async (page) => {
  await page.getByRole('region', { name: /by source AS, table$/ }).first().waitFor();
  const number = async () => {
    const cell = page.getByRole('region', { name: /by source AS, table$/ }).first().locator('tbody button.n').first();
    await cell.click();
    const said = await page.getByRole('dialog').getByText(/subject: AS\d+/).textContent();
    return /subject: AS(\d+)/.exec(said)[1];
  };
  const as = await number();
  for (const [name, path, key, value] of [['BGP AS', '/as', 'src', as], ['Over time', '/time', 'filter', `src_as = ${as}`], ['Common stats', '/common', 'filter', `src_as = ${as}`], ['IP addresses', '/addresses', 'filter', `src_as = ${as}`], ['Show traffic', '/addresses', 'flows', 'all']]) {
    const href = new URL(await page.getByRole('dialog').getByRole('link', { name }).getAttribute('href'), base);
    assert.equal(href.pathname, path);
    assert.equal(href.searchParams.get(key), value);
  }
  await page.getByRole('dialog').getByRole('link', { name: 'BGP AS' }).click();
  await page.waitForURL(/\/as\?/);
}));

test('addresses: filters by interface, port and protocol', () => onPage(`${base}/addresses?range=1h&live=off`, async (page) => {
  await page.getByRole('region', { name: 'Source address, table' }).waitFor();
  const asked = page.waitForRequest((r) => /api\/v1\/shares/.test(r.url()) && new URL(r.url()).searchParams.get('filter') === 'proto = 6');
  await page.getByLabel('Protocol', { exact: true }).selectOption('6');
  await asked;
  await page.getByLabel('Port', { exact: true }).fill('443');
  await page.getByLabel('Port', { exact: true }).press('Enter');
  await page.waitForURL(/port=443/);
  await page.getByRole('region', { name: 'Source address, table' }).waitFor();
  await page.getByLabel('Port', { exact: true }).fill('4');
  await page.getByLabel('Port', { exact: true }).press('Enter');
  await page.getByText('Nothing in this time range fits the filters.').waitFor();
  await page.getByRole('button', { name: 'Clear filters' }).click();
  await page.getByRole('region', { name: 'Source address, table' }).waitFor();
  assert.doesNotMatch(page.url(), /port=|proto=/);
}));
