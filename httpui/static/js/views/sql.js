// SQL: a read-only box over the tables.
import { h, icon } from '../dom.js';
import { send } from '../api.js';
import { colorOf } from '../chart.js';
import { count, csv, octets } from '../format.js';
import { bars } from '../charts/shares.js';
import { lines } from '../charts/time.js';
import { table } from '../parts/table.js';
import { card, failed, loading, save, state } from '../ui.js';

const EXAMPLE = `SELECT src_as_name, formatReadableSize(sum(bytes * sampling_rate)) AS traffic, count() AS flows
FROM flows
WHERE time_received > now() - INTERVAL 1 HOUR
GROUP BY src_as_name ORDER BY sum(bytes * sampling_rate) DESC LIMIT 20`;
const LIMIT = 1000;
const numeric = (type) => /^(Nullable\()?(U?Int|Float|Decimal)/.test(type);
const timely = (type) => /^(Nullable\()?Date/.test(type);

/** A chart of a result: times and numbers make lines, a text and a number make bars; else none. */
function chartOf(d, canvas) {
  const t = d.columns.findIndex((c) => timely(c.type)), numbers = d.columns.map((_, i) => i).filter((i) => numeric(d.columns[i].type));
  if (d.rows.length < 2 || !numbers.length) return null;
  if (t >= 0) {
    const at = d.rows.map((r) => Date.parse(`${String(r[t]).replace(' ', 'T')}${/[zZ+]/.test(String(r[t])) ? '' : 'Z'}`) / 1000);
    const sorted = at.map((x, i) => [x, i]).sort((a, b) => a[0] - b[0]);
    const steps = sorted.slice(1).map((x, i) => x[0] - sorted[i][0]).filter((x) => x > 0);
    const step = Math.min(...steps), from = sorted[0][0], n = Math.round((sorted.at(-1)[0] - from) / step) + 1;
    if (!Number.isFinite(step) || n > 5000) return null;
    const chart = lines(canvas);
    const values = (c) => { const v = Array(n).fill(null); for (const [x, i] of sorted) v[Math.round((x - from) / step)] = Number(d.rows[i][c]); return v; };
    chart.set({ from, to: from + n * step, step, tz: 'utc', unit: '', lines: numbers.slice(0, 6).map((c) => ({ label: d.columns[c].name, color: colorOf('sql', { value: d.columns[c].name }), values: values(c) })) });
    return chart;
  }
  const name = d.columns.findIndex((_, i) => !numbers.includes(i)), v = numbers[0];
  if (name < 0 || d.rows.length > 50) return null;
  const total = d.rows.reduce((sum, r) => sum + Number(r[v]), 0) || 1;
  canvas.style.height = `${d.rows.length * 22 + 40}px`;
  const chart = bars(canvas);
  chart.set({ unit: '', rows: d.rows.map((r) => ({ label: String(r[name]), note: d.columns[v].name, color: '--c0', bits_per_second: Number(r[v]), error: 0, share: Number(r[v]) / total })) });
  return chart;
}

/** @param {import('../main.js').Page} page */
export function build(page) {
  const { st } = page;
  const text = h('textarea.sql', { spellcheck: 'false', rows: 8, 'aria-label': 'SQL' });
  text.value = st.q || EXAMPLE;
  const box = card('Query', 'Ctrl+Enter runs it'), out = card('Result');
  /** @type {any} */
  let chart = null;
  /** @type {any} */
  let answer = null;
  const clear = () => { chart?.close(); chart = null; };
  async function run(signal = page.signal) {
    clear();
    out.body.replaceChildren(loading(160));
    try {
      const d = answer = await send('POST', 'sql', { query: text.value, limit: LIMIT }, signal);
      const canvas = h('div.canvas', { css: { height: '240px' } }), plot = h('div.plot', null, canvas);
      out.body.replaceChildren(plot, table('Result', d.columns.map((c, i) => ({ name: c.name, left: !numeric(c.type), cell: (r) => (r[i] === null ? 'NULL' : typeof r[i] === 'object' ? JSON.stringify(r[i]) : String(r[i])), by: (r) => (numeric(c.type) ? Number(r[i]) : String(r[i])) })), d.rows),
        h('footer', null, h('span', null, `${d.rows.length === 1 ? '1 row' : `${count(d.rows.length)} rows`}${d.truncated ? ', cut there' : ''}`), h('span', { css: { 'margin-left': 'auto' } }, `${d.rows_read ? `${count(d.rows_read)} rows, ${octets(d.bytes_read)} read · ` : ''}${d.elapsed_ms} ms`)));
      chart = chartOf(d, canvas);
      if (!chart) plot.remove();
    } catch (error) {
      if (!signal.aborted) out.body.replaceChildren(failed(error, () => run()));
    }
  }
  const keep = () => history.replaceState(null, '', page.href({ view: 'sql', q: text.value === EXAMPLE ? '' : text.value }));
  const start = () => { keep(); run(); };
  text.addEventListener('keydown', (e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) start(); });
  box.body.append(h('div.sqlbox', null, text, h('div.row', null, h('button.btn.primary', { onclick: start }, 'Run'),
    h('button.btn', { onclick: () => answer && save('nfstats-sql.csv', csv([answer.columns.map((c) => c.name), ...answer.rows])) }, icon('download'), 'CSV'), h('button.btn', { onclick: () => chart && save('nfstats-sql.png', chart.png()) }, icon('image'), 'PNG'))));
  out.body.append(state('terminal', 'Nothing run yet', 'The tables are flows, flows_1m, flows_1h, if_counters, calibration, interfaces and exporters.'));
  return { elements: [box.el, out.el], close: clear, load: (signal) => (st.q ? run(signal) : undefined) };
}
