// System: versions, tables and retention, disk, journal, log level.
import { h } from '../dom.js';
import { get, send } from '../api.js';
import { ago, count, octets, percent, spell } from '../format.js';
import { panel, panels } from '../parts/panel.js';
import { form } from '../parts/edit.js';
import { table } from '../parts/table.js';
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

const storage = (page) => panel(page, {
  title: 'Storage', sub: 'What is kept, and for how long', height: 240, isEmpty: () => false, load: (signal) => get('system', {}, signal),
  make: (body) => ({ update: (d) => {
    const disk = d.disk;
    const set = (t) => form(`How long to keep ${t.name}`, [{ key: 'days', label: 'Days', type: 'number', value: t.ttl_days }], (v) => send('PUT', 'system/retention', { [t.name]: v.days }).then(page.refresh));
    const level = d.log_level && page.admin && pick('Log level', d.log_level, ['debug', 'info', 'warn', 'error'].map((l) => [l, l]), (l) => send('PUT', 'system/log_level', { level: l }).then(() => toast(`Logs ${l} now`), (error) => toast(error.message)));
    body.replaceChildren(...[facts([
      ['Program', d.version], d.uptime_s !== undefined && ['Up for', spell(d.uptime_s)], d.engine && ['ClickHouse', d.engine.version],
      disk && ['Disk', `${octets(disk.free)} free of ${octets(disk.total)} (${percent(disk.free / (disk.total || 1))}); NFStats has ${octets(disk.used_by_nfstats)}`],
      disk?.forecast_full_days && ['Full in', `${Math.round(disk.forecast_full_days)} days, as it grows now`]]),
    level && h('div.prose', null, level),
    table('Storage', [
      { name: 'Table', cell: (t) => t.name, by: (t) => t.name }, { name: 'Rows', cell: (t) => count(t.rows), by: (t) => t.rows }, { name: 'On disk', strong: true, cell: (t) => octets(t.bytes_on_disk), by: (t) => t.bytes_on_disk },
      { name: 'A row', cell: (t) => (t.rows ? `${(t.bytes_on_disk / t.rows).toFixed(1)} B` : '–'), by: (t) => (t.rows ? t.bytes_on_disk / t.rows : 0) },
      { name: 'Oldest', cell: (t) => (t.oldest_ms ? ago(t.oldest_ms, page.st.tz) : '–'), by: (t) => t.oldest_ms ?? 0 }, { name: 'Newest', cell: (t) => (t.newest_ms ? ago(t.newest_ms, page.st.tz) : '–'), by: (t) => t.newest_ms ?? 0 },
      { name: 'Kept', cell: (t) => (!t.ttl_days ? 'for ever' : page.admin ? h('button.link', { onclick: () => set(t) }, `${t.ttl_days} days`) : `${t.ttl_days} days`), by: (t) => t.ttl_days ?? 0 },
    ], d.tables ?? [])].filter(Boolean));
  } }),
});

/** @param {import('../main.js').Page} page */
export const build = (page) => panels(daemon(page), storage(page));
