// IP addresses: the top ones as bars, and the flows of one of them.
import { h, icon } from '../dom.js';
import { address, get } from '../api.js';
import { query } from '../state.js';
import { PROTOCOLS, named, plusMinus, tcpFlags } from '../dims.js';
import { count, octets, seconds, si } from '../format.js';
import { bars } from '../charts/shares.js';
import { panel, panels } from '../parts/panel.js';
import { dressed, sharesCSV, sharesTable } from '../parts/shares.js';
import { table } from '../parts/table.js';

/** What the bar asks for: interfaces, and an AS, port and protocol on either side. */
const only = (st) => [st.in_if && `in_if = ${st.in_if}`, st.out_if && `out_if = ${st.out_if}`, st.as && `(src_as = ${st.as} or dst_as = ${st.as})`, st.port && `(src_port = ${st.port} or dst_port = ${st.port})`, st.proto && `proto = ${st.proto}`];
const LIMIT = 50; // flows of a page
const ip = (a, port) => (port ? (a.includes(':') ? `[${a}]:${port}` : `${a}:${port}`) : a);

function top(page) {
  const { st } = page, by = `${st.side}_addr`, n = Number(st.top || 20);
  return panel(page, {
    title: `Top ${st.side === 'src' ? 'source' : 'destination'} addresses`, sub: 'Averages over the range', height: 24 * n + 40, csv: sharesCSV,
    load: (signal) => get('shares', { ...query(st, ...only(st)), by, top: n }, signal),
    note: (d) => `${count(d.total.values)} addresses, ${si(d.total.bits_per_second, 'bps', d.total.error)} ${plusMinus(d.total.error, d.total.bits_per_second)} in all`,
    make: (body) => {
      const canvas = h('div.canvas', { css: { height: `${24 * n + 34}px` } }), below = h('div');
      body.append(h('div.plot', null, canvas), below);
      const chart = bars(canvas, { onpick: (r) => page.details(by, r) });
      return { chart, update: (d) => {
        const rows = dressed(d).map((r) => ({ ...r, color: r.other ? r.color : '--c0' }));
        chart.set({ rows: rows.filter((r) => !r.other) });
        below.replaceChildren(sharesTable(page, d, rows));
      } };
    },
  });
}

/** Flow columns: heading, what the API sorts by, cell. */
const columns = (tz) => [
  { name: 'Start', key: 'time_flow_start', left: true, cell: (r) => seconds(r.time_flow_start_ms, tz) }, { name: 'End', key: 'time_flow_end', left: true, cell: (r) => sameDay(seconds(r.time_flow_end_ms, tz), seconds(r.time_flow_start_ms, tz)) },
  { name: 'Source', key: 'src_addr', left: true, strong: true, cell: (r) => ip(r.src_addr, r.src_port) }, { name: 'Destination', key: 'dst_addr', left: true, strong: true, cell: (r) => ip(r.dst_addr, r.dst_port) },
  { name: 'Protocol', key: 'proto', left: true, cell: (r) => `${PROTOCOLS[r.proto] ?? r.proto}${r.proto === 6 ? ` ${tcpFlags(r.tcp_flags)}` : ''}` },
  { name: 'Packets', key: 'packets', cell: (r) => counter(r, r.packets) }, { name: 'Octets', key: 'bytes', cell: (r) => counter(r, r.bytes) }, { name: 'Sampling', key: 'sampling_rate', cell: (r) => (r.sampling_rate ? `1:${r.sampling_rate}` : 'unknown') },
  { name: 'In', key: 'in_if', left: true, cell: (r) => port(r.exporter, r.in_if, r.in_if_name) }, { name: 'Out', key: 'out_if', left: true, cell: (r) => port(r.exporter, r.out_if, r.out_if_name) },
  { name: 'Source AS', key: 'src_as', left: true, cell: (r) => system('src_as', r.src_as, r.src_as_name) }, { name: 'Destination AS', key: 'dst_as', left: true, cell: (r) => system('dst_as', r.dst_as, r.dst_as_name) },
  { name: 'Exporter', left: true, cell: (r) => r.exporter_name || r.exporter },
];
/** Octets or packets, with a mark where no network can have carried them. */
const counter = (r, n) => (r.implausible
  ? h('span', { title: 'No network can have carried this: it is left out of charts and totals' },
    `${count(n)} (implausible)`)
  : count(n));
/** How many of the flows are left out of the sums, in words. */
const leftOut = (n) => (n ? `; without ${count(n)} implausible ones, filter: implausible = yes` : '');
/** The time alone where the day stands beside it already. */
const sameDay = (end, start) => { const day = start.slice(0, start.indexOf(', ') + 2); return end.startsWith(day) ? end.slice(day.length) : end; };
const port = (exporter, index, name) => named('in_if', { value: `${exporter}/${index}`, name }).label;
const system = (by, number, name) => { const n = named(by, { value: String(number), name }); return n.note ? `${n.label} (${number})` : n.label; };

function flows(page) {
  const { st, go } = page;
  const where = st.flows === 'all' ? '' : `${st.side}_addr = ${st.flows}`;
  const skip = Number(st.skip || 0);
  const csvHref = address('flows', { ...query(st, where, ...only(st)), format: 'csv' });
  return panel(page, {
    title: st.flows === 'all' ? 'Flows' : `Flows ${st.side === 'src' ? 'from' : 'to'} ${st.flows}`, sub: 'As exported: packets and octets are not multiplied by the sampling rate', height: 300,
    acts: [h('a.btn.act-text', { href: csvHref, download: 'flows.csv' }, icon('download'), 'All as CSV'), h('button.btn.act-text', { onclick: () => go({ flows: '', skip: '' }) }, icon('x'), 'Close')],
    load: (signal) => get('flows', { ...query(st, where, ...only(st)), sort: st.sort, limit: LIMIT, offset: skip }, signal),
    note: (d) => `${count(d.total.flows)} flows, ${count(d.total.packets)} packets, ${octets(d.total.bytes)}; multiplied ${octets(d.total.bytes_scaled)}${leftOut(d.total.implausible)}`,
    make: (body) => ({ update: (d) => {
      const cols = columns(st.tz);
      const current = cols.find((c) => c.key === st.sort.replace('-', ''));
      const step = (n) => go({ skip: n > 0 ? String(n) : '' });
      body.replaceChildren(table('Flows', cols.map((c) => ({ ...c, by: c.key ? () => 0 : undefined })), d.rows, { sorted: current ? (st.sort.startsWith('-') ? '-' : '') + current.name : '',
        onsort: (s) => go({ sort: (s.startsWith('-') ? '-' : '') + cols.find((c) => c.name === s.replace('-', ''))?.key, skip: '' }) }),
      h('div.pager', null, h('button.btn', { disabled: skip === 0, onclick: () => step(skip - LIMIT) }, icon('arrow-left'), 'Before'), h('span.muted', null, `${count(skip + 1)} to ${count(skip + d.rows.length)} of ${count(d.total.flows)}`), h('button.btn', { disabled: !d.more, onclick: () => step(skip + LIMIT) }, 'After', icon('arrow-right'))));
    } }),
  });
}

/** @param {import('../main.js').Page} page */
export const build = (page) => panels(...(page.st.flows ? [flows(page)] : []), top(page));
