// Parts of the page that are not charts.
import { h, s, icon } from './dom.js';
import { DIMENSIONS, RANGES, span, when } from './state.js';
import { offset, parts, percent, stamp, zoneName } from './format.js';
import { Failure } from './api.js';
import { swatch } from './chart.js';

export function themeSwitch() {
  const modes = [['light', 'sun', 'Light'], ['auto', 'monitor', 'Same as system'], ['dark', 'moon', 'Dark']];
  const box = h('div.seg', { role: 'group', 'aria-label': 'Colour theme' });
  const current = () => localStorage.getItem('theme') || 'auto';
  const choose = (mode) => {
    localStorage.setItem('theme', mode);
    document.documentElement.dataset.theme = mode === 'auto' ? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light') : mode;
    dispatchEvent(new Event('themechange'));
    paint();
  };
  const paint = () => box.replaceChildren(...modes.map(([mode, name, label]) =>
    h('button', { 'aria-pressed': String(current() === mode), 'aria-label': label, title: label, onclick: () => choose(mode) }, icon(name))));
  paint();
  return box;
}

/** Opens el below anchor; the platform closes it on Escape or a click outside. */
function popover(anchor, el) {
  el.setAttribute('popover', 'auto');
  document.body.append(el);
  el.showPopover();
  const a = anchor.getBoundingClientRect();
  el.style.top = `${Math.round(a.bottom + 6)}px`;
  el.style.left = `${Math.round(Math.max(8, Math.min(a.left, innerWidth - el.offsetWidth - 8)))}px`;
  anchor.setAttribute('aria-expanded', 'true');
  el.addEventListener('toggle', (e) => {
    if (e.newState !== 'closed') return;
    el.remove();
    anchor.setAttribute('aria-expanded', 'false');
    anchor.focus();
  });
  (el.querySelector('[aria-pressed="true"]') ?? el.querySelector('button, input, select'))?.focus();
}

export const rangeName = (st) => (st.from ? `${stamp(st.from, st.tz)} – ${stamp(st.to, st.tz)}` : RANGES[st.range][0]);

function rangePanel(st, go) {
  const { from, to } = span(st);
  const ahead = (t) => offset(t, st.tz);
  const local = (t) => new Date((t + ahead(t)) * 1000).toISOString().slice(0, 16).replace('T', ' ');
  const read = (el) => {
    const t = when(el.value, ahead);
    el.setCustomValidity(Number.isNaN(t) ? 'Write 2026-01-31 14:00, 14:00, now or now-6h' : '');
    return t;
  };
  const box = (t) => h('input', { type: 'text', value: local(t), spellcheck: 'false', autocomplete: 'off', oninput: (e) => read(e.target) });
  const a = box(from), b = box(to);
  const zone = h('select', { onchange: () => { el.hidePopover(); go({ tz: zone.value }); } },
    [['browser', `Browser (${zoneName('browser')})`], ['utc', 'UTC']].map(([v, n]) => h('option', { value: v, selected: v === st.tz }, n)));
  const apply = () => {
    const [x, y] = [read(a), read(b)];
    if (y <= x) b.setCustomValidity('The end must be after the start');
    if (a.reportValidity() && b.reportValidity()) {
      el.hidePopover();
      go({ from: x, to: y });
    }
  };
  const el = h('div.range', { role: 'dialog', 'aria-label': 'Time range' },
    h('div.presets', null, Object.entries(RANGES).map(([key, [name]]) =>
      h('button', { 'aria-pressed': String(!st.from && st.range === key), onclick: () => { el.hidePopover(); go({ range: key, from: 0, to: 0 }); } }, name))),
    h('div.abs', null, h('label.field', null, h('span', null, 'From'), a), h('label.field', null, h('span', null, 'To'), b),
      h('label.field', null, h('span', null, 'Time zone'), zone), h('button.btn.primary', { onclick: apply }, 'Apply range')));
  return el;
}

