// Screenshots for people to look at: node e2e/shots.mjs FOLDER [PAGE…], with NFSTATS_URL set.
// Pages of the whole height, in both themes, wide and narrow.
import { mkdirSync } from 'node:fs';
import { PAGES, base, launch, settled } from './browser.mjs';

const [folder = 'shots', ...pages] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const browser = await launch();
for (const theme of ['light', 'dark']) {
  for (const [size, width, height] of [['wide', 1440, 900], ['narrow', 390, 844]]) {
    for (const path of pages.length ? pages : [...PAGES, 'addresses?flows=all', 'login']) {
      const page = await browser.newPage({ viewport: { width, height } });
      await page.addInitScript((t) => localStorage.setItem('theme', t), theme);
      await page.goto(`${base}/${path}${path.includes('?') ? '&' : '?'}live=off&tz=utc`);
      if (path !== 'login') await settled(page);
      await page.evaluate(() => document.fonts.ready);
      await page.screenshot({ path: `${folder}/${path.replace(/\?(\w+)=.*/, '-$1') || 'overview'}-${size}-${theme}.png`, fullPage: true });
      await page.close();
    }
  }
}
await browser.close();
