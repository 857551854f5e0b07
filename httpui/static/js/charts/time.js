// Charts over time: stacked areas, and lines.
import { Chart, fade, tip, token, valueAxis } from '../chart.js';
import { h } from '../dom.js';
import { si, stamp, tickLabel, ticks } from '../format.js';

function timeAxis(el, { from, to, step, tz }) {
  const marks = ticks(from, to, tz, Math.max(3, Math.floor(el.clientWidth / 110)));
  const at = marks.at.map((t) => t * 1000);
  return {
    type: 'time', min: from * 1000, max: Math.max(from + 1, to - step) * 1000, axisPointer: { triggerEmphasis: false },
    axisLine: { lineStyle: { color: token('--line-2') } }, splitLine: { show: false }, axisTick: { show: false, customValues: at },
    axisLabel: { customValues: at, formatter: (v) => tickLabel(v / 1000, marks.step, tz), color: token('--text-3'), hideOverlap: true, margin: 10, fontSize: 11 },
  };
}
const grid = { left: 16, right: 18, top: 22, bottom: 8, containLabel: true };
const pointer = () => ({ type: 'line', lineStyle: { color: token('--text-3'), type: 'solid', width: 1, opacity: 0.5 }, snap: true });
const beside = (point, _, box, __, size) => [point[0] + 18 + box.offsetWidth > size.viewSize[0] ? Math.max(0, point[0] - box.offsetWidth - 18) : point[0] + 18, 14];

/**
 * Stacked areas. Data: {from, to, step, tz, rows: [{label, color, bits_per_second}], percentile (bit/s or 0),
 * previous: bits per second of the same points one period before, or null, provisional_from}.
 * @param {HTMLElement} el
 * @param {(from: number, to: number) => void} onzoom
 */
export function areas(el, onzoom) {
  const chart = new Chart(el, (d) => {
    const { from, step, tz, rows } = d;
    const at = (i) => (from + i * step) * 1000;
    const n = rows[0]?.bits_per_second.length ?? 0;
    const totals = Array.from({ length: n }, (_, i) => rows.reduce((sum, r) => sum + r.bits_per_second[i], 0));
    const max = Math.max(0, ...totals, ...(d.previous ?? []));
    const line = (id, values, style, end) => ({ id, type: 'line', symbol: 'none', silent: true, tooltip: { show: false }, z: 5, data: values, emphasis: { disabled: true },
      lineStyle: { width: 1.2, color: token('--text-2'), ...style }, itemStyle: { color: token('--text-2') },
      endLabel: end ? { show: true, formatter: end, align: 'right', offset: [-4, -9], color: token('--text-2'), fontSize: 11, fontWeight: 560, textBorderColor: token('--surface'), textBorderWidth: 3 } : undefined });
    return {
      label: `Stacked areas of traffic over time: ${rows.length} rows, peak ${si(Math.max(0, ...totals), 'bps')}${d.percentile ? `, 95th percentile ${si(d.percentile, 'bps')}` : ''}. The table holds the numbers.`,
      option: {
        grid, xAxis: timeAxis(el, d), yAxis: valueAxis(max),
        tooltip: { trigger: 'axis', axisPointer: pointer(), position: beside, formatter: (points) => {
          const i = Math.min(n - 1, points[0].dataIndex);
          const shown = rows.map((r) => ({ label: r.label, color: r.color, value: r.bits_per_second[i] })).filter((r) => r.value).sort((a, b) => b.value - a.value).slice(0, 16);
          const before = d.previous?.[i] !== undefined ? [{ label: 'One period before', text: si(d.previous[i], 'bps') }] : [];
          return tip(stamp(at(i) / 1000, tz), [...shown.map((r) => ({ ...r, text: si(r.value, 'bps') })), ...before], ['Total', si(totals[i], 'bps')]);
        } },
        series: [...rows.slice().reverse().map((r) => {
          const color = token(r.color);
          return { id: r.id ?? r.label, name: r.label, type: 'line', stack: 'all', symbol: 'none', data: (n === 1 ? [r.bits_per_second[0], r.bits_per_second[0]] : r.bits_per_second).map((v, i) => [n === 1 ? at(0) + i * 1000 : at(i), v]),
            lineStyle: { width: 1, color }, itemStyle: { color }, areaStyle: { color: fade(color, 0.62), opacity: 1 } };
        }),
        d.previous && line('previous', d.previous.slice(0, n).map((v, i) => [at(i), v]), { type: [2, 3] }),
        d.percentile && n > 1 && line('percentile', [[at(0), d.percentile], [at(n - 1), d.percentile]], { type: [5, 4] }, `95th  ${si(d.percentile, 'bps')}`)].filter(Boolean),
      },
    };
  });
  provisional(chart);
  brush(chart, onzoom);
  return chart;
}

