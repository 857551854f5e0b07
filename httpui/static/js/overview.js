// The Overview: traffic over time, totals, exporters.
import { h } from './dom.js';
import { get } from './api.js';
import { span } from './state.js';
import { si, spell, stamp } from './format.js';
import { TrafficChart, colorOf } from './chart.js';
import { card, empty, failed, footer, keyCell, kpi, loading, shareBar, table } from './ui.js';
import { setup } from './setup.js';
import { DIMENSIONS } from './state.js';

const AS = new Set(['src_as', 'dst_as']);
const average = (values) => values.reduce((sum, v) => sum + v, 0) / (values.length || 1);
const PROTOCOLS = { 1: 'ICMP', 2: 'IGMP', 4: 'IPv4 in IP', 6: 'TCP', 17: 'UDP', 41: 'IPv6 in IP', 47: 'GRE', 50: 'ESP', 51: 'AH', 58: 'ICMPv6', 89: 'OSPF', 103: 'PIM', 112: 'VRRP', 132: 'SCTP' };

/** What a row of the answer is called, and the smaller text beside it. */
export function named(by, row) {
  if (row.other) return { label: 'Other', note: '' };
  if (AS.has(by)) return row.value === '0' ? { label: 'AS unknown', note: 'AS 0' } : { label: row.name || `AS${row.value}`, note: row.name ? `AS${row.value}` : '' };
  if (by === 'proto') return { label: PROTOCOLS[row.value] ?? `Protocol ${row.value}`, note: row.value };
  return { label: row.name || row.value, note: row.name ? row.value : '' };
}

/** Problems of an exporter in words. */
export function troubles(live) {
  if (!live) return ['silent since the daemon started'];
  const c = live.counters, out = [];
  if (live.waiting_sets) out.push(`${live.waiting_sets} data sets wait for their template`);
  if (c.dropped.unknown_template) out.push(`${c.dropped.unknown_template} data sets lost: their template never came`);
  for (const [reason, n] of Object.entries(c.dropped)) if (reason !== 'unknown_template') out.push(`${n} × ${reason.replaceAll('_', ' ')}`);
  const lost = c.sequence_missing - c.sequence_late;
  if (lost > 0) out.push(`${lost} lost on the way (sequence numbers)`);
  if (c.sampling_rate_unknown) out.push('no sampling rate announced: counted as 1:1');
  if (Math.abs(live.clock_skew_ms) > 60000) out.push(`its clock is ${spell(Math.abs(live.clock_skew_ms) / 1000)} ${live.clock_skew_ms < 0 ? 'behind' : 'ahead'}`);
  return out;
}

export class Overview {
  /** @param {{st: import('./state.js').State, go: (patch: object) => void}} page */
  constructor(page) {
    this.page = page;
    this.totals = h('dl.kpis');
    this.traffic = card(`Traffic by ${DIMENSIONS[page.st.by].replace(/^[A-Z](?=[a-z])/, (c) => c.toLowerCase())}`, 'Flow octets × the sampling rate in force, booked when received');
    this.exporters = card('Exporters', 'Who sent flows in this time or since the daemon started');
    this.traffic.body.append(loading(300));
    this.exporters.body.append(loading(90));
    this.elements = [this.totals, this.traffic.el, this.exporters.el];
    this.chart = null;
    this.data = null;
  }

  close() { this.chart?.close(); }

  /** Loads and shows; keeps what is there until the new answer has come. */
  async load() {
    const { st } = this.page, { from, to } = span(st);
    const [traffic, exporters, status] = await Promise.allSettled([
      get('traffic', { from, to, by: st.by }), get('exporters', { from, to }), get('status')]);
    if ([traffic, exporters, status].some((r) => r.status === 'rejected' && r.reason.name === 'AbortError')) return null;
    if (traffic.status === 'fulfilled' && exporters.status === 'fulfilled' && status.status === 'fulfilled'
      && status.value.stored?.flows === 0 && exporters.value.exporters.length === 0) {
      this.chart?.close();
      this.chart = null;
      document.getElementById('main')?.replaceChildren(...setup(status.value.receiving));
      return status.value;
    }
    const main = document.getElementById('main');
    if (main && !main.contains(this.traffic.el)) main.replaceChildren(...this.elements);
    this.showTraffic(traffic);
    this.showExporters(exporters, traffic);
    return status.status === 'fulfilled' ? status.value : null;
  }

