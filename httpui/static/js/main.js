// The page: state from the URL, the view, keys, refresh.
import { parse, format, span } from './state.js';
import { help, rangeName, save, themeSwitch, toast, tools } from './ui.js';
import { csv, si, spell, stamp, zoneName } from './format.js';
import { h, icon } from './dom.js';
import { named, Overview } from './overview.js';

const REFRESH_MS = 5000;
const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

let st = parse(new URL(location.href));
/** @type {Overview|null} */
let view = null;
let timer = 0;

/** Changes part of the state. A new time range is a step in the history. */
function go(patch) {
  const next = { ...st, ...patch };
  history['from' in patch || 'range' in patch ? 'pushState' : 'replaceState'](null, '', format(next));
  st = next;
  render();
}

function act(name) {
  const { from, to } = span(st), width = to - from;
  const run = {
    refresh: () => refresh(),
    earlier: () => go({ from: Math.round(from - width / 2), to: Math.round(to - width / 2) }),
    later: () => go({ from: Math.round(from + width / 2), to: Math.round(to + width / 2) }),
    zoomout: () => go({ from: Math.round(from - width / 2), to: Math.round(to + width / 2) }),
    link: () => navigator.clipboard.writeText(new URL(format({ ...st, from, to }), location.href).href)
      .then(() => toast('Link copied, with the time range fixed'), () => toast('The browser refused the clipboard')),
    png: () => view?.chart && save('nfstats-overview.png', view.chart.png()),
    csv: () => view?.data && save('nfstats-overview.csv', csv(rows(view.data))),
  }[name];
  run?.();
}

/** The chart's numbers: a line for each point, a column for each row. */
function rows(d) {
  return [['time', ...d.rows.map((r) => `${named(d.by, r).label} (bit/s)`)],
    ...d.flows_per_second.map((_, i) => [new Date((d.from + i * d.step) * 1000).toISOString(), ...d.rows.map((r) => r.bits_per_second[i])])];
}

async function refresh() {
  clearTimeout(timer);
  $('progress').hidden = false;
  const { from, to } = span(st);
  $('subtitle').textContent = st.from ? `${rangeName(st)} · ${spell(to - from)}, times in ${zoneName(st.tz)}` : `${stamp(from, st.tz)} – ${stamp(to, st.tz)}, times in ${zoneName(st.tz)}`;
  const shown = view;
  const status = await shown?.load();
  if (shown !== view) return;
  $('progress').hidden = true;
  if (status !== undefined) showIngest(status);
  if (st.live && !st.from) timer = setTimeout(() => (document.hidden ? (timer = setTimeout(refresh, REFRESH_MS)) : refresh()), REFRESH_MS);
}

function showIngest(status) {
  const rates = view?.data?.flows_per_second ?? [];
  const rate = rates.at(-2) ?? 0;
  if (!status) $('ingest').replaceChildren(h('span.dot.bad'), h('span', null, 'no answer from the server'));
  else if (!status.ready) $('ingest').replaceChildren(h('span.dot.bad'), h('span', { title: status.problems.join('\n') }, status.problems[0]));
  else $('ingest').replaceChildren(h('span.dot'), h('span', null, h('b', null, si(rate, '')), ' flows/s'),
    status.warnings?.length ? h('span.muted', { title: status.warnings.join('\n') }, status.warnings.length === 1 ? '1 warning' : `${status.warnings.length} warnings`) : h('span.muted', null, 'ready'));
}

function render() {
  view?.close();
  view = new Overview({ st, go });
  const focused = document.activeElement?.id;
  $('tools').replaceChildren(...tools(st, go, act).filter((el) => el !== false));
  $('main').replaceChildren(...view.elements);
  if (focused) document.getElementById(focused)?.focus();
  refresh();
}

addEventListener('popstate', () => { st = parse(new URL(location.href)); render(); });
addEventListener('keydown', (e) => {
  const target = /** @type {HTMLElement} */ (e.target);
  if (e.ctrlKey || e.metaKey || e.altKey || target.matches('input, select, textarea') || document.querySelector('dialog[open], :popover-open')) return;
  const run = { '[': () => act('earlier'), ']': () => act('later'), '-': () => act('zoomout'), r: () => act('refresh'), c: () => act('link'), l: () => !st.from && go({ live: !st.live }), d: () => $('range').click(), '?': help }[e.key];
  if (run) {
    e.preventDefault();
    run();
  }
});

$('nav-items').replaceChildren(h('div.nav-group', null, h('a.nav-item', { href: '/', 'aria-current': 'page' }, icon('layout-dashboard'), 'Overview')));
$('nav-tools').prepend(themeSwitch());
render();
