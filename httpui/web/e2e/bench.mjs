// What a user waits for: page weight, first chart cold and warm, view switch.
// node e2e/bench.mjs [RUNS], with NFSTATS_URL of a daemon that has flows.
import { base, launch } from './browser.mjs';

const runs = Number(process.argv[2] ?? 5);
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
const VIEWS = ['time', 'common', 'as', 'interface', 'addresses'];
const url = `${base}/time?live=off`;

/** Until the chart's canvas is there and nothing is on its way. */
const chart = (page) => page.waitForFunction(() => document.querySelector('.plot canvas') && document.querySelector('.plot [role=img]')?.hasAttribute('aria-label'), null, { polling: 'raf' });

const browser = await launch();
const cold = [], warm = [], weight = [], requests = [], switches = Object.fromEntries(VIEWS.map((v) => [v, []]));
for (let i = 0; i < runs; i++) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 } });
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  await network.send('Network.enable');
  let octets = 0, n = 0;
  network.on('Network.loadingFinished', (e) => { octets += e.encodedDataLength; n++; });
  const first = performance.now();
  await page.goto(url);
  await chart(page);
  cold.push(performance.now() - first);
  await page.waitForTimeout(500);
  weight.push(octets);
  requests.push(n);
  const again = performance.now();
  await page.goto(url);
  await chart(page);
  warm.push(performance.now() - again);
  for (const view of VIEWS) {
    await page.evaluate(() => { document.querySelector('main')?.replaceChildren(); });
    const start = performance.now();
    await page.locator(`a.nav-item[href^="/${view}"]`).first().click();
    await chart(page);
    switches[view].push(performance.now() - start);
  }
  await context.close();
}
await browser.close();
console.log(`page weight, cold: ${(median(weight) / 1000).toFixed(0)} kB in ${median(requests)} requests, answers included`);
console.log(`first chart, cold: ${median(cold).toFixed(0)} ms`);
console.log(`first chart, warm: ${median(warm).toFixed(0)} ms`);
for (const [view, list] of Object.entries(switches)) console.log(`switch to ${view}: ${median(list).toFixed(0)} ms`);
