// Chromium for the tests and screenshots, only Debian's build; and what all tests need.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';

export const base = process.env.NFSTATS_URL ?? 'http://127.0.0.1:8080';
/** A daemon without flows. */
export const emptyBase = process.env.NFSTATS_EMPTY_URL;
/** All pages. */
export const PAGES = ['', 'time', 'common', 'as', 'interface', 'addresses', 'exporters', 'interfaces', 'trust', 'sql', 'system', 'settings'];

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

let browser;
/** One browser for the tests of a file. */
export function useBrowser() {
  before(async () => { browser = await launch(); });
  after(() => browser?.close());
}

/**
 * Opens a page, lets use work with it, and wants no complaint of the browser: no
 * console error, exception or report of the content security policy. The answers
 * of APIs that are allowed to be missing are not complaints.
 */
export async function onPage(url, use, { theme = 'light', width = 1280, provoked = /\/api\/v1\/(session|system|sql|whois|rdns)\b/, routes = {} } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, timezoneId: 'Europe/Berlin', bypassCSP: false });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type()) && !provoked.test(m.location().url)) complaints.push(`${m.text()} ${m.location().url}`); });
  page.on('pageerror', (e) => complaints.push(`${e.stack}`));
  for (const [pattern, answer] of Object.entries(routes)) await page.route(new RegExp(pattern), answer);
  await page.addInitScript((t) => localStorage.setItem('theme', t), theme);
  await page.goto(url);
  await use(page);
  assert.deepEqual(complaints, []);
  await context.close();
}

/** Waits until something with many colours stands on the first canvas. */
export const drawn = (page) => page.waitForFunction(() => {
  const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('.plot canvas'));
  if (!canvas) return false;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const colors = new Set();
  for (let i = 0; i < data.length; i += 16) if (data[i + 3]) colors.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  return colors.size > 5;
});

/** Waits until nothing loads any more. */
export const settled = (page) => page.waitForFunction(() => document.getElementById('progress')?.hidden && !document.querySelector('.skel'));

const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
/** Wants no violation of WCAG 2.1 AA and best practice. */
export async function accessible(page) {
  const session = await page.context().newCDPSession(page); // past the page's own policy
  const { result } = await session.send('Runtime.evaluate', { expression: `${axe}; axe.run().then((r) => JSON.stringify(r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target).join(' '))))`, awaitPromise: true });
  assert.deepEqual(JSON.parse(result.value), []);
}

/** '1.23 Mbps' → 1230000 */
export function number(text) {
  const m = /([\d.,]+)\u202f([kMGTPE]?)/.exec(text);
  return m ? Number(m[1].replaceAll(',', '')) * 1000 ** ['', 'k', 'M', 'G', 'T', 'P', 'E'].indexOf(m[2]) : NaN;
}

/** Both to the three digits that pages show. */
export const near = (shown, wanted, what) => assert.ok(Math.abs(shown - wanted) <= Math.abs(wanted) * 0.0051, `${what}: the page says ${shown}, the flows ${wanted}`);
