// Traffic over time, by any dimension.
import { h } from '../dom.js';
import { get } from '../api.js';
import { query, span } from '../state.js';
import { DIMENSIONS, and, condition, fewSamples, lower, named, plusMinus } from '../dims.js';
import { colorOf, distinct } from '../chart.js';
import { si, spell } from '../format.js';
import { areas } from '../charts/time.js';
import { panel, panels, scaleNote } from '../parts/panel.js';
import { keyCell, shareBar, table } from '../parts/table.js';

const mean = (values) => values.reduce((sum, v) => sum + v, 0) / (values.length || 1);
/** Standard errors of independent points add up as squares. */
const meanError = (errors) => Math.sqrt(errors.reduce((sum, v) => sum + v * v, 0)) / (errors.length || 1);

/** The chart's numbers: a line for each point, a column for each row. */
const seriesCSV = (d) => [['time', ...d.rows.map((r) => `${named(d.by, r).label} (bit/s)`), 'flows/s', 'packets/s'],
  ...d.flows_per_second.map((_, i) => [new Date((d.from + i * d.step) * 1000).toISOString(), ...d.rows.map((r) => r.bits_per_second[i]), d.flows_per_second[i], d.packets_per_second[i]])];

/** @param {import('../main.js').Page} page */
export function traffic(page, { by = page.st.by, top = 10, height = 320, onanswer = (/** @type {any} */ _) => {}, previous = false } = {}) {
  const { st, go } = page;
  return panel(page, {
    title: `Traffic by ${lower(by)}`, sub: 'Bits per second', height, csv: seriesCSV,
    load: async (signal) => {
      const parameters = { ...query(st), by, top, points: 240 };
      const d = await get('series', parameters, signal);
      if (previous) {
        const width = span(st).to - span(st).from;
        const before = await get('series', { ...parameters, from: d.from - Math.ceil(width / d.step) * d.step, to: d.to - Math.ceil(width / d.step) * d.step }, signal);
        if (before.step === d.step) d.previous = before.flows_per_second.map((_, i) => before.rows.reduce((sum, r) => sum + r.bits_per_second[i], 0));
      }
      return d;
    },
    note: (d) => `${d.flows_per_second.length} points of ${d.step < 60 ? `${d.step} s` : spell(d.step)}${d.provisional_from < d.to ? '; the hatched end is provisional' : ''} · ${scaleNote(d)}`,
    make: (body) => {
      const canvas = h('div.canvas', { css: { height: `${height}px` } }), below = h('div');
      body.append(h('div.plot', null, canvas), below);
      const chart = areas(canvas, (from, to) => go({ from, to }));
      return { chart, update: (d) => {
        const rows = distinct(d.rows.map((r) => ({ ...r, ...named(by, r), id: r.other ? '/other' : `=${r.value}`, color: colorOf(by, r), mean: mean(r.bits_per_second), peak: Math.max(...r.bits_per_second) })));
        chart.set({ ...d, tz: st.tz, rows, percentile: d.total.percentile_95 });
        below.replaceChildren(seriesTable(d, rows, by, (r) => go({ filter: and(st.filter, condition(by, r.value)) })));
        onanswer(d);
      } };
    },
  });
}

function seriesTable(d, rows, by, pick) {
  const all = rows.reduce((sum, r) => sum + r.mean, 0), max = Math.max(...rows.map((r) => r.mean));
  return table('Traffic', [
    { name: DIMENSIONS[by], cell: (r) => keyCell(r.label, { note: r.note, color: r.color, onclick: r.other ? undefined : () => pick(r) }), by: (r) => r.label },
    { name: 'Share', cell: (r) => shareBar(all ? r.mean / all : 0, r.color, all ? max / all : 0), by: (r) => r.mean },
    { name: 'Average', strong: true, cell: (r) => si(r.mean, 'bps', meanError(r.error)), by: (r) => r.mean },
    { name: 'Error', cell: (r) => h('span', { title: fewSamples(meanError(r.error), r.mean) }, plusMinus(meanError(r.error), r.mean) || '–'), by: (r) => (r.mean ? meanError(r.error) / r.mean : 0) },
    { name: 'Peak', cell: (r) => si(r.peak, 'bps'), by: (r) => r.peak },
    { name: 'Volume', cell: (r) => si(r.mean * (d.to - d.from) / 8, 'bytes', meanError(r.error) * (d.to - d.from) / 8), by: (r) => r.mean },
  ], rows, { sorted: '-Average' });
}

export const time = {
  title: 'Traffic over time', icon: 'chart-area', key: 't', group: 'Traffic', controls: ['by', 'top10', 'direction', 'previous'],
  /** @param {import('../main.js').Page} page */
  build: (page) => panels(traffic(page, { top: Number(page.st.top || 10), height: 400, previous: page.st.previous === 'on' })),
};
