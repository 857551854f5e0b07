// The modules that ship, without a browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skew } from '../static/js/views/exporters.js';
import { calendar, carried, conditions, format, parse, span, when } from '../static/js/state.js';
import { condition, fewSamples, interfaceName, named, plusMinus } from '../static/js/dims.js';
import { count, csv, offset, parts, si, ticks, zoneExists } from '../static/js/format.js';

const url = (path) => new URL(path, 'http://host');
const berlin = (t) => offset(t, 'Europe/Berlin');

test('parse and format of the state are inverse', () => {
  for (const path of ['/', '/?range=24h', '/time?from=100&to=200', '/as?range=1m&tz=utc&live=off&src=15169', '/?tz=Europe%2FBerlin', '/common?from=60&to=120&direction=out&filter=proto+%3D+tcp&during=0-600']) {
    assert.equal(format(parse(url(path))), path);
  }
});

test('nonsense in the address falls back to the defaults', () => {
  assert.equal(format(parse(url('/?range=constructor&from=x&to=5&by=__proto__&tz=Mars&exporter=%3Cb%3E&scale=no'))), '/');
  assert.equal(format(parse(url('/?from=200&to=100'))), '/');
});

test('another view takes over the time and the filter, not settings of a view', () => {
  const st = parse(url('/as?range=6h&filter=proto+%3D+17&src=1&threshold=2'));
  assert.equal(format(carried(st, 'common')), '/common?range=6h&filter=proto+%3D+17');
});

test('relative ranges end now, the last minute with the last whole one', () => {
  assert.deepEqual(span(parse(url('/?range=15m')), 1000000.2), { from: 999101, to: 1000001 });
  assert.deepEqual(span(parse(url('/?range=1m')), 1000030), { from: 999960, to: 1000020 });
  assert.deepEqual(span(parse(url('/?from=5&to=9'))), { from: 5, to: 9 });
});

test('the filter of the box comes first, in parentheses', () => {
  assert.equal(conditions(parse(url('/?filter=a+or+b&exporter=192.0.2.1')), 'c = 1', ''), '(a or b) and exporter = 192.0.2.1 and c = 1');
  assert.equal(conditions(parse(url('/'))), '');
});

test('times as people write them', () => {
  const now = Date.UTC(2026, 0, 31, 12) / 1000;
  assert.equal(when('2026-01-31 14:00', berlin, now), Date.UTC(2026, 0, 31, 13) / 1000);
  assert.equal(when('2026-07-31 14:00', berlin, now), Date.UTC(2026, 6, 31, 12) / 1000);
  assert.equal(when('14:00', berlin, now), Date.UTC(2026, 0, 31, 13) / 1000);
  assert.equal(when('2026-01-31', berlin, now), Date.UTC(2026, 0, 30, 23) / 1000);
  assert.equal(when('now-6h', berlin, now), now - 21600);
  assert.equal(when('now', berlin, now), now);
  for (const bad of ['tomorrow', '', '25', '2026']) assert.ok(Number.isNaN(when(bad, berlin, now)), bad);
});

test('minute, hour, day, month and year of the calendar, over the change of the clock', () => {
  const t = Date.UTC(2026, 2, 29, 10, 20, 30) / 1000; // 12:20:30 in Berlin, the day has 23 hours
  const at = (...p) => Date.UTC(...p) / 1000;
  assert.deepEqual(calendar(t, 'minute', berlin), { from: at(2026, 2, 29, 10, 20), to: at(2026, 2, 29, 10, 21) });
  assert.deepEqual(calendar(t, 'hour', berlin), { from: at(2026, 2, 29, 10), to: at(2026, 2, 29, 11) });
  assert.deepEqual(calendar(t, 'day', berlin), { from: at(2026, 2, 28, 23), to: at(2026, 2, 29, 22) });
  assert.deepEqual(calendar(t, 'month', berlin), { from: at(2026, 1, 28, 23), to: at(2026, 2, 31, 22) });
  assert.deepEqual(calendar(t, 'year', berlin), { from: at(2025, 11, 31, 23), to: at(2026, 11, 31, 23) });
});

test('zones of the IANA database', () => {
  assert.ok(zoneExists('utc') && zoneExists('browser') && zoneExists('Asia/Kolkata'));
  assert.ok(!zoneExists('Mars') && !zoneExists(''));
  assert.equal(offset(0, 'Asia/Kolkata'), 19800);
});

test('numbers have three significant digits and powers of 1000', () => {
  assert.deepEqual(parts(1234567, 'bps'), ['1.23', 'Mbps']);
  assert.deepEqual(parts(0, 'pps'), ['0', 'pps']);
  assert.deepEqual(parts(undefined), ['–', '']);
  assert.equal(si(999.6, 'bytes'), '1,000\u202fB');
  for (const [v, error, want] of /** @type {[number, number, string][]} */ ([[1234567, 0, '1.23 Mbps'], [1234567, 200000, '1.2 Mbps'], [1234567, 90000, '1.23 Mbps'], [1234567, 1000, '1.23 Mbps'],
    [41300000, 6000000, '41 Mbps'], [123456, 45000, '120 kbps'], [123456, 900000, '100 kbps'], [999600, 30000, '1.00 Mbps'], [960, 100, '1.0 kbps'], [0, 5, '0 bps']])) {
    assert.equal(si(v, 'bps', error), want.replace(' ', '\u202f'), `${v} ± ${error}`);
  }
  assert.equal(count(1234567), '1\u202f234\u202f567');
});

test('ticks stand on round times', () => {
  const { step, at } = ticks(1000, 8000, 'utc', 8);
  assert.equal(step, 900);
  assert.ok(at.every((t) => t % 900 === 0));
});

test('values read as people call them', () => {
  assert.deepEqual(named('src_as', { value: '15169', name: 'Google' }), { label: 'Google', note: 'AS15169' });
  assert.deepEqual(named('dst_as', { value: '0', name: '' }), { label: 'AS unknown', note: 'AS 0' });
  assert.equal(named('tcp_flags', { value: '18' }).label, 'syn ack');
  assert.deepEqual(interfaceName('192.0.2.1/7', 'xe-0 · Transit · old'), { label: 'Transit · old', note: 'xe-0' });
  assert.equal(condition('src_net', '10.0.0.0/8'), 'src_addr in 10.0.0.0/8');
  assert.equal(condition('source', 'a "b"'), 'source = "a \\"b\\""');
  assert.equal(condition('in_if', '192.0.2.1/7'), 'in_if = 192.0.2.1/7');
  assert.equal(condition('in_if', '192.0.2.1/Port Channel 1'), 'in_if = "192.0.2.1/Port Channel 1"');
  assert.equal(plusMinus(3, 100), '± 3.0\u202f%');
  assert.equal(plusMinus(0, 100), '');
  assert.deepEqual([fewSamples(64, 100), fewSamples(3, 100), fewSamples(0, 0)], ['rests on a few samples', '', '']);
});

test('CSV is quoted, and no cell becomes a formula', () => {
  assert.equal(csv([['a,b', '=1+1', '"', -3]]), '"a,b",\'=1+1,"""",-3\r\n');
});

test('a clock that is off by years is told in days', () => {
  assert.deepEqual([0, 340, -59000, 90000, -86400000, -296730247200].map(skew), ['0.0 s', '0.3 s', '−59.0 s', '1 minute', '−1 day', '−3434 days']);
});
