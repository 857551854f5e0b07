// The time range: presets, the calendar's minute to year, free start and end, and the zone.
import { h, icon } from '../dom.js';
import { RANGES, calendar, span, when } from '../state.js';
import { offset, stamp, zoneExists, zoneName } from '../format.js';
import { popover } from '../ui.js';

export const rangeName = (st) => (st.from ? `${stamp(st.from, st.tz)} – ${stamp(st.to, st.tz)}` : RANGES[st.range][0]);

const UNITS = [['minute', 'Minute'], ['hour', 'Hour'], ['day', 'Day'], ['month', 'Month'], ['year', 'Year']];
/** Zones of the IANA database, as the browser knows them. */
const zones = () => ['UTC', ...Intl.supportedValuesOf('timeZone')];

function panel(st, go) {
  const { from, to } = span(st);
  const ahead = (t) => offset(t, st.tz);
  const local = (t) => new Date((t + ahead(t)) * 1000).toISOString().slice(0, 16).replace('T', ' ');
  const read = (input) => {
    const t = when(input.value, ahead);
    input.setCustomValidity(Number.isNaN(t) ? 'Write 2026-01-31 14:00, 14:00, now or now-6h' : '');
    return t;
  };
  // One minute (or hour, day, …) by the calendar: the browser's own date picker, hours and minutes.
  const start = local(st.from || to - 60);
  const date = h('input', { type: 'date', value: start.slice(0, 10), 'aria-label': 'Date' });
  const two = (label, n, value) => h('select', { 'aria-label': label }, Array.from({ length: n }, (_, i) => String(i).padStart(2, '0')).map((v) => h('option', { value: v, selected: v === value }, v)));
  const hour = two('Hour', 24, start.slice(11, 13)), minute = two('Minute of the hour', 60, start.slice(14, 16));
  const box = (t) => h('input', { type: 'text', value: local(t), spellcheck: 'false', autocomplete: 'off', oninput: (e) => read(e.target) });
  const a = box(from), b = box(to);
  const done = (patch) => { el.hidePopover(); go({ during: '', ...patch }); };
  const apply = () => {
    const [x, y] = [read(a), read(b)];
    if (y <= x) b.setCustomValidity('The end must be after the start');
    if (a.reportValidity() && b.reportValidity()) done({ from: x, to: y });
  };
  const pickUnit = (unit) => {
    const t = when(`${date.value} ${hour.value}:${minute.value}`, ahead);
    date.setCustomValidity(Number.isNaN(t) ? 'Choose a day' : '');
    if (date.reportValidity()) done(calendar(t, unit, ahead));
  };
  const zone = h('input', { type: 'text', list: 'zones', value: st.tz === 'browser' ? '' : zoneName(st.tz), placeholder: `Browser (${zoneName('browser')})`, onchange: () => {
    const name = zone.value.trim() === '' ? 'browser' : zone.value.trim().toUpperCase() === 'UTC' ? 'utc' : zone.value.trim();
    zone.setCustomValidity(zoneExists(name) ? '' : 'A name like Europe/Berlin, or UTC');
    if (zone.reportValidity()) done({ tz: name });
  } });
  const el = h('div.range', { role: 'dialog', 'aria-label': 'Time range' },
    h('div.presets', null, Object.entries(RANGES).map(([key, [name]]) =>
      h('button', { 'aria-pressed': String(!st.from && st.range === key), onclick: () => done({ range: key, from: 0, to: 0 }) }, name))),
    h('div.abs', null, h('div.field', { role: 'group', 'aria-label': 'By the calendar' }, h('span', null, 'By the calendar'), h('div.moment', null, date, hour, ':', minute)),
      h('div.seg', { role: 'group', 'aria-label': 'How much of it' }, UNITS.map(([unit, name]) => h('button', { onclick: () => pickUnit(unit) }, name))),
      h('label.field', null, h('span', null, 'From'), a), h('label.field', null, h('span', null, 'To'), b), h('button.btn.primary', { onclick: apply }, 'Apply range'),
      h('label.field', null, h('span', null, 'Time zone'), zone, h('datalist', { id: 'zones' }, zones().map((z) => h('option', { value: z }))))));
  return el;
}

/** The buttons at the top of the page. */
export function tools({ st, go }, act) {
  const range = h('button.btn', { 'aria-haspopup': 'dialog', 'aria-expanded': 'false', id: 'range', onclick: () => popover(range, panel(st, go)) },
    icon('clock'), rangeName(st), h('span.muted', null, st.tz === 'browser' ? '' : zoneName(st.tz)), icon('chevron-down'));
  const menu = h('button.btn', { 'aria-haspopup': 'menu', 'aria-expanded': 'false', 'aria-label': 'Export', id: 'export', onclick: () => popover(menu, h('div.menu', null,
    h('button', { onclick: () => act('csv') }, icon('table-2'), 'Data as CSV'), h('button', { onclick: () => act('png') }, icon('image'), 'Chart as PNG'),
    h('button', { onclick: () => act('link') }, icon('link'), 'Copy link'))) }, icon('download'), h('span.word', null, 'Export'));
  const quiet = (name, label, key, what) => h('button.btn.icon.quiet', { title: `${label}  ${key}`, 'aria-label': label, onclick: () => act(what) }, icon(name));
  return [
    quiet('arrow-left', 'Earlier', '[', 'earlier'), range, quiet('arrow-right', 'Later', ']', 'later'), quiet('zoom-out', 'Zoom out', '-', 'zoomout'),
    !st.from && h('button.btn', { id: 'live', 'aria-pressed': String(st.live === 'on'), title: 'Refresh by itself', onclick: () => go({ live: st.live === 'on' ? 'off' : 'on' }) }, h(st.live === 'on' ? 'span.dot' : 'span.dot.off'), st.live === 'on' ? 'Live' : 'Paused'),
    h('button.btn.icon', { title: 'Refresh  r', 'aria-label': 'Refresh', onclick: () => act('refresh') }, icon('rotate-cw')), menu].filter(Boolean);
}
