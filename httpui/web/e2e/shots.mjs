// Screenshots for people to look at: node e2e/shots.mjs FOLDER [PAGE…], with NFSTATS_URL set.
import { mkdirSync } from 'node:fs';
import { PAGES, base, launch } from './browser.mjs';

const [folder = 'shots', ...pages] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const browser = await launch();
for (const theme of ['light', 'dark']) {
  for (const [size, width] of [['wide', 1360], ['narrow', 420]]) {
    for (const path of pages.length ? pages : PAGES) {
      const page = await browser.newPage({ viewport: { width, height: 900 }, deviceScaleFactor: 1.5 });
      await page.addInitScript((t) => localStorage.setItem('theme', t), theme);
      await page.goto(`${base}/${path}${path.includes('?') ? '&' : '?'}live=off&tz=utc`);
      await page.waitForFunction(() => document.getElementById('progress')?.hidden && !document.querySelector('.skel'));
      await page.waitForTimeout(300);
      await page.screenshot({ path: `${folder}/${path.split('?')[0] || 'overview'}-${size}-${theme}.png`, fullPage: size === 'narrow' });
      await page.close();
    }
  }
}
await browser.close();
