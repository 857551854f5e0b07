// The modules that ship, without a browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse, format, span, when } from '../static/js/state.js';
import { csv, parts, si, ticks } from '../static/js/format.js';

const url = (path) => new URL(path, 'http://host');

test('parse and format of the state are inverse', () => {
  for (const path of ['/', '/?range=24h', '/?from=100&to=200', '/?range=1m&tz=utc&by=proto&live=off']) {
    assert.equal(format(parse(url(path))), path);
  }
});

test('nonsense in the address falls back to the defaults', () => {
  assert.equal(format(parse(url('/?range=constructor&from=x&to=5&by=__proto__&tz=Mars'))), '/');
  assert.equal(format(parse(url('/?from=200&to=100'))), '/');
});

test('relative ranges end now', () => {
  assert.deepEqual(span(parse(url('/?range=15m')), 1000000.2), { from: 999101, to: 1000001 });
  assert.deepEqual(span(parse(url('/?from=5&to=9'))), { from: 5, to: 9 });
});

test('times as people write them', () => {
  const now = Date.UTC(2026, 0, 31, 12) / 1000, berlin = () => 3600;
  assert.equal(when('2026-01-31 14:00', berlin, now), Date.UTC(2026, 0, 31, 13) / 1000);
  assert.equal(when('14:00', berlin, now), Date.UTC(2026, 0, 31, 13) / 1000);
  assert.equal(when('now-6h', berlin, now), now - 21600);
  assert.equal(when('now', berlin, now), now);
  assert.ok(Number.isNaN(when('tomorrow', berlin, now)));
});

test('numbers have three significant digits and powers of 1000', () => {
  assert.deepEqual(parts(1234567, 'bps'), ['1.23', 'Mbps']);
  assert.deepEqual(parts(0, 'pps'), ['0', 'pps']);
  assert.deepEqual(parts(undefined), ['–', '']);
  assert.equal(si(999.6, 'bytes'), '1,000\u202fB');
});

test('ticks stand on round times', () => {
  const { step, at } = ticks(1000, 8000, 'utc', 8);
  assert.equal(step, 900);
  assert.ok(at.every((t) => t % 900 === 0));
});

test('CSV is quoted, and no cell becomes a formula', () => {
  assert.equal(csv([['a,b', '=1+1', '"', -3]]), '"a,b",\'=1+1,"""",-3\r\n');
});