/**
 * Lines. Data: {from, to, step, tz, unit, lines: [{label, color, values: (number|null)[], dashed}]}.
 * @param {HTMLElement} el
 * @param {(from: number, to: number) => void} [onzoom]
 */
export function lines(el, onzoom) {
  const chart = new Chart(el, (d) => {
    const at = (i) => (d.from + i * d.step) * 1000;
    const max = Math.max(0, ...d.lines.flatMap((l) => l.values.filter((v) => v !== null)));
    const text = (v) => (v === null || v === undefined ? '–' : si(v, d.unit));
    return {
      label: `Lines over time: ${d.lines.map((l) => `${l.label}, mean ${text(mean(l.values))}`).join('; ')}.`,
      option: {
        grid, xAxis: timeAxis(el, d), yAxis: valueAxis(max, d.unit),
        tooltip: { trigger: 'axis', axisPointer: pointer(), position: beside, formatter: (points) => tip(stamp(at(points[0].dataIndex) / 1000, d.tz), d.lines.map((l) => ({ label: l.label, color: l.color, text: text(l.values[points[0].dataIndex]) }))) },
        series: d.lines.map((l) => ({ id: l.label, name: l.label, type: 'line', symbol: 'none', connectNulls: false, data: l.values.map((v, i) => [at(i), v]),
          lineStyle: { width: 1.8, color: token(l.color), type: l.dashed ? [5, 4] : 'solid' }, itemStyle: { color: token(l.color) } })),
      },
    };
  });
  if (onzoom) brush(chart, onzoom);
  return chart;
}
function mean(values) {
  const known = values.filter((v) => v !== null);
  return known.length ? known.reduce((a, v) => a + v, 0) / known.length : null;
}

const plotOf = (chart) => chart.ec.getModel().getComponent('grid').coordinateSystem.getRect();

/** Hatches the newest part of the plot, whose flows are still coming in. */
function provisional(chart) {
  const mark = h('div.provisional', { title: 'Provisional: flows of this time are still coming in', hidden: true });
  chart.drawn = () => {
    const d = chart.data;
    if (!mark.parentElement) chart.el.parentElement?.append(mark);
    const shown = d?.provisional_from && d.provisional_from < d.to && d.rows.length;
    mark.hidden = !shown;
    if (!shown) return;
    const plot = plotOf(chart), end = Math.max(d.from + 1, d.to - d.step);
    const share = Math.min(1, Math.max(0, (d.provisional_from - d.from) / (end - d.from)));
    const x = plot.x + plot.width * share;
    Object.assign(mark.style, { left: `${8 + x}px`, width: `${Math.max(3, plot.x + plot.width - x)}px`, top: `${plot.y}px`, height: `${plot.height}px` });
  };
}

/** Drag across the plot to choose a span of time. */
function brush(chart, onzoom) {
  const { el, ec } = chart;
  el.addEventListener('pointerdown', (down) => {
    if (!chart.data || down.button !== 0) return;
    const area = plotOf(chart);
    const place = (e) => Math.min(area.x + area.width, Math.max(area.x, e.clientX - el.getBoundingClientRect().left));
    const start = place(down);
    /** @type {any} */
    let box = null;
    const move = (e) => {
      const now = place(e);
      if (!box && Math.abs(now - start) > 4) el.parentElement?.append(box = h('div.sel'));
      if (box) {
        box.style.left = `${8 + Math.min(start, now)}px`;
        box.style.width = `${Math.abs(now - start)}px`;
      }
    };
    const up = (e) => {
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', up);
      if (!box) return;
      box.remove();
      const [a, b] = [start, place(e)].sort((p, q) => p - q).map((p) => ec.convertFromPixel({ xAxisIndex: 0 }, p) / 1000);
      onzoom(Math.floor(a), Math.max(Math.floor(a) + 60, Math.ceil(b)));
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', up);
  });
}
