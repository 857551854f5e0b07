// Starts Chromium for the tests and screenshots. Only Debian's build is used.
import { chromium } from 'playwright-core';

export const base = process.env.NFSTATS_URL ?? 'http://127.0.0.1:8080';

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
