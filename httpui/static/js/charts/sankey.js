// Layers of nodes joined by bands.
import { Chart, colorOf, tip, token } from '../chart.js';
import { DIMENSIONS, named, plusMinus } from '../dims.js';
import { percent, si } from '../format.js';
import { text } from './shares.js';

/**
 * Nodes and bands of an answer of /paths: nodes that have less than threshold of the
 * total are folded into their layer's other, which is made where there is none.
 * @param {{dims: string[], nodes: any[], paths: {nodes: number[], bits_per_second: number, error: number}[], total: {bits_per_second: number}}} d
 * @param {number} threshold  0 to 1
 */
export function fold(d, threshold) {
  const weight = d.nodes.map(() => 0);
  for (const p of d.paths) for (const i of p.nodes) weight[i] += p.bits_per_second;
  const total = d.total.bits_per_second || 1;
  const nodes = [], place = new Map();
  const target = d.nodes.map((n, i) => {
    const other = n.other || weight[i] < threshold * total;
    const key = other ? `${n.layer}/other` : `${n.layer}/=${n.value}`;
    if (!place.has(key)) {
      place.set(key, nodes.length);
      nodes.push({ layer: n.layer, by: d.dims[n.layer], value: other ? '' : n.value, other, ...named(d.dims[n.layer], other ? { value: '', other } : n), key, bits: 0, variance: 0 });
    }
    return place.get(key);
  });
  const links = new Map();
  for (const p of d.paths) {
    const steps = p.nodes.map((i) => target[i]);
    for (const i of steps) {
      nodes[i].bits += p.bits_per_second;
      nodes[i].variance += p.error ** 2;
    }
    for (let l = 1; l < steps.length; l++) {
      const key = `${steps[l - 1]}>${steps[l]}`;
      const link = links.get(key) ?? { a: steps[l - 1], b: steps[l], bits: 0, variance: 0 };
      link.bits += p.bits_per_second;
      link.variance += p.error ** 2;
      links.set(key, link);
    }
  }
  return { dims: d.dims, nodes: nodes.map((n) => ({ ...n, error: Math.sqrt(n.variance) })), links: [...links.values()].map((l) => ({ ...l, error: Math.sqrt(l.variance) })), total: d.total.bits_per_second };
}

const compact = (el) => el.clientWidth < 900;
/** Pixels right of the last layer, for its names. */
export const room = (el) => (compact(el) ? 110 : 225);

/**
 * Data: what fold gives.
 * @param {HTMLElement} el
 * @param {(node: any) => void} onpick
 */
export function sankey(el, onpick) {
  const chart = new Chart(el, (d) => {
    const last = d.dims.length - 1;
    const narrow = compact(el);
    const twice = new Set(d.nodes.map((n) => `${n.layer} ${n.label}`).filter((x, i, all) => all.indexOf(x) !== i));
    // Networks of one company often share a name: then their numbers tell them apart.
    const name = (n) => (twice.has(`${n.layer} ${n.label}`) && n.note ? `${n.note} ${n.label}` : n.label);
    // Layers between are neutral, so that a band tells where it comes from and goes to.
    const color = (n) => (n.other ? '--c-other' : n.layer > 0 && n.layer < last ? '--c-mid' : colorOf(n.by, n));
    const cut = (s) => { const m = narrow ? 15 : 26; return s.length > m ? `${s.slice(0, m - 1)}…` : s; };
    const share = (v) => percent(d.total ? v / d.total : 0);
    return {
      label: `Paths ${d.dims.map((x) => DIMENSIONS[x]).join(' to ')}: ${d.nodes.length} nodes, ${d.links.length} bands, ${si(d.total, 'bps')} in total. The table holds the numbers.`,
      option: {
        tooltip: { trigger: 'item', formatter: (p) => {
          if (p.dataType === 'node') {
            const n = d.nodes[p.data.i];
            return tip(`${DIMENSIONS[n.by]}${n.note ? ` · ${n.note}` : ''}`, [{ label: n.label, color: color(n), text: si(n.bits, 'bps', n.error) }], [plusMinus(n.error, n.bits) || 'Share', share(n.bits)]);
          }
          const l = d.links[p.data.i], [a, b] = [d.nodes[l.a], d.nodes[l.b]];
          return tip('', [{ label: a.label, color: color(a), text: '' }, { label: b.label, color: color(b), text: si(l.bits, 'bps', l.error) }], [plusMinus(l.error, l.bits) || 'Share', share(l.bits)]);
        } },
        series: [{ type: 'sankey', left: 14, right: room(el), top: 6, bottom: 10, nodeWidth: 12, nodeGap: d.nodes.length > 60 ? 6 : 10, nodeAlign: 'justify', layoutIterations: 48, draggable: false,
          emphasis: { focus: 'trajectory', lineStyle: { opacity: 0.62 } }, blur: { lineStyle: { opacity: 0.06 }, itemStyle: { opacity: 0.35 }, label: { opacity: 0.4 } },
          itemStyle: { borderWidth: 0, borderRadius: 2 }, lineStyle: { color: 'gradient', opacity: 0.3, curveness: 0.52 },
          data: d.nodes.map((n, i) => ({ name: n.key, i, depth: n.layer, itemStyle: { color: token(color(n)) },
            label: { position: 'right', formatter: narrow ? `{n|${text(cut(name(n)))}}` : `{n|${text(cut(name(n)))}}  {v|${si(n.bits, 'bps', n.error)}}`,
              rich: { n: { color: token('--text'), fontSize: 12, fontWeight: 540, textBorderColor: token('--surface'), textBorderWidth: 2.5 }, v: { color: token('--text-2'), fontSize: 11.5, textBorderColor: token('--surface'), textBorderWidth: 2.5 } } } })),
          links: d.links.map((l, i) => ({ source: d.nodes[l.a].key, target: d.nodes[l.b].key, i, value: l.bits })) }],
      },
    };
  });
  chart.on('click', (e) => { if (e.dataType === 'node') onpick(chart.data.nodes[e.data.i]); });
  return chart;
}
