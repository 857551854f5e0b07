// Interfaces: what SNMP and what flows count, and how well that agrees.
import { h, icon } from '../dom.js';
import { get } from '../api.js';
import { span } from '../state.js';
import { percent, si } from '../format.js';
import { offered } from '../parts/offered.js';
import { panel, panels } from '../parts/panel.js';
import { keyCell, spark, table } from '../parts/table.js';
import { editInterface } from '../parts/edit.js';
import { state } from '../ui.js';

const KINDS = { applied: 'good', amber: 'warn', refused: 'bad', none: 'off' };
const WORDS = { applied: '', amber: 'look', refused: 'off', none: '' };

/** Coverage as a badge: the share of SNMP's octets that flows account for. */
export const badge = (coverage, status, reason) => h(`span.badge.${KINDS[status] ?? 'off'}`, { title: reason || null }, coverage === null || coverage === undefined || status === 'none' ? '–' : `${percent(coverage)} ${WORDS[status] ?? ''}`);

/** @param {import('../main.js').Page} page */
export function build(page) {
  const { st } = page;
  const text = (v) => (v === null || v === undefined ? '–' : si(v, 'bps'));
  return panels(panel(page, {
    title: 'Interfaces', sub: 'Rates of the newest five minutes; coverage is what flows account for of what SNMP counts', height: 400, isEmpty: () => false,
    load: async (signal) => {
      const [d, series] = await Promise.all([get('interfaces', { exporter: st.exporter }, signal), get('series', { ...span(st), by: st.direction === 'in' ? 'in_if' : 'out_if', top: 50, points: 40 }, signal).catch((error) => { if (signal.aborted) throw error; return null; })]);
      return { ...d, meta: series?.meta, scale: series?.scale, lines: new Map((series?.rows ?? []).map((r) => [r.value, r.bits_per_second])) };
    },
    csv: (d) => [['exporter', 'if_index', 'name', 'description', 'speed_bps', 'role', 'snmp_in_bps', 'flow_in_bps', 'coverage_in', 'snmp_out_bps', 'flow_out_bps', 'coverage_out'],
      ...d.interfaces.map((i) => [i.exporter, i.if_index, i.name, i.description, i.speed_bps, i.role, i.snmp_in_bps, i.flow_in_bps, i.coverage_in, i.snmp_out_bps, i.flow_out_bps, i.coverage_out])],
    make: (body) => {
      const value = (i) => `${i.exporter}/${i.if_index}`;
      let lines = new Map();
      const draw = offered(body, (interfaces) => h('div.tight', null, table('Interfaces', [
        { name: 'Interface', cell: (i) => h('a', { href: page.href({ view: 'interface', interface: value(i) }), 'data-go': '' }, keyCell(i.description || i.name || `Interface ${i.if_index}`, { note: i.description ? i.name : '' })), by: (i) => i.description || i.name },
        { name: 'Exporter', left: true, cell: (i) => i.exporter_name || i.exporter, by: (i) => i.exporter_name || i.exporter },
        { name: 'Role', left: true, cell: (i) => i.role || (i.suggested_role ? h('span.muted', { title: 'A guess by its flows; set it in the settings' }, `${i.suggested_role}?`) : '–'), by: (i) => i.role || i.suggested_role },
        { name: 'Speed', cell: (i) => (i.speed_bps ? si(i.speed_bps, 'bps') : '–'), by: (i) => i.speed_bps },
        { name: 'In: SNMP', cell: (i) => text(i.snmp_in_bps), by: (i) => i.snmp_in_bps ?? -1 }, { name: 'flows', strong: true, cell: (i) => text(i.flow_in_bps), by: (i) => i.flow_in_bps ?? -1 }, { name: 'coverage', left: true, cell: (i) => badge(i.coverage_in, i.status_in, i.reason_in), by: (i) => i.coverage_in ?? -1 },
        { name: 'Out: SNMP', cell: (i) => text(i.snmp_out_bps), by: (i) => i.snmp_out_bps ?? -1 }, { name: 'flows', strong: true, cell: (i) => text(i.flow_out_bps), by: (i) => i.flow_out_bps ?? -1 }, { name: 'coverage', left: true, cell: (i) => badge(i.coverage_out, i.status_out, i.reason_out), by: (i) => i.coverage_out ?? -1 },
        { name: 'In this time', left: true, cell: (i) => (lines.has(value(i)) ? spark(lines.get(value(i)), `Traffic ${st.direction} of ${i.name} over the range`) : '') },
        { name: 'Edit', cell: (i) => (page.admin ? h('button.btn.icon.quiet', { 'aria-label': `Edit ${i.name || i.if_index}`, onclick: () => editInterface(i, page.refresh) }, icon('pencil')) : '') },
      ], interfaces)));
      return { update: (d) => {
        lines = d.lines;
        if (d.interfaces.length) draw(d.interfaces);
        else body.replaceChildren(state('cable', 'No interfaces yet', 'They appear when flows name them, or when SNMP is read.', h('a.btn', { href: page.href({ view: 'settings' }), 'data-go': '' }, 'Add SNMP')));
      } };
    },
  }));
}
