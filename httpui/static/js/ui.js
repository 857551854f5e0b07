// Small parts of the page that are not charts.
import { h, icon } from './dom.js';
import { Failure } from './api.js';
import { parts } from './format.js';

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
export function popover(anchor, el) {
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

export function card(title, sub = '', size = '') {
  const body = h('div');
  const el = h(`section.card${size}`, { 'aria-label': title }, h('header', null, h('div', null, h('h2', null, title), sub && h('p', null, sub))), body);
  return { el, body };
}

export function kpi(label, value, unit, note) {
  const [n, u] = parts(value, unit);
  return h('div.kpi', null, h('dt', null, label), h('dd', null, n, h('small', null, u)), h('dd.delta', null, note));
}

export const footer = (left, right = '') => h('footer', null, h('span', null, left), h('span', { css: { 'margin-left': 'auto' } }, right));

export const loading = (height) => h('div.skel', { role: 'status', 'aria-label': 'Loading', css: { '--h': `${height}px` } });

/** A state in the middle of a card: icon, sentence, more. */
export const state = (glyph, title, text, ...more) => h('div.state', null, icon(glyph), h('b', null, title), text && h('p', null, text), more.length ? h('div.row', null, more) : null);

export const failed = (error, retry) => h('div.state.err', { role: 'alert' }, icon('circle-alert'), h('b', null, error.missing ? 'Not offered by this server' : 'This could not be loaded'),
  h('p', null, error instanceof Failure ? error.message : 'The page could not show the answer. Details are in the browser console.'),
  error.id ? h('code', null, `request ${error.id}`) : null, h('div.row', null, h('button.btn', { onclick: retry }, icon('rotate-cw'), 'Try again')));

export function empty(st, go, height = 300) {
  const KEYS = ['filter', 'exporter', 'src', 'dst', 'as', 'port', 'proto', 'in_if', 'out_if'];
  const filtered = KEYS.some((k) => st[k]);
  const el = state('inbox', 'No flows', filtered ? 'Nothing in this time range fits the filters.' : 'Nothing was received in this time range.',
    filtered && h('button.btn', { onclick: () => go(Object.fromEntries(KEYS.map((k) => [k, '']))) }, icon('x'), 'Clear filters'),
    h('button.btn', { onclick: () => go({ range: '7d', from: 0, to: 0, during: '' }) }, icon('clock'), 'Last 7 days'));
  el.style.setProperty('--h', `${Math.min(height, 300)}px`);
  return el;
}

/** A dialog with a heading; Escape or a click outside closes it. */
export function show(title, ...content) {
  const dialog = h('dialog', { 'aria-label': title, onclick: (e) => (e.target === dialog || e.target.closest('a[data-go]')) && dialog.close(), onclose: () => dialog.remove() },
    h('header', null, h('h2', null, title), h('button.btn.quiet.icon', { 'aria-label': 'Close', onclick: () => dialog.close() }, icon('x'))), content);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

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

/** @param {[string, string][]} views  key after g, title */
export function help(views) {
  const rows = [...views.map(([key, title]) => [`g  ${key}`, title]), ['d', 'Time range'], ['f', 'Filter'], ['[  ]', 'Earlier, later'], ['-', 'Zoom out'], ['p', 'Replay, pause'], ['r', 'Refresh'], ['l', 'Live or paused'], ['c', 'Copy link'], ['?', 'This help']];
  show('Keyboard shortcuts', h('div.keys', null, rows.map(([key, name]) => h('div', null, name, h('span', null, key.split('  ').map((k) => h('kbd', null, k)))))));
}
