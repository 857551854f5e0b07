// What the settings change is changed on the server, and stays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, base, onPage, settled, useBrowser } from './browser.mjs';

useBrowser();
const devices = async () => (await (await fetch(`${base}/api/v1/devices`)).json()).devices;
const provoked = /\/api\/v1\/(session|devices)/;

test('a host is added, edited and deleted; faults stand at the field; secrets are not shown', () => onPage(`${base}/settings`, async (page) => {
  await settled(page);
  await page.getByRole('button', { name: 'Add a host' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Address that its flows come from').fill('not an address');
  await dialog.getByRole('button', { name: 'Add' }).click();
  await dialog.locator('.field-error:not([hidden])').first().waitFor();
  await dialog.getByLabel('Address that its flows come from').fill('192.0.2.77');
  await dialog.getByLabel('Name', { exact: true }).fill('<b>edge</b>');
  await dialog.getByLabel('SNMP', { exact: true }).selectOption('2c');
  await dialog.getByLabel('Community').fill('secret-community');
  await dialog.getByRole('button', { name: 'Add' }).click();
  await dialog.waitFor({ state: 'detached' });
  const row = page.getByRole('row', { name: /192\.0\.2\.77/ });
  await row.waitFor();
  assert.match(await row.textContent(), /<b>edge<\/b>/);
  const added = (await devices()).find((d) => d.address === '192.0.2.77');
  assert.ok(added.snmp.configured);
  assert.doesNotMatch(JSON.stringify(await devices()) + await page.content(), /secret-community/);

  await row.getByRole('button', { name: /^Edit/ }).click();
  await dialog.getByLabel('Name', { exact: true }).fill('edge-two');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('row', { name: /edge-two/ }).waitFor();
  await page.getByRole('button', { name: 'Delete edge-two' }).click();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('button', { name: 'Delete edge-two' }).waitFor({ state: 'detached' });
  assert.ok(!(await devices()).find((d) => d.address === '192.0.2.77')?.snmp.configured);

  await page.getByRole('button', { name: 'Forget edge-two' }).click(); // what is left is a name
  await page.getByRole('button', { name: 'Forget', exact: true }).click();
  await page.getByRole('row', { name: /edge-two/ }).waitFor({ state: 'detached' });
  assert.ok(!(await devices()).find((d) => d.address === '192.0.2.77'));
}, { provoked }));

test('hours are kept forever, and for days again', () => onPage(`${base}/system`, async (page) => {
  const kept = page.getByRole('row', { name: /flows_1h/ });
  const set = async (days) => {
    await page.getByRole('button', { name: 'Change' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Hours: days').fill(days);
    await dialog.getByRole('button', { name: 'Save' }).click();
    return dialog;
  };
  await kept.getByText('400 days').waitFor();
  const dialog = await set('a while');
  await dialog.locator('.field-error:not([hidden])').first().waitFor();
  await accessible(page);
  await dialog.getByLabel('Hours: days').fill('forever');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await kept.getByText('forever').waitFor();
  const { settings } = await (await fetch(`${base}/api/v1/system/retention`)).json();
  assert.equal(settings.flows_1h, 0);
  await set('400');
  await kept.getByText('400 days').waitFor();
}, { provoked: /system\/retention/ }));

test('the name of an interface is edited and shown in the charts', async () => {
  const known = async () => (await (await fetch(`${base}/api/v1/interfaces`)).json()).interfaces;
  for (let i = 0; i < 120 && !(await known()).length; i++) await new Promise((next) => setTimeout(next, 1000)); // the inventory looks at flows once a minute
  await onPage(`${base}/settings`, async (page) => {
    await page.getByRole('region', { name: 'Settings of interfaces, table' }).getByRole('button', { name: /^Edit/ }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Description').fill('Transit: Example');
    await dialog.getByLabel('Role').selectOption('uplink');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('cell', { name: 'Transit: Example' }).waitFor();
  });
  assert.ok((await known()).some((i) => i.description === 'Transit: Example' && i.role === 'uplink'));
  await onPage(`${base}/interfaces?live=off`, async (page) => {
    await page.getByRole('link', { name: /Transit: Example/ }).waitFor();
    const rows = page.getByRole('region', { name: 'Interfaces, table' }).getByRole('row');
    const described = await rows.count();
    await page.getByRole('button', { name: /^All \d+, also those without a description/ }).click();
    assert.ok(await rows.count() > described);
    await page.getByRole('button', { name: /^Only the \d+ with a description/ }).click();
    assert.equal(await rows.count(), described);
  });
});

for (const theme of ['light', 'dark']) {
  test(`archives are imported from the allowed folder and forgotten, ${theme}`, () => onPage(`${base}/settings`, async (page) => {
    await settled(page);
    const card = page.getByRole('region', { name: 'Imports', exact: true }), dialog = page.getByRole('dialog');
    const run = async (dry) => {
      await card.getByRole('button', { name: 'Import files' }).click();
      await dialog.getByRole('button', { name: '2026/' }).click();
      await dialog.getByRole('button', { name: 'ft-cut' }).waitFor();
      await accessible(page);
      await dialog.getByRole('button', { name: 'Import all of it' }).click();
      await dialog.getByLabel('Written by').selectOption('flow-tools');
      await dialog.getByLabel('Address of the exporter').fill('fra1');
      if (dry) await dialog.getByLabel('Only tell what would come in').check();
      await dialog.getByRole('button', { name: 'Import', exact: true }).click();
      await dialog.locator('.field-error:not([hidden])').first().waitFor();
      await accessible(page);
      await dialog.getByLabel('Address of the exporter').fill('');
      await dialog.getByLabel('Other addresses and interfaces').fill('exporter 192.0.2.1');
      await dialog.getByRole('button', { name: 'Import', exact: true }).click();
      await dialog.getByText('line 1').waitFor();
      await dialog.getByLabel('Other addresses and interfaces').fill('exporter 192.0.2.1 192.0.2.9');
      await dialog.getByRole('button', { name: 'Import', exact: true }).click();
      await dialog.waitFor({ state: 'detached' });
    };
    await run(true);
    await card.getByText('Would import 55 flows').waitFor();
    await card.getByText('Nothing has been imported').waitFor();
    await run(false);
    await card.getByText('Imported 55 flows').waitFor();
    await card.getByRole('cell', { name: /truncated at octet 987/ }).first().waitFor();
    const totals = card.getByText('2 files are in: 55 flows');
    await totals.waitFor();
    await accessible(page);
    for (const file of ['ft-cut', 'ft-whole']) {
      await card.getByRole('button', { name: `Forget ${file}` }).click();
      await dialog.getByRole('button', { name: 'Forget', exact: true }).click();
      await dialog.waitFor({ state: 'detached' });
      await card.getByRole('button', { name: `Forget ${file}` }).waitFor({ state: 'detached' });
    }
    await card.getByText('Nothing has been imported').waitFor();
  }, { theme, provoked: /\/api\/v1\/(session|imports)/ }));
}