  showTraffic(answer) {
    const { st, go } = this.page;
    const replace = (...els) => { this.chart?.close(); this.chart = null; this.traffic.body.replaceChildren(...els); };
    if (answer.status === 'rejected') return replace(failed(answer.reason, () => this.load()));
    const d = answer.value;
    if (d.rows.length === 0) return replace(empty(st, go));
    this.data = d;
    const rows = d.rows.map((r) => ({ ...r, ...named(st.by, r), color: colorOf(st.by, r), average: average(r.bits_per_second) }));
    if (!this.chart) {
      const canvas = h('div.canvas', { css: { height: '300px' } });
      this.below = h('div');
      this.traffic.body.replaceChildren(h('div.plot', null, canvas), this.below);
      this.chart = new TrafficChart(canvas, (from, to) => go({ from, to }));
    }
    this.chart.draw({ ...d, tz: st.tz, rows });
    const all = rows.reduce((sum, r) => sum + r.average, 0);
    const peak = (r) => Math.max(...r.bits_per_second);
    this.below?.replaceChildren(table('Traffic', [
      { name: DIMENSIONS[st.by], cell: (r) => keyCell(r.label, { note: r.note, color: r.color }) },
      { name: 'Share', cell: (r) => shareBar(all ? r.average / all : 0, r.color, all ? Math.max(...rows.map((x) => x.average)) / all : 0) },
      { name: 'Average', strong: true, cell: (r) => si(r.average, 'bps') }, { name: 'Peak', cell: (r) => si(peak(r), 'bps') },
      { name: 'Volume', cell: (r) => si(r.average * (d.to - d.from) / 8, 'bytes') },
    ], rows), footer(`${Math.round((d.to - d.from) / d.step)} points of ${d.step < 60 ? `${d.step} s` : spell(d.step)}`,
      `${d.meta.table} · ${si(d.meta.flows_read, '')} flows read · ${d.meta.elapsed_ms} ms`));
    this.showTotals(d, rows);
  }

  showTotals(d, rows) {
    // The last point is still filling: "now" is the one before it.
    const last = Math.max(0, Math.round((d.to - d.from) / d.step) - 2);
    const totals = d.flows_per_second.map((_, i) => rows.reduce((sum, r) => sum + r.bits_per_second[i], 0));
    const peak = Math.max(...totals);
    this.totals.replaceChildren(
      kpi('Traffic now', totals[last], 'bps', `average ${si(average(totals), 'bps')}`),
      kpi('Peak', peak, 'bps', stamp(d.from + totals.indexOf(peak) * d.step, this.page.st.tz)),
      kpi('Packets now', d.packets_per_second[last], 'pps', `average ${si(average(d.packets_per_second), 'pps')}`),
      kpi('Flow records now', d.flows_per_second[last], 'fps', `average ${si(average(d.flows_per_second), 'fps')}`));
  }

  showExporters(answer, traffic) {
    if (answer.status === 'rejected') return void this.exporters.body.replaceChildren(failed(answer.reason, () => this.load()));
    const { st } = this.page, d = answer.value, seconds = d.to - d.from;
    const ago = (ms) => { const sec = Math.max(0, Date.now() / 1000 - ms / 1000); return sec < 60 ? `${Math.round(sec)} s ago` : sec < 86400 ? `${spell(sec)} ago` : stamp(ms / 1000, st.tz); };
    const seen = (e) => Math.max(e.last_seen_ms, e.live?.last_seen_ms ?? 0);
    this.exporters.body.replaceChildren(table('Exporters', [
      { name: 'Exporter', cell: (e) => keyCell(e.name || e.address, { note: e.name ? e.address : '' }) },
      { name: 'Sends', left: true, cell: (e) => [...new Set((e.live?.domains ?? []).map((x) => (x.version === 10 ? 'IPFIX' : `v${x.version}`)))].join(', ') || '–' },
      { name: 'Last seen', cell: (e) => (seen(e) ? ago(seen(e)) : '–') },
      { name: 'Flow records', cell: (e) => si(e.flows, '') }, { name: 'Rate', cell: (e) => si(e.flows / seconds, 'fps') },
      { name: 'Traffic', strong: true, cell: (e) => si(e.octets * 8 / seconds, 'bps') },
      { name: 'Worth knowing', left: true, cell: (e) => h('span.notes', null, troubles(e.live).join('; ') || '–') },
    ], d.exporters), footer(`${d.exporters.length} exporter${d.exporters.length === 1 ? '' : 's'}`, traffic.status === 'fulfilled' ? 'flows' : ''));
  }
}
