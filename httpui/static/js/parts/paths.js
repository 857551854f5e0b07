// A card with the paths through some dimensions: a sankey and the largest ones as a table.
import { h } from '../dom.js';
import { get } from '../api.js';
import { query } from '../state.js';
import { DIMENSIONS, isAS, named, plusMinus } from '../dims.js';
import { colorOf } from '../chart.js';
import { percent, si } from '../format.js';
import { fold, room, sankey } from '../charts/sankey.js';
import { panel } from './panel.js';
import { keyCell, table } from './table.js';

const SHOWN = 15; // rows of the table

/**
 * @param {import('../main.js').Page} page
 * @param {{title: string, sub?: string, dims: string[], where?: string[], height?: number, direction?: string}} what
 */
export function paths(page, { title, sub, dims, where = [], height = 560, direction = page.st.direction }) {
  const { st } = page;
  const threshold = (st.threshold === '' ? 1 : Number(st.threshold)) / 100;
  return panel(page, {
    title, sub, height, isEmpty: (d) => d.paths.length === 0,
    load: (signal) => get('paths', { ...query(st, ...where), direction, dims: dims.join(','), top: st.top || 15 }, signal),
    csv: (d) => [[...d.dims.flatMap((x) => [x, `${x}_name`]), 'bits_per_second', 'error_bits_per_second'],
      ...d.paths.map((p) => [...p.nodes.flatMap((i) => [d.nodes[i].other ? 'other' : d.nodes[i].value, d.nodes[i].name]), p.bits_per_second, p.error])],
    make: (body) => {
      const canvas = h('div.canvas', { css: { height: `${height}px` } }), below = h('div');
      const layers = h('div.layers', { 'aria-hidden': 'true' }, dims.map((x, l) => h('span', { css: { '--at': String(l / (dims.length - 1)) } }, DIMENSIONS[x])));
      body.append(h('div.scroll.paths', { tabindex: '0', role: 'region', 'aria-label': `${title}, chart` }, layers, h('div.plot', null, canvas)), below);
      const chart = sankey(canvas, (n) => page.details(n.by, { ...n, bits_per_second: n.bits, share: chart.data.total ? n.bits / chart.data.total : 0 }));
      chart.drawn = () => layers.style.setProperty('--room', `${room(canvas)}px`);
      return { chart, update: (d) => { chart.set(fold(d, threshold)); below.replaceChildren(largest(d, title)); } };
    },
  });
}

function largest(d, title) {
  const rows = d.paths.slice(0, SHOWN).map((p) => ({ ...p, cells: p.nodes.map((i) => ({ ...named(d.dims[d.nodes[i].layer], d.nodes[i]), color: colorOf(d.dims[d.nodes[i].layer], d.nodes[i]) })) }));
  const total = d.total.bits_per_second || 1;
  return table(`${title}, largest paths`, [
    ...d.dims.map((x, l) => ({ name: DIMENSIONS[x], left: true, cell: (r) => keyCell(r.cells[l].label, { note: isAS(x) ? r.cells[l].note : '', color: l === 0 || l === d.dims.length - 1 ? r.cells[l].color : '' }), by: (r) => r.cells[l].label })),
    { name: 'Share', cell: (r) => percent(r.bits_per_second / total), by: (r) => r.bits_per_second },
    { name: 'Rate', strong: true, cell: (r) => si(r.bits_per_second, 'bps', r.error), by: (r) => r.bits_per_second },
    { name: 'Error', cell: (r) => plusMinus(r.error, r.bits_per_second) || '–', by: (r) => r.error },
  ], rows, { sorted: '-Rate' });
}
