// The only module that knows ECharts. Views hand it plain data.
import { init } from '../lib/echarts.js';
import { h } from './dom.js';
import { axis, si, stamp, ticks, tickLabel } from './format.js';

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const fade = (hex, alpha) => hex + Math.round(alpha * 255).toString(16).padStart(2, '0');
export const swatch = (color) => h('span.sw', { css: { '--c': `var(${color})` } });

// Colours follow the thing and not its rank: within one dimension a value keeps
// its colour while the page lives.
const colors = new Map();

/**
 * @param {string} by  dimension
 * @param {{value: string, other: boolean}} row
 * @returns {string} name of the colour token
 */
export function colorOf(by, row) {
  if (row.other) return '--c-other';
  const key = `${by}/${row.value}`;
  if (!colors.has(key)) colors.set(key, `--c${[...colors.keys()].filter((k) => k.startsWith(by + '/')).length % 10}`);
  return colors.get(key);
}

function tip(title, rows, sum) {
  return h('div.tip', null, h('h3', null, title),
    rows.map((r) => h('div', null, swatch(r.color), h('span', null, r.label), h('span', null, r.text))),
    h('div.sum', null, h('span', null, sum[0]), h('span'), h('span', null, sum[1])));
}

/** Stacked areas of traffic over time. */
export class TrafficChart {
  /**
   * @param {HTMLElement} el
   * @param {(from: number, to: number) => void} onzoom  gets Unix seconds
   */
  constructor(el, onzoom) {
    this.el = el;
    this.ec = init(el, null, { renderer: 'canvas' });
    el.setAttribute('role', 'img');
    this.sizes = new ResizeObserver(() => this.ec.resize());
    this.sizes.observe(el);
    this.redraw = () => this.data && this.draw(this.data);
    addEventListener('themechange', this.redraw);
    this.brush(onzoom);
  }

  close() {
    removeEventListener('themechange', this.redraw);
    this.sizes.disconnect();
    this.ec.dispose();
  }

  png() { return this.ec.getDataURL({ pixelRatio: 2, backgroundColor: token('--surface') }); }

  /** @param {{from: number, to: number, step: number, tz: string, rows: {label: string, color: string, bits_per_second: number[]}[]}} data */
  draw(data) {
    this.data = data;
    const { from, to, step, tz, rows } = data;
    const at = (i) => (from + i * step) * 1000;
    const n = Math.round((to - from) / step);
    const totals = Array.from({ length: n }, (_, i) => rows.reduce((sum, r) => sum + r.bits_per_second[i], 0));
    const max = Math.max(0, ...totals);
    const marks = ticks(from, to, tz, Math.max(3, Math.floor(this.el.clientWidth / 110)));
    this.el.setAttribute('aria-label', `Stacked areas of traffic over time: ${rows.length} rows, peak ${si(max, 'bps')}. The table below holds the numbers.`);
    this.ec.setOption({
      animation: false,
      textStyle: { fontFamily: token('--sans'), fontSize: 11.5, color: token('--text-3') },
      grid: { left: 16, right: 18, top: 18, bottom: 8, containLabel: true },
      xAxis: {
        type: 'time', min: at(0), max: at(Math.max(1, n - 1)), axisPointer: { triggerEmphasis: false },
        axisLine: { lineStyle: { color: token('--line-2') } }, splitLine: { show: false },
        axisTick: { show: false, customValues: marks.at.map((t) => t * 1000) },
        axisLabel: { customValues: marks.at.map((t) => t * 1000), formatter: (v) => tickLabel(v / 1000, marks.step, tz), color: token('--text-3'), hideOverlap: true, margin: 10, fontSize: 11 },
      },
      yAxis: {
        type: 'value', splitNumber: 4, max: max ? undefined : 1, axisLine: { show: false }, axisTick: { show: false },
        axisLabel: { formatter: axis(max, 'bps'), color: token('--text-3'), margin: 10, fontSize: 11 }, splitLine: { lineStyle: { color: token('--line') } },
      },
      tooltip: {
        trigger: 'axis', renderMode: 'html', confine: true, borderWidth: 0, padding: 0, backgroundColor: 'transparent', extraCssText: 'box-shadow:none', transitionDuration: 0.08,
        axisPointer: { type: 'line', lineStyle: { color: token('--text-3'), type: 'solid', width: 1, opacity: 0.5 }, snap: true },
        formatter: (points) => {
          const i = points[0].dataIndex;
          const shown = rows.map((r) => ({ label: r.label, color: r.color, value: r.bits_per_second[i] })).filter((r) => r.value).sort((a, b) => b.value - a.value);
          return tip(stamp(at(i) / 1000, tz), shown.map((r) => ({ ...r, text: si(r.value, 'bps') })), ['Total', si(totals[i], 'bps')]);
        },
      },
      series: rows.slice().reverse().map((r) => ({
        name: r.label, type: 'line', stack: 'all', step: n <= 60 ? 'end' : false, symbol: 'none', data: r.bits_per_second.map((v, i) => [at(i), v]),
        lineStyle: { width: 1, color: token(r.color) }, itemStyle: { color: token(r.color) }, areaStyle: { color: fade(token(r.color), 0.62), opacity: 1 },
        emphasis: { focus: 'series', areaStyle: { color: fade(token(r.color), 0.9) } }, blur: { areaStyle: { opacity: 0.25 }, lineStyle: { opacity: 0.3 } },
      })),
    }, { notMerge: true });
  }

  /** Drag across the plot to choose a span of time. */
  brush(onzoom) {
    const { el, ec } = this;
    const plot = () => ec.getModel().getComponent('grid').coordinateSystem.getRect();
    el.addEventListener('pointerdown', (down) => {
      if (!this.data || down.button !== 0) return;
      const area = plot();
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
        onzoom(Math.floor(a), Math.ceil(b));
      };
      addEventListener('pointermove', move);
      addEventListener('pointerup', up);
    });
  }
}
