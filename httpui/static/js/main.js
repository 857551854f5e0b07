// The page: state from the URL, navigation, keys, refresh.
import { carried, format, parse, span } from './state.js';
import { get, send } from './api.js';
import { h, icon } from './dom.js';
import { knowInterfaces } from './dims.js';
import { ago, count, spell, stamp, zoneName } from './format.js';
import { help, themeSwitch, toast } from './ui.js';
import { bar, filterError } from './parts/bar.js';
import { tools } from './parts/range.js';
import { played, replay, stop } from './parts/replay.js';
import { VIEWS } from './views/index.js';

const REFRESH_MS = 10_000;
const HISTORY = ['view', 'from', 'range', 'exporter', 'interface', 'flows'];
const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @type {import('./state.js').State} */
let st = parse(new URL(location.href));
/** @type {any} */
let view = null;
let control = new AbortController();
let timer = 0;
let exporters = [], session = { role: 'viewer', name: '' };
let waiting = false; // for the first flow

/**
 * What views know of the page.
 * @typedef {ReturnType<typeof pageOf>} Page
 */
const pageOf = () => ({
  st, go, href: (patch) => format({ ...carried(st, st.view), ...patch }), exporters, admin: session.role === 'admin',
  get signal() { return control.signal; }, names, refused: (error) => filterError(st, error), refresh: () => refresh(),
  /** Opens what is behind a slice, a bar or a node. */
  details(by, row) { import('./parts/details.js').then((m) => m.details(this, by, row)); },
});

/** Changes part of the state. A new view or range is a step in the history. */
function go(patch) {
  const next = { ...st, skip: '', ...patch };
  if (('range' in patch || 'from' in patch) && !('during' in patch) && st.during) next.during = '';
  const step = HISTORY.some((k) => k in patch && next[k] !== st[k]) && !(st.during && next.during);
  history[step ? 'pushState' : 'replaceState'](null, '', format(next));
  st = next;
  render();
}

/** Follows a link inside the page. */
function follow(url) {
  stop();
  history.pushState(null, '', url);
  st = parse(new URL(url, location.href));
  render();
  scrollTo(0, 0);
}

function act(name) {
  const { from, to } = span(st), width = to - from;
  const list = view?.list ?? [];
  const run = {
    refresh: () => refresh(),
    earlier: () => go({ from: from - width, to: to - width }),
    later: () => go({ from: from + width, to: to + width }),
    zoomout: () => go({ from: Math.round(from - width / 2), to: Math.round(to + width / 2) }),
    link: () => navigator.clipboard.writeText(new URL(format({ ...st, from, to }), location.href).href)
      .then(() => toast('Link copied, with the time range fixed'), () => toast('The browser refused the clipboard')),
    png: () => list[0]?.png(), csv: () => list[0]?.csv(),
  }[name];
  run?.();
}

async function refresh() {
  clearTimeout(timer);
  control.abort();
  control = new AbortController();
  const { signal } = control, shown = view, spec = VIEWS[st.view] ?? VIEWS[''];
  $('progress').hidden = false;
  const { from, to } = span(st);
  $('subtitle').textContent = spec.timeless ? spec.about ?? '' : st.from ? `${spell(to - from)}, times in ${zoneName(st.tz)}` : `${stamp(from, st.tz)} – ${stamp(to, st.tz)}, times in ${zoneName(st.tz)}`;
  await Promise.all([Promise.resolve(shown.load(signal)).catch((error) => { if (!signal.aborted) throw error; }), checkStatus(signal)]);
  if (signal.aborted) return;
  $('progress').hidden = true;
  if (st.during) played({ st, go });
  const again = st.live === 'on' && !st.from && to - from <= 86400;
  if (again || waiting) timer = setTimeout(function next() { document.hidden ? (timer = setTimeout(next, REFRESH_MS)) : refresh(); }, waiting ? 3000 : REFRESH_MS);
}

/** The corner of the navigation, and whether this is a first start. */
async function checkStatus(signal) {
  /** @type {any} */
  const status = await get('status', {}, signal).catch(() => null);
  if (signal.aborted) return;
  const el = $('ingest');
  if (!status) return el.replaceChildren(h('span.dot.bad'), h('span', null, 'no answer from the server'));
  const trouble = [...status.problems, ...status.warnings];
  if (trouble.length) el.replaceChildren(h('span.dot.bad'), h('span', { title: trouble.join('\n') }, trouble[0]));
  else el.replaceChildren(h('span.dot'), h('span', null, h('b', null, count(status.stored?.flows ?? 0)), ' flows'), h('span.muted', null, status.stored?.newest_ms ? ago(status.stored.newest_ms, st.tz) : ''));
  const first = status.stored?.flows === 0 && (VIEWS[st.view] ?? VIEWS['']).group === 'Traffic'; // other pages say why they are empty
  if (first !== waiting) {
    waiting = first;
    if (first) $('main').replaceChildren(...(await import('./views/start.js')).start(pageOf(), status.receiving));
    else $('main').replaceChildren(...view.elements);
  }
}

