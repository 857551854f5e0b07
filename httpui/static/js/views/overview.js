// The Overview: totals, traffic over time, what it is made of.
import { h } from '../dom.js';
import { get } from '../api.js';
import { query } from '../state.js';
import { DIMENSIONS } from '../dims.js';
import { si, stamp } from '../format.js';
import { ring } from '../charts/shares.js';
import { panel } from '../parts/panel.js';
import { dressed, sharesCSV } from '../parts/shares.js';
import { keyCell } from '../parts/table.js';
import { percent } from '../format.js';
import { kpi } from '../ui.js';
import { traffic } from './time.js';

const average = (values) => values.reduce((sum, v) => sum + v, 0) / (values.length || 1);

function totals(el, d, tz) {
  // The newest points are still filling: "now" is the last one that is complete.
  const whole = d.flows_per_second.map((_, i) => i).filter((i) => d.from + (i + 1) * d.step <= d.provisional_from).at(-1) ?? 0;
  const sums = d.flows_per_second.map((_, i) => d.rows.reduce((sum, r) => sum + r.bits_per_second[i], 0));
  const peak = Math.max(...sums);
  el.replaceChildren(
    kpi('Traffic now', sums[whole], 'bps', `average ${si(average(sums), 'bps')}`),
    kpi('95th percentile', d.total.percentile_95, 'bps', `peak ${si(peak, 'bps')}, ${stamp(d.from + sums.indexOf(peak) * d.step, tz)}`),
    kpi('Packets now', d.packets_per_second[whole], 'pps', `average ${si(average(d.packets_per_second), 'pps')}`),
    kpi('Flow records now', d.flows_per_second[whole], 'fps', `average ${si(average(d.flows_per_second), 'fps')}`));
}

/** A small ring and the names of its largest rows. */
const small = (page, by) => panel(page, {
  title: DIMENSIONS[by], size: '.s4', height: 170, csv: sharesCSV,
  load: (signal) => get('shares', { ...query(page.st), by, top: 5 }, signal), note: () => '',
  make: (body) => {
    const canvas = h('div.canvas', { css: { height: '158px' } }), list = h('dl.list');
    body.append(h('div.split', null, h('div.plot', null, canvas), list));
    const chart = ring(canvas, { small: true, onpick: (r) => page.details(by, r) });
    return { chart, update: (d) => {
      const rows = dressed(d);
      chart.set({ rows, total: d.total.bits_per_second });
      list.replaceChildren(...rows.map((r) => h('div', null, h('dt', null, keyCell(r.label, { color: r.color, onclick: r.other ? undefined : () => page.details(by, r) })), h('dd', null, percent(r.share)))));
    } };
  },
});

export const overview = {
  title: 'Overview', icon: 'layout-dashboard', key: 'o', group: 'Traffic', controls: ['by'],
  /** @param {import('../main.js').Page} page */
  build(page) {
    const figures = h('dl.kpis');
    const list = [traffic(page, { height: 280, onanswer: (d) => totals(figures, d, page.st.tz) }), ...['src_as', 'dst_as', 'in_if', 'proto', 'exporter', 'etype'].map((by) => small(page, by))];
    return { list, elements: [figures, ...list.map((p) => p.el)], again: () => list.forEach((p) => p.again()), close: () => list.forEach((p) => p.close()),
      async load(signal) {
        await list[0].load(signal);
        await Promise.all(list.slice(1).map((p) => p.load(signal)));
      } };
  },
};
