// Every page, in both themes: it comes up without a complaint and is accessible.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAGES, accessible, base, emptyBase, onPage, settled, useBrowser } from './browser.mjs';

useBrowser();

for (const theme of ['light', 'dark']) {
  for (const name of PAGES) {
    test(`/${name} is accessible, ${theme}`, () => onPage(`${base}/${name}?range=15m&live=off`, async (page) => {
      await settled(page);
      await accessible(page);
    }, { theme }));
  }
  test(`flows of an address are accessible, ${theme}`, () => onPage(`${base}/addresses?range=15m&live=off&flows=all`, async (page) => {
    await page.getByRole('region', { name: 'Flows, table' }).waitFor();
    await settled(page);
    await accessible(page);
  }, { theme }));
  test(`dialogs are accessible, ${theme}`, () => onPage(`${base}/?range=15m&live=off`, async (page) => {
    await settled(page);
    await page.getByRole('button', { name: /Show SQL/ }).first().click();
    await page.getByRole('dialog').waitFor();
    await accessible(page);
    await page.keyboard.press('Escape');
    await page.locator('#range').click();
    await accessible(page);
  }, { theme }));
}

for (const name of PAGES) {
  test(`/${name} has no sideways scrolling on a narrow screen`, () => onPage(`${base}/${name}?range=15m&live=off`, async (page) => {
    await settled(page);
    const { width, wide } = await page.evaluate(() => ({ width: document.documentElement.scrollWidth, wide: [...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll, .code, pre')).map((e) => e.className).slice(0, 3) }));
    assert.ok(width <= 400, `${width} pixels: ${wide}`);
  }, { width: 400 }));
}

if (emptyBase) {
  test('the first start tells where to point routers', () => onPage(`${emptyBase}/`, async (page) => {
    await page.getByText('flow exporter NFSTATS').waitFor();
    const { receiving } = await (await fetch(`${emptyBase}/api/v1/status`)).json();
    assert.match(await page.locator('main').textContent(), new RegExp(`UDP ${receiving[0].replaceAll('.', '\\.')}`));
    await accessible(page);
  }));
  test('an empty page of exporters says why', () => onPage(`${emptyBase}/exporters`, (page) => page.getByText('No datagram has come in').waitFor()));
}
