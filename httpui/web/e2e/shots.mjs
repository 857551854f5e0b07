// Screenshots for people to look at: node e2e/shots.mjs FOLDER, with NFSTATS_URL set.
import { mkdirSync } from 'node:fs';
import { base, launch } from './browser.mjs';

const folder = process.argv[2] ?? 'shots';
mkdirSync(folder, { recursive: true });
const browser = await launch();
for (const theme of ['light', 'dark']) {
  for (const [name, width] of [['wide', 1360], ['narrow', 420]]) {
    const page = await browser.newPage({ viewport: { width, height: 900 }, deviceScaleFactor: 1.5 });
    await page.addInitScript((t) => localStorage.setItem('theme', t), theme);
    await page.goto(`${base}/?range=15m&live=off&tz=utc`);
    await page.waitForSelector('.plot canvas, .recipes');
    await page.waitForTimeout(400);
    await page.screenshot({ path: `${folder}/overview-${name}-${theme}.png`, fullPage: name === 'narrow' });
    await page.close();
  }
}
await browser.close();
