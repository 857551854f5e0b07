// The URL is the state. parse and format are inverse; defaults stay out of the
// address, so that links are short.
import { DIMENSIONS } from './dims.js';
import { zoneExists } from './format.js';

export const RANGES = {
  '1m': ['Last minute', 60], '15m': ['Last 15 minutes', 900], '1h': ['Last hour', 3600], '6h': ['Last 6 hours', 21600],
  '24h': ['Last 24 hours', 86400], '7d': ['Last 7 days', 604800], '30d': ['Last 30 days', 2592000], '365d': ['Last year', 31536000],
};

const any = (v) => v.length <= 4000;
const statement = (v) => v.length <= 32000; // that of a sankey of four layers has 10,000
const among = (...list) => (v) => list.includes(v);
/**
 * Every text in the address: its default, and what it may be.
 * @type {Record<string, [string, (v: string) => boolean]>}
 */
const TEXTS = {
  tz: ['browser', zoneExists], by: ['src_as', (v) => Object.hasOwn(DIMENSIONS, v)], live: ['on', among('off')],
  exporter: ['', (v) => /^[0-9a-fA-F.:]{2,45}$/.test(v)], direction: ['in', among('out')], scale: ['auto', among('sampled', 'raw', 'calibrated')],
  filter: ['', any], top: ['', (v) => /^(5|10|15|20|30|50)$/.test(v)], threshold: ['', (v) => /^[0-9](\.[0-9])?$/.test(v)],
  previous: ['', among('on')], uplinks: ['', any], interface: ['', any], src: ['', (v) => /^\d{1,10}$/.test(v)], dst: ['', (v) => /^\d{1,10}$/.test(v)],
  side: ['src', among('dst')], as: ['', (v) => /^\d{1,10}$/.test(v)], port: ['', (v) => /^\d{1,5}$/.test(v)], proto: ['', (v) => /^\d{1,3}$/.test(v)], in_if: ['', any], out_if: ['', any], flows: ['', any], sort: ['-bytes', (v) => /^-?[a-z_]+$/.test(v)], skip: ['', (v) => /^\d{1,7}$/.test(v)],
  during: ['', (v) => /^\d{1,11}-\d{1,11}$/.test(v)], tab: ['', (v) => /^[a-z]+$/.test(v)], q: ['', statement],
};
export const DEFAULTS = Object.freeze({ view: '', range: '1h', from: 0, to: 0, ...Object.fromEntries(Object.entries(TEXTS).map(([k, [d]]) => [k, d])) });

/**
 * @typedef {Record<string, any>} State  view is the path's first part, from and to
 * are Unix seconds (0 for a relative range), all else is text.
 * @param {URL} url
 * @returns {State}
 */
export function parse(url) {
  const q = url.searchParams;
  const seconds = (key) => (/^\d{1,11}$/.test(q.get(key) ?? '') ? Number(q.get(key)) : 0);
  const range = q.get('range') ?? '';
  /** @type {State} */
  const st = { ...DEFAULTS, view: url.pathname.slice(1), from: seconds('from'), to: seconds('to') };
  if (Object.hasOwn(RANGES, range)) st.range = range;
  if (!(st.from && st.to > st.from)) st.from = st.to = 0;
  for (const [key, [, ok]] of Object.entries(TEXTS)) {
    const v = q.get(key);
    if (v !== null && ok(v)) st[key] = v;
  }
  return st;
}

/** @param {State} st  @returns {string} the address of the page in this state */
export function format(st) {
  const q = new URLSearchParams();
  if (st.from) {
    q.set('from', String(st.from));
    q.set('to', String(st.to));
  } else if (st.range !== DEFAULTS.range) q.set('range', st.range);
  for (const key of Object.keys(TEXTS)) if (st[key] !== DEFAULTS[key]) q.set(key, st[key]);
  const text = q.toString();
  return `/${st.view}${text ? `?${text}` : ''}`;
}

/** What another view takes over: the time, and which flows; not a view's own settings. */
export const carried = (st, view) => ({ ...DEFAULTS, ...Object.fromEntries(['range', 'from', 'to', 'tz', 'live', 'exporter', 'direction', 'scale', 'filter'].map((k) => [k, st[k]])), view });

/**
 * Resolves relative ranges to Unix seconds.
 * @param {State} st
 * @param {number} [now]
 */
export function span(st, now = Date.now() / 1000) {
  if (st.from) return { from: st.from, to: st.to };
  const to = st.range === '1m' ? Math.floor(now / 60) * 60 : Math.ceil(now);
  return { from: to - RANGES[st.range][1], to };
}

/** The filter that the server gets: the text of the box first, so that its positions are one off. */
export const conditions = (st, ...more) => [st.filter.trim() && `(${st.filter})`, st.exporter && `exporter = ${st.exporter}`, ...more].filter(Boolean).join(' and ');

/** Parameters of all queries. */
export const query = (st, ...more) => ({ ...span(st), filter: conditions(st, ...more), scale: st.scale, direction: st.direction });

/**
 * Reads '2026-01-31 14:00', '14:00' (today), 'now' and 'now-6h' as Unix seconds; NaN if it is none of them.
 * @param {string} text
 * @param {(t: number) => number} offset  seconds that the zone is ahead of UTC at t
 * @param {number} [now]
 */
export function when(text, offset, now = Date.now() / 1000) {
  const relative = /^now(?:-(\d+)([mhdw]))?$/.exec(text.trim());
  if (relative) return Math.floor(now) - Number(relative[1] ?? 0) * { m: 60, h: 3600, d: 86400, w: 604800 }[relative[2] ?? 'm'];
  const m = /^(?:(\d{4}-\d\d-\d\d)(?:[ T]|$))?(\d\d:\d\d)?$/.exec(text.trim());
  if (!m || !(m[1] || m[2])) return NaN;
  const wall = Date.parse(`${m[1] ?? new Date((now + offset(now)) * 1000).toISOString().slice(0, 10)}T${m[2] ?? '00:00'}Z`) / 1000;
  return Math.round(wall - offset(wall - offset(wall)));
}

/**
 * The calendar's minute, hour, day, month or year that t lies in.
 * @param {number} t
 * @param {'minute'|'hour'|'day'|'month'|'year'} unit
 * @param {(t: number) => number} offset
 */
export function calendar(t, unit, offset) {
  const wall = new Date((t + offset(t)) * 1000);
  const at = (parts) => { const w = Date.UTC(parts[0], parts[1], parts[2], parts[3], parts[4]) / 1000; return Math.round(w - offset(w - offset(w))); };
  /** @type {[number, number, number, number, number]} */
  const p = [wall.getUTCFullYear(), wall.getUTCMonth(), wall.getUTCDate(), wall.getUTCHours(), wall.getUTCMinutes()];
  const keep = { minute: 5, hour: 4, day: 3, month: 2, year: 1 }[unit];
  const start = [...p.slice(0, keep), ...[0, 0, 1, 0, 0].slice(keep)];
  const end = start.slice();
  end[keep - 1]++;
  return { from: at(start), to: at(end) };
}
