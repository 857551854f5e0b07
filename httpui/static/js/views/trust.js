// Trust: flows beside SNMP counters, for every interface and direction.
import { h, icon } from '../dom.js';
import { get, send } from '../api.js';
import { span } from '../state.js';
import { percent } from '../format.js';
import { lines } from '../charts/time.js';
import { choose } from '../parts/bar.js';
import { panel, panels } from '../parts/panel.js';
import { keyCell, table } from '../parts/table.js';
import { state, toast } from '../ui.js';
import { badge } from './interfaces.js';

const BUCKET_S = 300;
const label = (i) => `${i.description || i.name || `Interface ${i.if_index}`}, ${i.direction}`;

/** All buckets of the range; those without data are null. */
function evenly(d, i) {
  const from = Math.floor(d.from / BUCKET_S) * BUCKET_S, n = Math.max(1, Math.ceil((d.to - from) / BUCKET_S));
  const at = new Map(i.buckets.map((b) => [b.time, b]));
  return { from, to: from + n * BUCKET_S, buckets: Array.from({ length: n }, (_, k) => at.get(from + k * BUCKET_S) ?? null) };
}

/** One interface: three curves, a strip of coverage, the diagnosis. */
function detail(page) {
  const { st, go } = page;
  const [exporter, index] = [st.interface.slice(0, st.interface.lastIndexOf('/')), st.interface.slice(st.interface.lastIndexOf('/') + 1)];
  const self = panel(page, {
    title: 'Interface', height: 320, isEmpty: (d) => d.interfaces.length === 0,
    acts: [choose('Direction', st.direction, [['in', 'In'], ['out', 'Out']], (direction) => go({ direction })), h('button.btn.act-text', { onclick: () => go({ interface: '' }) }, icon('x'), 'All interfaces')],
    load: async (signal) => {
      const { from, to } = span(st);
      return { from, to, ...await get('calibration', { exporter, if_index: index, direction: st.direction, from, to }, signal) };
    },
    csv: (d) => [['time', 'snmp_bps', 'flows_bps', 'calibrated_bps', 'coverage', 'status', 'final'], ...d.interfaces[0].buckets.map((b) => [new Date(b.time * 1000).toISOString(), b.snmp_bps, b.flows_bps, b.calibrated_bps, b.coverage, b.status, b.final])],
    make: (body) => {
      const canvas = h('div.canvas', { css: { height: '280px' } }), words = h('div.verdict'), strip = h('div.strip'), legend = h('div.legend');
      body.append(words, legend, h('div.plot', null, canvas), strip);
      const chart = lines(canvas, (from, to) => go({ from, to }));
      return { chart, update: (d) => {
        const i = d.interfaces[0], { from, to, buckets } = evenly(d, i);
        self.title(label(i), `${i.exporter_name || i.exporter} · ${i.name}`);
        words.replaceChildren(...verdict(page, i));
        const three = [{ label: 'SNMP counters', color: '--c1', key: 'snmp_bps' }, { label: 'Flows × sampling rate', color: '--c0', key: 'flows_bps' }, { label: 'Calibrated', color: '--c2', key: 'calibrated_bps', dashed: true }];
        legend.replaceChildren(...three.map((l) => keyCell(l.label, { color: l.color })));
        chart.set({ from, to, step: BUCKET_S, tz: st.tz, unit: 'bps', lines: three.map((l) => ({ ...l, values: buckets.map((b) => b?.[l.key] ?? null) })) });
        strip.replaceChildren(h('span.muted', null, 'Coverage'), h('div', { role: 'img', 'aria-label': `Coverage by five minutes: ${buckets.filter((b) => b?.status === 'applied').length} of ${buckets.length} agree` },
          buckets.map((b) => h(`i.${b?.status || 'none'}`, { title: b?.coverage != null ? `${percent(b.coverage)} ${b.reason}` : 'no counters' }))));
      } };
    },
  });
  return self;
}

function verdict(page, i) {
  const accept = () => send('POST', 'calibration/accept', { exporter: i.exporter, if_index: i.if_index, direction: i.direction, sampling_rate: i.suggested_sampling_rate }).then(() => { toast('Accepted: counts from now on'); page.refresh(); }, (error) => toast(error.message));
  return [h('p', null, badge(i.coverage, i.status, i.reason), ' ', i.diagnosis || i.reason || 'Flows and counters agree.'),
    i.fix && h('pre.code', { tabindex: '0' }, i.fix),
    i.suggested_sampling_rate > 0 && page.admin && h('div.row', null, h('button.btn.primary', { onclick: accept }, `Accept 1:${i.suggested_sampling_rate}`), h('span.muted', null, `in force: ${i.sampling_rate ? `1:${i.sampling_rate}` : 'none'}`))].filter(Boolean);
}

function all(page) {
  const { st, go } = page;
  return panel(page, {
    title: 'Do flows tell the truth?', sub: 'Coverage: the share of the octets of SNMP counters that flows account for, in the newest five minutes that are final', height: 300, isEmpty: () => false,
    load: async (signal) => get('calibration', { ...span(st), exporter: st.exporter }, signal),
    csv: (d) => [['exporter', 'if_index', 'direction', 'coverage', 'factor', 'status', 'reason', 'diagnosis'], ...d.interfaces.map((i) => [i.exporter, i.if_index, i.direction, i.coverage, i.factor, i.status, i.reason, i.diagnosis])],
    make: (body) => ({ update: (d) => {
      if (!d.interfaces.length) return body.replaceChildren(state('shield-check', 'Nothing to compare with', 'Flows are compared with the counters of interfaces. Add SNMP to your hosts.', h('a.btn', { href: page.href({ view: 'settings' }), 'data-go': '' }, 'Add SNMP')));
      body.replaceChildren(table('Calibration', [
        { name: 'Interface', cell: (i) => keyCell(i.description || i.name || String(i.if_index), { note: i.description ? i.name : '', onclick: () => go({ interface: `${i.exporter}/${i.if_index}`, direction: i.direction }) }), by: (i) => i.description || i.name },
        { name: 'Exporter', left: true, cell: (i) => i.exporter_name || i.exporter, by: (i) => i.exporter_name || i.exporter }, { name: 'Direction', left: true, cell: (i) => i.direction, by: (i) => i.direction },
        { name: 'Coverage', left: true, cell: (i) => badge(i.coverage, i.status, i.reason), by: (i) => i.coverage ?? -1 },
        { name: 'Factor', cell: (i) => (i.factor ? `× ${i.factor.toFixed(3)}` : '–'), by: (i) => i.factor ?? 0 }, { name: 'Sampling', cell: (i) => (i.sampling_rate ? `1:${i.sampling_rate}` : '–'), by: (i) => i.sampling_rate },
        { name: 'Diagnosis', left: true, cell: (i) => h('span.notes', null, i.diagnosis || i.reason || '') },
      ], d.interfaces));
    } }),
  });
}

/** @param {import('../main.js').Page} page */
export const build = (page) => panels(...(page.st.interface.includes('/') ? [detail(page)] : []), all(page));
