// Every page, in both themes: it comes up without a complaint and is accessible.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAGES, accessible, base, emptyBase, onPage, settled, useBrowser } from './browser.mjs';

useBrowser();

/** Runs check in both themes. */
async function inBothThemes(page, check) {
  for (const theme of ['light', 'dark']) {
    await page.evaluate((t) => { document.documentElement.dataset.theme = t; dispatchEvent(new Event('themechange')); }, theme);
    await check();
  }
}

for (const name of PAGES) {
  test(`/${name} is accessible in both themes and fits a narrow screen`, () => onPage(`${base}/${name}?range=15m&live=off`, async (page) => {
    await settled(page);
    await inBothThemes(page, () => accessible(page));
    await page.setViewportSize({ width: 390, height: 844 });
    await page.reload();
    await settled(page);
    const { width, wide } = await page.evaluate(() => ({ width: document.documentElement.scrollWidth, wide: [...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll, .code, pre')).map((e) => e.className).slice(0, 3) }));
    assert.ok(width <= 390, `${width} pixels: ${wide}`);
    await accessible(page);
  }));
}

test('flows are accessible', () => onPage(`${base}/addresses?range=15m&live=off&flows=all`, async (page) => {
  await page.getByRole('region', { name: 'Flows, table' }).waitFor();
  await settled(page);
  await inBothThemes(page, () => accessible(page));
}));

test('dialogs are accessible', () => onPage(`${base}/?range=15m&live=off`, async (page) => {
  await settled(page);
  await page.getByRole('button', { name: /Show SQL/ }).first().click();
  await page.getByRole('dialog').waitFor();
  await inBothThemes(page, () => accessible(page));
  await page.keyboard.press('Escape');
  await page.locator('#range').click();
  await inBothThemes(page, () => accessible(page));
}));

if (emptyBase) {
  test('the first start tells where to point routers', () => onPage(`${emptyBase}/`, async (page) => {
    await page.getByText('flow exporter NFSTATS').waitFor();
    const { receiving } = await (await fetch(`${emptyBase}/api/v1/status`)).json();
    assert.match(await page.locator('main').textContent(), new RegExp(`UDP ${receiving[0].replaceAll('.', '\\.')}`));
    await page.getByRole('combobox', { name: 'Router' }).selectOption('juniper-mx');
    await page.getByLabel('one packet of').fill('500');
    const [, host, port] = /** @type {RegExpExecArray} */ (/^(.*):(\d+)$/.exec(receiving[0]));
    const lines = await page.getByLabel('configuration', { exact: true }).textContent();
    assert.ok(lines?.includes(`flow-server ${host.replace(/[[\]]/g, '')} port ${port}`) && lines.includes('input rate 500'), lines ?? '');
    await page.getByLabel('at address').fill('127.0.0.5');
    await page.getByLabel('at address').press('Tab');
    await page.getByText('flow-server 127.0.0.1 port').waitFor(); // not 127.0.0.9, which is the first
    await accessible(page);
    await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined })); // as on pages without TLS
    await page.getByRole('button', { name: 'Copy' }).click();
    await page.getByText('Copied', { exact: true }).waitFor();
    assert.ok((await page.evaluate(() => String(getSelection()))).includes('input rate 500'));
  }));
  test('an empty page of exporters says why', () => onPage(`${emptyBase}/exporters`, (page) => page.getByText('No datagram has come in').waitFor()));
}
