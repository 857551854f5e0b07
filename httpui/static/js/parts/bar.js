// The bar above a view: exporter, direction, scale, the filter and what the view adds.
import { h, icon } from '../dom.js';
import { DIMENSIONS, PROTOCOLS } from '../dims.js';
import { completed } from './complete.js';

/** A select with its label before it. */
export const pick = (label, value, options, set) => h('label.select', null, h('span', null, label), h('select', { 'aria-label': label, onchange: (e) => set(e.target.value) },
  options.map(([v, n]) => h('option', { value: v, selected: String(v) === String(value) }, n))), icon('chevron-down'));

/** Few choices side by side. */
export const choose = (label, value, options, set) => h('div.seg', { role: 'group', 'aria-label': label }, options.map(([v, n]) => h('button', { 'aria-pressed': String(v === value), onclick: () => set(v) }, n)));

const tops = (fallback) => [5, 10, 15, 20, 30, 50].map((n) => [n === fallback ? '' : String(n), String(n)]);

/** What a view may ask for in its controls. */
const CONTROLS = {
  direction: ({ st, go }) => choose('Direction', st.direction, [['in', 'In'], ['out', 'Out']], (direction) => go({ direction })),
  by: ({ st, go }) => pick('By', st.by, Object.entries(DIMENSIONS), (by) => go({ by })),
  top10: ({ st, go }) => pick('Top', st.top, tops(10), (top) => go({ top })),
  top15: ({ st, go }) => pick('Top', st.top, tops(15), (top) => go({ top })),
  top20: ({ st, go }) => pick('Top', st.top, tops(20), (top) => go({ top })),
  rows: ({ go }) => h('button.btn', { onclick: () => go({ flows: 'all' }) }, icon('table-2'), 'Show flows'),
  threshold: ({ st, go }) => pick('Fold below', st.threshold, [['', '1 %'], ['0', 'nothing'], ['0.5', '0.5 %'], ['2', '2 %'], ['5', '5 %']], (threshold) => go({ threshold })),
  previous: ({ st, go }) => h('button.btn', { 'aria-pressed': String(st.previous === 'on'), title: 'Draw the same time one period before', onclick: () => go({ previous: st.previous === 'on' ? '' : 'on' }) }, icon('layers'), 'Previous period'),
  side: ({ st, go }) => choose('Side', st.side, [['src', 'Sources'], ['dst', 'Destinations']], (side) => go({ side })),
  src: ({ st, go }) => completed('From AS', 'as', st.src, (src) => go({ src })),
  dst: ({ st, go }) => completed('To AS', 'as', st.dst, (dst) => go({ dst })),
  interface: ({ st, go }) => completed('Interface', 'interface', st.interface, (v) => go({ interface: v })),
  in_if: ({ st, go }) => completed('Into', 'interface', st.in_if, (v) => go({ in_if: v }), 'any interface'),
  out_if: ({ st, go }) => completed('Out of', 'interface', st.out_if, (v) => go({ out_if: v }), 'any interface'),
  as: ({ st, go }) => completed('AS', 'as', st.as, (v) => go({ as: v })),
  port: ({ st, go }) => h('label.select.text.short', null, h('span', null, 'Port'), h('input', { type: 'text', inputmode: 'numeric', value: st.port, placeholder: 'any', autocomplete: 'off', 'aria-label': 'Port', onchange: (e) => {
    const text = e.target.value.trim();
    e.target.setCustomValidity(text === '' || /^\d{1,5}$/.test(text) && Number(text) < 65536 ? '' : 'A number up to 65535');
    if (e.target.reportValidity()) go({ port: text });
  } })),
  proto: ({ st, go }) => pick('Protocol', st.proto, [['', 'any'], ...Object.entries({ ...PROTOCOLS, ...(st.proto && !PROTOCOLS[st.proto] ? { [st.proto]: st.proto } : {}) })], (proto) => go({ proto })),
};
const SCALES = [['auto', 'calibrated'], ['sampled', '× sampling rate'], ['raw', 'as exported'], ['calibrated', 'SNMP totals']];

/**
 * @param {import('../main.js').Page} page
 * @param {string[]} controls
 * @param {{value: string, name: string}[]} exporters
 * @param {any[]} [more]  before the filter
 * @param {boolean} [filtered]  with filter and scale
 */
export function bar(page, controls, exporters, more = [], filtered = true) {
  const { st, go } = page;
  const known = exporters.some((e) => e.value === st.exporter) || !st.exporter ? exporters : [...exporters, { value: st.exporter, name: '' }];
  const text = h('input', { type: 'text', id: 'filter', placeholder: 'Filter: src_as = 15169 and dst_port in (80, 443)', value: st.filter, spellcheck: 'false', autocomplete: 'off', 'aria-label': 'Filter', 'aria-describedby': 'filter-error' });
  const form = h('form.filter', { role: 'search', onsubmit: (e) => { e.preventDefault(); go({ filter: text.value.trim() }); } }, icon('filter'), text,
    st.filter && h('button.clear', { type: 'button', 'aria-label': 'Clear the filter', onclick: () => go({ filter: '' }) }, icon('x')));
  return [
    pick('Exporter', st.exporter, [['', 'all'], ...known.map((e) => [e.value, e.name || e.value])], (exporter) => go({ exporter })),
    ...controls.map((c) => CONTROLS[c](page)), ...more,
    ...(filtered ? [form, pick('Scale', st.scale, SCALES, (scale) => go({ scale })),
    h('p.filter-error', { id: 'filter-error', role: 'alert', hidden: true })] : []),
  ];
}

/** Shows where the server could not read the filter; whether that was the trouble. */
export function filterError(st, error) {
  const el = document.getElementById('filter-error');
  if (!el || error.position === null || !st.filter) return;
  const at = Math.min(st.filter.length, Math.max(0, error.position - 1)); // the server's text begins with a parenthesis
  el.replaceChildren(h('span', null, error.message), h('code', null, st.filter.slice(0, at), h('mark', null, st.filter.slice(at, at + 1) || ' '), st.filter.slice(at + 1)));
  el.hidden = false;
  const input = /** @type {HTMLInputElement|null} */ (document.getElementById('filter'));
  input?.setAttribute('aria-invalid', 'true');
}
