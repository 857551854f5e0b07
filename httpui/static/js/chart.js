// The base of all charts: ECharts in the page's colours. Views hand plain data to
// charts/*.js; nothing else knows ECharts.
import { init } from '../lib/echarts.js';
import { h } from './dom.js';
import { axis } from './format.js';

export const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const fade = (hex, alpha) => hex + Math.round(alpha * 255).toString(16).padStart(2, '0');
export const swatch = (color) => h('span.sw', { css: { '--c': `var(${color})` } });

// Colours follow the thing and not its rank: a value keeps its colour while the
// page lives, and an AS has one as source and as destination.
const colors = new Map();
const KIND = { src_as: 'as', dst_as: 'as', in_if: 'if', out_if: 'if', src_addr: 'addr', dst_addr: 'addr' };

/**
 * @param {string} by  dimension
 * @param {{value: string, other?: boolean}} row
 * @returns {string} name of the colour token
 */
export function colorOf(by, row) {
  if (row.other) return '--c-other';
  const kind = KIND[by] ?? by;
  if (!colors.has(kind)) colors.set(kind, new Map());
  const seen = colors.get(kind);
  if (!seen.has(row.value)) seen.set(row.value, `--c${seen.size % 10}`);
  return seen.get(row.value);
}

const TEN = Array.from({ length: 10 }, (_, i) => `--c${i}`);
/**
 * Rows of one chart: where two values share a colour, the later one gets a free one here.
 * @param {any[]} rows  with their color
 * @returns {any[]}
 */
export function distinct(rows) {
  const used = new Set();
  return rows.map((r) => {
    const color = r.color !== '--c-other' && used.has(r.color) ? TEN.find((c) => !used.has(c)) ?? r.color : r.color;
    used.add(color);
    return { ...r, color };
  });
}

/**
 * A tooltip, as nodes: the content security policy lets no markup in.
 * @param {string} title
 * @param {{label: string, text: string, color?: string}[]} rows
 * @param {[string, string]} [sum]
 */
export const tip = (title, rows, sum) => h('div.tip', null, title && h('h3', null, title),
  rows.map((r) => h('div', null, r.color && swatch(r.color), h('span', null, r.label), h('span', null, r.text))),
  sum && h('div.sum', null, h('span', null, sum[0]), h('span'), h('span', null, sum[1])));

/** A chart in el; build makes ECharts' options of the data, and a sentence for those who cannot see it. */
export class Chart {
  /**
   * @param {HTMLElement} el
   * @param {(data: any, el: HTMLElement) => {label: string, option: Record<string, any>}} build
   */
  constructor(el, build) {
    this.el = el;
    this.build = build;
    /** @type {any} */
    this.data = null;
    this.ec = init(el, null, { renderer: 'canvas' });
    el.setAttribute('role', 'img');
    this.redraw = () => this.data && this.set(this.data);
    this.sizes = new ResizeObserver(() => { this.ec.resize(); this.drawn?.(); });
    this.sizes.observe(el);
    addEventListener('themechange', this.redraw);
    /** @type {(() => void)|null} called after each drawing */
    this.drawn = null;
  }

  set(data) {
    this.data = data;
    const { label, option } = this.build(data, this.el);
    this.el.setAttribute('aria-label', label);
    this.ec.setOption({
      animation: false, textStyle: { fontFamily: token('--sans'), fontSize: 11.5, color: token('--text-3') }, ...option,
      tooltip: { renderMode: 'html', confine: true, borderWidth: 0, padding: 0, backgroundColor: 'transparent', extraCssText: 'box-shadow:none', transitionDuration: 0.08, ...option.tooltip },
    }, { notMerge: true });
    this.drawn?.();
  }

  on(event, handler) {
    this.ec.on(event, handler);
    return this;
  }

  png() { return this.ec.getDataURL({ pixelRatio: 2, backgroundColor: token('--surface') }); }

  close() {
    removeEventListener('themechange', this.redraw);
    this.sizes.disconnect();
    this.ec.dispose();
  }
}

export const valueAxis = (max, unit = 'bps') => ({
  type: 'value', splitNumber: 4, max: max ? undefined : 1, axisLine: { show: false }, axisTick: { show: false },
  axisLabel: { formatter: axis(max, unit), color: token('--text-3'), margin: 10, fontSize: 11 }, splitLine: { lineStyle: { color: token('--line') } },
});
