// A ring or bars with the table of the same shares.
import { h } from '../dom.js';
import { colorOf, distinct } from '../chart.js';
import { DIMENSIONS, fewSamples, named, plusMinus } from '../dims.js';
import { percent, si } from '../format.js';
import { keyCell, shareBar, table } from './table.js';

/** Rows of an answer of /shares with what they are called and their colours. */
export const dressed = (d) => distinct(d.rows.map((r) => ({ ...r, ...named(d.by, r), color: colorOf(d.by, r) })));

/** The rows that have less than threshold (0 to 1) go into the other one. */
export function folded(rows, threshold) {
  const kept = rows.filter((r) => !r.other && r.share >= threshold), rest = rows.filter((r) => r.other || r.share < threshold);
  if (!rest.length) return kept;
  const sum = (key) => rest.reduce((a, r) => a + r[key], 0);
  return [...kept, { value: '', other: true, ...named('', { value: '', other: true }), color: '--c-other', bits_per_second: sum('bits_per_second'), share: sum('share'), packets_per_second: sum('packets_per_second'), flows_per_second: sum('flows_per_second'), error: Math.sqrt(rest.reduce((a, r) => a + r.error ** 2, 0)) }];
}

export const sharesCSV = (d) => [[d.by, 'name', 'bits_per_second', 'error_bits_per_second', 'packets_per_second', 'flows_per_second', 'share'],
  ...d.rows.map((r) => [r.other ? 'other' : r.value, r.name, r.bits_per_second, r.error, r.packets_per_second, r.flows_per_second, r.share])];

/**
 * @param {import('../main.js').Page} page
 * @param {any} d  answer of /shares
 * @param {any[]} [rows]
 * @param {string} [short]  what a narrow table with fewer columns is called
 */
export function sharesTable(page, d, rows = dressed(d), short = '') {
  const max = Math.max(...rows.filter((r) => !r.other).map((r) => r.share), 0.001);
  const open = (r) => (r.other ? undefined : () => page.details(d.by, r));
  const columns = [
    { name: DIMENSIONS[d.by], cell: (r) => keyCell(r.label, { note: short ? '' : r.note, color: r.color, onclick: open(r) }), by: (r) => r.label },
    { name: 'Share', cell: (r) => (short ? percent(r.share) : shareBar(r.share, r.color, max)), by: (r) => r.share },
    { name: 'Rate', strong: true, cell: (r) => si(r.bits_per_second, 'bps', r.error), by: (r) => r.bits_per_second },
    { name: 'Error', cell: (r) => h('span.u', { title: fewSamples(r.error, r.bits_per_second) }, plusMinus(r.error, r.bits_per_second) || '–'), by: (r) => (r.bits_per_second ? r.error / r.bits_per_second : 0) },
    { name: 'Packets', cell: (r) => si(r.packets_per_second, 'pps'), by: (r) => r.packets_per_second },
    { name: 'Volume', cell: (r) => si(r.bits_per_second * (d.to - d.from) / 8, 'bytes', r.error * (d.to - d.from) / 8), by: (r) => r.bits_per_second },
  ];
  return table(short || DIMENSIONS[d.by], short ? columns.slice(0, 4) : columns, rows, { sorted: '-Rate' });
}
