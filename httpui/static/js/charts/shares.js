// Charts of shares: rings, and bars.
import { Chart, fade, tip, token, valueAxis } from '../chart.js';
import { percent, si } from '../format.js';
import { plusMinus } from '../dims.js';

/**
 * A ring with its total in the middle. Data: {rows: [{label, note, color, bits_per_second, error, share}], total (bit/s)}.
 * @param {HTMLElement} el
 * @param {{small?: boolean, onpick?: (row: any) => void}} [options]
 */
export function ring(el, { small = false, onpick } = {}) {
  const chart = new Chart(el, (d) => {
    const [number, unit = ''] = si(d.total, 'bps').split('\u202f');
    return {
      label: `Ring of shares of ${si(d.total, 'bps')}: ${d.rows.slice(0, 5).map((r) => `${r.label} ${percent(r.share)}`).join(', ')}.`,
      option: {
        tooltip: { trigger: 'item', formatter: (p) => { const r = d.rows[p.dataIndex]; return tip(r.note, [{ label: r.label, color: r.color, text: si(r.bits_per_second, 'bps', r.error) }], [plusMinus(r.error, r.bits_per_second) || 'Share', percent(r.share)]); } },
        series: [{ type: 'pie', radius: small ? ['62%', '90%'] : ['60%', '90%'], padAngle: 1, startAngle: 90, cursor: onpick ? 'pointer' : 'default', itemStyle: { borderRadius: small ? 3 : 4 },
          label: { show: true, position: 'center', formatter: `{v|${number}} {u|${unit}}`, rich: { v: { fontSize: small ? 18 : 24, fontWeight: 600, color: token('--text') }, u: { fontSize: small ? 11 : 13, fontWeight: 500, color: token('--text-2') } } },
          labelLine: { show: false }, emphasis: { scaleSize: 4, label: { show: true } },
          data: d.rows.map((r) => ({ name: r.label, value: r.bits_per_second, itemStyle: { color: token(r.color) } })) }],
      },
    };
  });
  if (onpick) chart.on('click', (e) => onpick(chart.data.rows[e.dataIndex]));
  return chart;
}

/**
 * Horizontal bars, largest on top. Data: {rows: [{label, note, color, bits_per_second, error, share}], unit ('bps')}.
 * @param {HTMLElement} el
 * @param {{onpick?: (row: any) => void}} [options]
 */
export function bars(el, { onpick } = {}) {
  const chart = new Chart(el, (d) => {
    const rows = d.rows.slice().reverse(), unit = d.unit ?? 'bps';
    const max = Math.max(0, ...rows.map((r) => r.bits_per_second));
    const width = Math.min(250, el.clientWidth * 0.42), letters = Math.floor((width - 26) / 6.6);
    const cut = (s) => (s.length > letters ? `${s.slice(0, letters - 1)}…` : s);
    return {
      label: `Bars, largest first: ${d.rows.slice(0, 3).map((r) => `${r.label} ${si(r.bits_per_second, unit, r.error)}`).join(', ')}.`,
      option: {
        grid: { left: width, right: 78, top: 4, bottom: 26 }, xAxis: { ...valueAxis(max, unit), splitNumber: el.clientWidth < 640 ? 2 : 5 },
        yAxis: { type: 'category', data: rows.map((_, i) => i), axisLine: { show: false }, axisTick: { show: false },
          axisLabel: { align: 'left', margin: width - 14, interval: 0, formatter: (_, i) => `{n|${text(cut(rows[i].label))}}`, rich: { n: { color: token('--text'), fontSize: 12, fontWeight: 520, width: width - 26 } } } },
        tooltip: { trigger: 'axis', axisPointer: { type: 'shadow', shadowStyle: { color: fade(token('--text-3'), 0.1) } },
          formatter: (p) => { const r = rows[p[0].dataIndex]; return tip(r.note, [{ label: r.label, color: r.color, text: si(r.bits_per_second, unit, r.error) }], [plusMinus(r.error, r.bits_per_second) || 'Share', percent(r.share)]); } },
        series: [{ type: 'bar', barWidth: '62%', barMaxWidth: 16, cursor: onpick ? 'pointer' : 'default', label: { show: true, position: 'right', distance: 8, formatter: (p) => si(rows[p.dataIndex].bits_per_second, unit, rows[p.dataIndex].error), color: token('--text'), fontSize: 11.5, fontWeight: 540 },
          data: rows.map((r) => ({ value: r.bits_per_second, itemStyle: { color: token(r.color), borderRadius: 3 } })) }],
      },
    };
  });
  if (onpick) chart.on('click', (e) => onpick(chart.data.rows.at(-1 - e.dataIndex)));
  return chart;
}

/** ECharts' own markup in labels, {name|text}, has no escapes. */
export const text = (s) => s.replaceAll('{', '(').replaceAll('}', ')').replaceAll('|', '¦');
