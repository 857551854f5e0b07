// Tables that sort by a click on a heading.
import { h, s } from '../dom.js';
import { percent } from '../format.js';
import { swatch } from '../chart.js';

/**
 * @typedef {object} Column
 * @property {string} name
 * @property {(row: any) => any} cell
 * @property {(row: any) => number|string} [by]  what it sorts by; without, it does not
 * @property {boolean} [left]
 * @property {boolean} [strong]
 */

/**
 * @param {string} label
 * @param {Column[]} columns
 * @param {any[]} rows
 * @param {{sorted?: string, onsort?: (name: string) => void, className?: (row: any) => string}} [options]
 *   sorted is the heading that rows come in order of, descending with a - before it; with
 *   onsort somebody else sorts
 */
export function table(label, columns, rows, { sorted = '', onsort, className } = {}) {
  const body = h('tbody'), head = h('tr');
  const fill = (list) => body.replaceChildren(...list.map((r) => h('tr', { class: className?.(r) || null }, columns.map((c) => h(`td${c.strong ? '.strong' : ''}${c.left ? '.l' : ''}`, null, c.cell(r))))));
  function sort(c) {
    const down = sorted === c.name ? true : sorted === `-${c.name}` ? false : typeof c.by?.(rows[0]) !== 'string';
    sorted = (down ? '-' : '') + c.name;
    if (onsort) return onsort(sorted);
    const sign = down ? -1 : 1;
    fill(rows.slice().sort((a, b) => { const [x, y] = [c.by?.(a) ?? '', c.by?.(b) ?? '']; return sign * (typeof x === 'string' ? x.localeCompare(String(y), 'en', { numeric: true }) : x - Number(y)); }));
    headings();
  }
  const headings = () => head.replaceChildren(...columns.map((c) => h(c.left ? 'th.l' : 'th', { scope: 'col', 'aria-sort': sorted === c.name ? 'ascending' : sorted === `-${c.name}` ? 'descending' : null },
    c.by && rows.length ? h('button', { onclick: () => sort(c) }, c.name) : c.name)));
  headings();
  fill(rows);
  return h('div.scroll', { tabindex: '0', role: 'region', 'aria-label': `${label}, table` }, h('table', null, h('thead', null, head), body));
}

/**
 * Name with a colour and a smaller note; a button where something can be done with it.
 * @param {string} label
 * @param {{note?: string, color?: string, onclick?: () => void}} [options]
 */
export const keyCell = (label, { note = '', color = '', onclick = undefined } = {}) => h('span.key', null, color && swatch(color),
  onclick ? h('button.n', { onclick, title: label }, label) : h('span.n', { title: label }, label), note && h('span.note', null, note));

/** A share as a bar, drawn with SVG because the CSP forbids style attributes. */
export const shareBar = (x, color, max) => h('span.share', null, s('svg', { viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
  s('rect', { width: max ? Math.min(100, Math.max(1, x / max * 100)) : 0, height: 6, fill: `var(${color})` })), h('span', null, percent(x)));

/** A small line of values. */
export function spark(values, label) {
  const known = values.filter((v) => v !== null), max = Math.max(0, ...known) || 1, n = Math.max(1, values.length - 1);
  const points = values.map((v, i) => (v === null ? null : `${(i / n * 84).toFixed(1)},${(22 - v / max * 20).toFixed(1)}`)).filter(Boolean);
  return s('svg', { class: 'sparkline', viewBox: '0 0 84 24', role: 'img', 'aria-label': label }, s('polyline', { points: points.join(' ') }));
}
