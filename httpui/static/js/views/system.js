// System: versions, tables and retention, disk, journal, log level.
import { h, icon } from '../dom.js';
import { get, send } from '../api.js';
import { ago, count, octets, percent, spell } from '../format.js';
import { panel, panels } from '../parts/panel.js';
import { form } from '../parts/edit.js';
import { keyCell, table } from '../parts/table.js';
import { pick } from '../parts/bar.js';
import { toast } from '../ui.js';

const facts = (list) => h('dl.facts', null, list.filter(Boolean).flatMap(([k, v]) => [h('dt', null, k), h('dd', null, v)]));

const daemon = (page) => panel(page, {
  title: 'Daemon', size: '.s6', height: 200, isEmpty: () => false, load: (signal) => get('status', {}, signal),
  make: (body) => ({ update: (d) => {
    const j = d.journal;
    body.replaceChildren(facts([
      ['Version', d.version], ['State', d.ready ? 'ready' : d.problems.join('; ')], d.warnings.length && ['Look at', d.warnings.join('; ')], ['Receives flows on', d.receiving.map((a) => `UDP ${a}`).join(', ')],
      d.stored && ['Stored', `${count(d.stored.flows)} flows, the newest ${ago(d.stored.newest_ms, page.st.tz)}`],
      j && ['Journal', `${octets(j.bytes)} of ${octets(j.limit_bytes)}; ${count(j.waiting_datagrams)} datagrams wait${j.reason ? `: ${j.reason}` : ''}`],
      j?.rejected_blocks > 0 && ['Set aside', `${j.rejected_blocks} blocks that ClickHouse refused`],
      ['API', h('a.link', { href: '/api/v1/status' }, 'as JSON')], ['Metrics', h('a.link', { href: '/metrics' }, 'for Prometheus')]]));
  } }),
});

/** @type {any} what storage shows, for the form */
let current = null;
const KEPT = /** @type {Record<string, string>} */ ({ flows: 'Flows as exported', flows_1m: 'Minutes', flows_1h: 'Hours', if_counters: 'SNMP counters', calibration: 'Calibration' });

const FOREVER = 'forever'; // 0 days for the server
const daysOf = (text) => (text === FOREVER ? 0 : /^\d+$/.test(text) ? Number(text) : text);

/** Days of each table and the disk budget; the server says what does not fit together. */
const keep = (page, d) => form('How long to keep what', [
  ...Object.keys(KEPT).map((table) => ({
    key: table, label: `${KEPT[table]}: days`, value: d.settings[table] || FOREVER,
    hint: '1 to 36500, or forever',
  })),
  { key: 'max_disk', label: 'Disk budget', value: d.settings.max_disk, hint: '200GB or 80%; empty for none. The oldest flows go first' },
], (v) => {
  for (const table of Object.keys(KEPT)) v[table] = daysOf(v[table]);
  return send('PUT', 'system/retention', v).then(page.refresh);
});

const storage = (page) => panel(page, {
  title: 'Storage', sub: 'What is kept, and for how long', height: 240, isEmpty: () => false, load: (signal) => get('system/retention', {}, signal),
  acts: page.admin ? [h('button.btn.act-text', { id: 'keep', onclick: () => current && keep(page, current) }, icon('pencil'), 'Change')] : [],
  make: (body) => ({ update: (d) => {
    current = d;
    body.replaceChildren(facts([
      ['Used', `${octets(d.used_bytes)}${d.budget_bytes ? ` of a budget of ${octets(d.budget_bytes)}` : ''}`],
      d.disk_bytes > 0 && ['Disk', `${octets(d.free_bytes)} free of ${octets(d.disk_bytes)} (${percent(d.free_bytes / d.disk_bytes)})`],
      ['Full in', d.full_in_days === null ? 'it does not get full, as it grows now' : `${d.full_in_days} days, as it grows now`],
      d.warnings?.length && ['Look at', d.warnings.join('; ')]]),
    table('Storage', [
      { name: 'Table', cell: (t) => keyCell(t.table, { note: KEPT[t.table] }), by: (t) => t.table }, { name: 'On disk', strong: true, cell: (t) => octets(t.bytes), by: (t) => t.bytes },
      { name: 'A day', cell: (t) => octets(t.bytes_per_day), by: (t) => t.bytes_per_day }, { name: 'Oldest', cell: (t) => (t.oldest ? ago(t.oldest * 1000, page.st.tz) : '–'), by: (t) => t.oldest },
      { name: 'Kept', cell: (t) => (t.days ? `${t.days} days` : FOREVER), by: (t) => t.days || Infinity },
    ], d.tables ?? []));
  } }),
});
/** Version of ClickHouse, time since the start and log level, where the server tells. */
const program = (page) => panel(page, {
  title: 'Program', optional: true, size: '.s6', height: 200, isEmpty: () => false, load: (signal) => get('system', {}, signal),
  make: (body) => ({ update: (d) => {
    const level = d.log_level && page.admin && pick('Log level', d.log_level, ['debug', 'info', 'warn', 'error'].map((l) => [l, l]), (l) => send('PUT', 'system/log_level', { level: l }).then(() => toast(`Logs ${l} now`), (error) => toast(error.message)));
    body.replaceChildren(...[facts([['Up for', spell(d.uptime_s ?? 0)], d.engine && ['ClickHouse', d.engine.version], !page.admin && ['Log level', d.log_level]]), level && h('div.prose', null, level)].filter(Boolean));
  } }),
});

/** @param {import('../main.js').Page} page */
export const build = (page) => panels(daemon(page), program(page), storage(page));
