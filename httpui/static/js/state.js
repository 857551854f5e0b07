// The URL is the state. parse and format are inverse; defaults stay out of the
// address, so that links are short.
export const RANGES = {
  '1m': ['Last minute', 60], '15m': ['Last 15 minutes', 900], '1h': ['Last hour', 3600], '6h': ['Last 6 hours', 21600],
  '24h': ['Last 24 hours', 86400], '7d': ['Last 7 days', 604800],
};
export const DIMENSIONS = { src_as: 'Source AS', dst_as: 'Destination AS', exporter: 'Exporter', proto: 'Protocol' };
export const DEFAULTS = Object.freeze({ range: '1h', from: 0, to: 0, tz: 'browser', by: 'src_as', live: true });

/**
 * @typedef {{range: string, from: number, to: number, tz: string, by: string, live: boolean}} State
 * from and to are Unix seconds, 0 for a relative range.
 * @param {URL} url
 * @returns {State}
 */
export function parse(url) {
  const q = url.searchParams;
  const one = (key, ok) => { const v = q.get(key); return v !== null && ok(v) ? v : DEFAULTS[key]; };
  const seconds = (key) => (/^\d{1,11}$/.test(q.get(key) ?? '') ? Number(q.get(key)) : 0);
  const st = {
    range: one('range', (v) => Object.hasOwn(RANGES, v)), from: seconds('from'), to: seconds('to'),
    tz: one('tz', (v) => v === 'utc'), by: one('by', (v) => Object.hasOwn(DIMENSIONS, v)), live: q.get('live') !== 'off',
  };
  if (!(st.from && st.to > st.from)) st.from = st.to = 0;
  return st;
}

/** @param {State} st  @returns {string} the address of the page in this state */
export function format(st) {
  const q = new URLSearchParams();
  if (st.from) {
    q.set('from', String(st.from));
    q.set('to', String(st.to));
  } else if (st.range !== DEFAULTS.range) q.set('range', st.range);
  if (st.tz !== DEFAULTS.tz) q.set('tz', st.tz);
  if (st.by !== DEFAULTS.by) q.set('by', st.by);
  if (!st.live) q.set('live', 'off');
  const text = q.toString();
  return '/' + (text ? '?' + text : '');
}

/**
 * Resolves relative ranges to Unix seconds.
 * @param {State} st
 * @param {number} [now]
 */
export function span(st, now = Date.now() / 1000) {
  if (st.from) return { from: st.from, to: st.to };
  const to = Math.ceil(now);
  return { from: to - RANGES[st.range][1], to };
}

/**
 * Reads '2026-01-31 14:00', '14:00' (today), 'now' and 'now-6h' as Unix seconds; NaN if it is none of them.
 * @param {string} text
 * @param {(t: number) => number} offset  seconds that the zone is ahead of UTC at t
 * @param {number} [now]
 */
export function when(text, offset, now = Date.now() / 1000) {
  const relative = /^now(?:-(\d+)([mhdw]))?$/.exec(text.trim());
  if (relative) return Math.floor(now) - Number(relative[1] ?? 0) * { m: 60, h: 3600, d: 86400, w: 604800 }[relative[2] ?? 'm'];
  const m = /^(?:(\d{4}-\d\d-\d\d)[ T])?(\d\d:\d\d)$/.exec(text.trim());
  if (!m) return NaN;
  const t = Date.parse(`${m[1] ?? new Date((now + offset(now)) * 1000).toISOString().slice(0, 10)}T${m[2]}Z`) / 1000;
  return Math.round(t - offset(t));
}
