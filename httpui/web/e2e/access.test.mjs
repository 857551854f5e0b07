// Users and roles, at a daemon that wants a login.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, base, onPage, settled, useBrowser } from './browser.mjs';

useBrowser();

async function logIn(page, name, password = `words of ${name}`) {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

for (const theme of ['light', 'dark']) {
  test(`a wrong password, the right one, and the logout, ${theme}`, () => onPage(`${base}/exporters?range=6h`, async (page) => {
    assert.match(page.url(), /\/login\?next=/);
    await accessible(page);
    await logIn(page, 'ada', 'a guess');
    await page.getByRole('alert').getByText(/password/i).waitFor();
    assert.match(page.url(), /\/login/);
    await accessible(page);
    await logIn(page, 'ada');
    await page.waitForURL(`${base}/exporters?range=6h`);
    await settled(page);
    const [cookie] = await page.context().cookies();
    assert.ok(cookie.httpOnly && cookie.sameSite !== 'None', JSON.stringify(cookie));
    assert.doesNotMatch(await page.evaluate(() => document.cookie), /nfstats/);
    await page.getByRole('button', { name: 'Log out ada' }).click();
    await page.waitForURL(/\/login/);
    const { status } = await page.evaluate(async () => ({ status: (await fetch('/api/v1/status')).status }));
    assert.equal(status, 401);
  }, { theme, provoked: /\/api\/v1\/(login|status|session|system)/ }));
}

test('after the login nothing but a page of this host is gone to', () => onPage(`${base}/login?next=${encodeURIComponent('//example.net/')}`, async (page) => {
  await logIn(page, 'ada');
  await page.waitForURL(`${base}/`);
}));

/** The buttons that change something. */
const changes = (page) => page.getByRole('button', { name: /^(Add a host|Read SNMP data|Edit |Delete |Forget |Import files|Change)/ });

test('a viewer sees no controls that change, and the server refuses', () => onPage(`${base}/settings`, async (page) => {
  await logIn(page, 'vera');
  await page.getByRole('row', { name: /127\.0\.0\.7/ }).first().waitFor();
  await page.getByRole('button', { name: 'Log out vera' }).waitFor(); // the page knows who it is
  await settled(page);
  assert.equal(await changes(page).count(), 0);
  await accessible(page);
  for (const path of ['system', 'interfaces']) {
    await page.goto(`${base}/${path}`);
    await page.getByRole('button', { name: 'Log out vera' }).waitFor();
    await settled(page);
    assert.equal(await changes(page).count(), 0, path);
    assert.equal(await page.getByLabel('Log level').count(), 0);
  }
  const refused = await page.evaluate(() => Promise.all([['POST', 'devices', { address: '192.0.2.1' }], ['PUT', 'system/log_level', { level: 'debug' }], ['PUT', 'system/retention', { flows: 1 }], ['PATCH', 'interfaces/127.0.0.7/1', { name: 'x' }]]
    .map(async ([method, path, body]) => (await fetch(`/api/v1/${path}`, { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })).status)));
  assert.deepEqual(refused, [403, 403, 403, 403]);
}, { provoked: /\/api\/v1\// }));

test('an admin has them', () => onPage(`${base}/settings`, async (page) => {
  await logIn(page, 'ada');
  await page.getByRole('button', { name: 'Add a host' }).waitFor();
  await page.getByRole('button', { name: /^Edit / }).first().waitFor();
}));