function render() {
  const name = Object.hasOwn(VIEWS, st.view) ? st.view : '';
  const spec = VIEWS[name];
  view?.close();
  waiting = false;
  const page = pageOf();
  const focused = document.activeElement?.id;
  document.title = name ? `${spec.title} · NFStats` : 'NFStats';
  $('title').textContent = spec.title;
  $('nav-items').replaceChildren(...navigation(name));
  document.querySelector('.nav-item[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  $('tools').replaceChildren(...(spec.timeless ? [] : tools(page, act)));
  renderBar(page);
  view = spec.build(page);
  $('main').replaceChildren(...view.elements);
  if (focused) document.getElementById(focused)?.focus();
  refresh();
}

function renderBar(page) {
  const spec = VIEWS[st.view] ?? VIEWS[''];
  $('filters').replaceChildren(...(spec.timeless || spec.plain ? [] : bar(page, spec.controls ?? [], exporters, spec.replay ? [replay(page)] : [], !spec.unfiltered)));
  $('filters').hidden = !$('filters').children.length;
}

function navigation(current) {
  const groups = new Map();
  for (const [name, v] of Object.entries(VIEWS)) groups.set(v.group, [...(groups.get(v.group) ?? []), [name, v]]);
  return [...groups].map(([group, list]) => h('div.nav-group', null, h('p', null, group), list.map(([name, v]) =>
    h('a.nav-item', { href: format(carried(st, name)), 'data-go': '', 'aria-current': name === current ? 'page' : null }, icon(v.icon), v.title, h('kbd', { 'aria-hidden': 'true' }, `g ${v.key}`)))));
}

addEventListener('popstate', () => { stop(); st = parse(new URL(location.href)); render(); });
addEventListener('click', (e) => {
  const a = /** @type {HTMLElement} */ (e.target).closest('a[data-go]');
  if (!a || e.ctrlKey || e.metaKey || e.shiftKey || e.button !== 0) return;
  e.preventDefault();
  follow(/** @type {HTMLAnchorElement} */ (a).href);
});

let prefix = 0; // when g was pressed
addEventListener('keydown', (e) => {
  const target = /** @type {HTMLElement} */ (e.target);
  if (e.ctrlKey || e.metaKey || e.altKey || target.matches('input, select, textarea') || document.querySelector('dialog[open], :popover-open')) return;
  const to = Date.now() - prefix < 1500 && Object.keys(VIEWS).find((name) => VIEWS[name].key === e.key);
  prefix = e.key === 'g' ? Date.now() : 0;
  const press = (id) => () => document.getElementById(id)?.click();
  const run = to !== false && to !== undefined ? () => follow(format(carried(st, to)))
    : { '[': () => act('earlier'), ']': () => act('later'), '-': () => act('zoomout'), r: () => act('refresh'), c: () => act('link'), l: press('live'), d: press('range'), p: press('play'),
      f: () => document.getElementById('filter')?.focus(), '?': () => help(Object.values(VIEWS).map((v) => [v.key, v.title])) }[e.key];
  if (!run) return;
  e.preventDefault();
  run();
});

$('nav-tools').prepend(themeSwitch());
// Names that are shown everywhere; the page stands without them.
const names = Promise.allSettled([get('complete', { what: 'exporter', q: '' }), get('interfaces')]).then(([list, known]) => {
  if (list.status === 'fulfilled') exporters = list.value;
  if (known.status === 'fulfilled') knowInterfaces(known.value.interfaces);
  renderBar(pageOf());
  view?.again?.();
});
// First who is looking: what only an admin may do is not shown to others, not even for a moment.
get('session').then((s) => {
  session = s;
  const out = () => send('POST', 'logout').then(() => location.assign('/login'), (error) => toast(error.message));
  if (s.login_required) $('nav-tools').append(h('button.btn.icon.quiet', { title: `Log out ${s.name}`, 'aria-label': `Log out ${s.name}`, onclick: out }, icon('log-out')));
}, () => {}).finally(render);