/** The buttons at the top of the page. */
export function tools(st, go, act) {
  const range = h('button.btn', { 'aria-haspopup': 'dialog', 'aria-expanded': 'false', id: 'range', onclick: () => popover(range, rangePanel(st, go)) },
    icon('clock'), rangeName(st), h('span.muted', null, st.tz === 'utc' ? 'UTC' : ''), icon('chevron-down'));
  const menu = h('button.btn', { 'aria-haspopup': 'menu', 'aria-expanded': 'false', id: 'export', onclick: () => popover(menu, h('div.menu', null,
    h('button', { onclick: () => act('csv') }, icon('table-2'), 'Data as CSV'), h('button', { onclick: () => act('png') }, icon('image'), 'Chart as PNG'),
    h('button', { onclick: () => act('link') }, icon('link'), 'Copy link'))) }, icon('download'), 'Export');
  const quiet = (name, label, key, what) => h('button.btn.icon.quiet', { title: `${label}  ${key}`, 'aria-label': label, onclick: () => act(what) }, icon(name));
  return [
    h('label.select', null, h('span', null, 'By'), h('select', { 'aria-label': 'Split by', onchange: (e) => go({ by: e.target.value }) },
      Object.entries(DIMENSIONS).map(([v, n]) => h('option', { value: v, selected: v === st.by }, n))), icon('chevron-down')),
    quiet('arrow-left', 'Earlier', '[', 'earlier'), range, quiet('arrow-right', 'Later', ']', 'later'), quiet('zoom-out', 'Zoom out', '-', 'zoomout'),
    !st.from && h('button.btn', { id: 'live', 'aria-pressed': String(st.live), title: 'Refresh by itself', onclick: () => go({ live: !st.live }) }, h(st.live ? 'span.dot' : 'span.dot.off'), st.live ? 'Live' : 'Paused'),
    h('button.btn.icon', { title: 'Refresh  r', 'aria-label': 'Refresh', onclick: () => act('refresh') }, icon('rotate-cw')), menu];
}

export function card(title, sub = '') {
  const body = h('div');
  const el = h('section.card', { 'aria-label': title }, h('header', null, h('div', null, h('h2', null, title), sub && h('p', null, sub))), body);
  return { el, body };
}

export function kpi(label, value, unit, note) {
  const [n, u] = parts(value, unit);
  return h('div.kpi', null, h('dt', null, label), h('dd', null, n, h('small', null, u)), h('dd.delta', null, note));
}

/** A share as a bar, drawn with SVG because the CSP forbids style attributes. */
export const shareBar = (x, color, max) => h('span.share', null, s('svg', { viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
  s('rect', { width: max ? Math.max(1, x / max * 100) : 0, height: 6, fill: `var(${color})` })), h('span', null, percent(x)));

/** @param {{name: string, left?: boolean, strong?: boolean, cell: (row: any) => any}[]} columns */
export const table = (label, columns, rows) => h('div.scroll', { tabindex: '0', role: 'region', 'aria-label': `${label}, table` }, h('table', null,
  h('thead', null, h('tr', null, columns.map((c) => h(c.left ? 'th.l' : 'th', { scope: 'col' }, c.name)))),
  h('tbody', null, rows.map((r) => h('tr', null, columns.map((c) => h(c.strong ? 'td.strong' : c.left ? 'td.l' : 'td', null, c.cell(r))))))));

export const keyCell = (label, { note = '', color = '' } = {}) => h('span.key', null, color && swatch(color), h('span.n', null, label), note && h('span.note', null, note));

export const footer = (left, right) => h('footer', null, h('span', null, left), h('span', { css: { 'margin-left': 'auto' } }, right));

export const loading = (height) => h('div.skel', { role: 'status', 'aria-label': 'Loading', css: { '--h': `${height}px` } });

export const failed = (error, retry) => h('div.state.err', { role: 'alert' }, icon('circle-alert'), h('b', null, 'This could not be loaded'),
  h('p', null, error instanceof Failure ? error.message : 'The page could not show the answer. Details are in the browser console.'),
  error.id ? h('code', null, `request ${error.id}`) : null, h('div.row', null, h('button.btn', { onclick: retry }, icon('rotate-cw'), 'Try again')));

export const empty = (st, go) => h('div.state', null, icon('inbox'), h('b', null, 'No flows in this time'), h('p', null, `Nothing was received: ${rangeName(st)}. Widen the time range.`),
  h('div.row', null, h('button.btn', { onclick: () => go({ range: '7d', from: 0, to: 0 }) }, icon('clock'), 'Last 7 days')));

let toastTimer;
export function toast(text) {
  const el = document.getElementById('toast');
  if (!el) return;
  el.textContent = text;
  el.classList.add('on');
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => el.classList.remove('on'), 1800);
}

export function save(name, data) {
  const href = data.startsWith('data:') ? data : URL.createObjectURL(new Blob([data], { type: 'text/csv' }));
  h('a', { href, download: name }).click();
}

export function help() {
  const rows = [['d', 'Time range'], ['[  ]', 'Earlier, later'], ['-', 'Zoom out'], ['r', 'Refresh'], ['l', 'Live or paused'], ['c', 'Copy link'], ['?', 'This help']];
  const dialog = h('dialog', { 'aria-label': 'Keyboard shortcuts', onclick: (e) => e.target === dialog && dialog.close(), onclose: () => dialog.remove() },
    h('header', null, h('h2', null, 'Keyboard shortcuts'), h('button.btn.quiet.icon', { 'aria-label': 'Close', onclick: () => dialog.close() }, icon('x'))),
    h('div.keys', null, rows.map(([key, name]) => h('div', null, name, h('span', null, key.split('  ').map((k) => h('kbd', null, k)))))));
  document.body.append(dialog);
  dialog.showModal();
}
