// What is behind a slice, a bar or a node: rate, registry data, ways into other views.
import { h, icon } from '../dom.js';
import { get } from '../api.js';
import { DIMENSIONS, and, condition, isAddress, isAS, isInterface, fewSamples, plusMinus } from '../dims.js';
import { percent, si } from '../format.js';
import { show } from '../ui.js';

/**
 * @param {import('../main.js').Page} page
 * @param {string} by
 * @param {{value: string, other?: boolean, label: string, note: string, bits_per_second: number, error: number, share: number}} row
 */
export function details(page, by, row) {
  if (row.other) return;
  const { st } = page;
  const filter = and(st.filter, condition(by, row.value));
  const link = (glyph, text, patch) => h('a.btn', { href: page.href(patch), 'data-go': '' }, icon(glyph), text);
  const registry = h('div.registry', { role: 'status' });
  show(row.label, h('p', null, `${DIMENSIONS[by]}${row.note ? ` · ${row.note}` : ''}`),
    h('dl.facts', null, h('dt', null, 'Traffic'), h('dd', null, `${si(row.bits_per_second, 'bps', row.error)} ${[plusMinus(row.error, row.bits_per_second), fewSamples(row.error, row.bits_per_second)].filter(Boolean).join(', ')}`), h('dt', null, 'Share'), h('dd', null, percent(row.share))),
    (isAS(by) || isAddress(by)) && registry,
    h('div.row', null,
      link('chart-area', 'Over time', { view: 'time', by: isAS(by) ? (by === 'src_as' ? 'dst_as' : 'src_as') : 'src_as', filter }),
      isAS(by) && link('waypoints', 'BGP AS', { view: 'as', [by === 'src_as' ? 'src' : 'dst']: row.value }),
      isInterface(by) && link('cable', 'Interface', { view: 'interface', interface: row.value }),
      isAS(by) && link('chart-pie', 'Common stats', { view: 'common', filter }),
      isAddress(by) ? link('table-2', 'Show traffic', { view: 'addresses', side: by.slice(0, 3), flows: row.value }) : [link('chart-bar-big', 'IP addresses', { view: 'addresses', filter }), link('table-2', 'Show traffic', { view: 'addresses', filter, flows: 'all' })],
      link('filter', 'Filter here', { ...st, filter })));
  if (isAS(by) || isAddress(by)) lookUp(registry, isAS(by) ? { as: row.value } : { addr: row.value });
}

/** Fills el with what the registry and the reverse zone say. */
async function lookUp(el, subject) {
  el.replaceChildren(h('p.muted', null, 'Asking the registry…'));
  const [whois, reverse] = await Promise.allSettled([get('whois', subject), subject.addr ? get('rdns', subject) : Promise.reject(new Error('not an address'))]);
  const out = [];
  if (reverse.status === 'fulfilled' && (reverse.value.name || reverse.value.names?.length)) out.push(h('p', null, 'Name: ', reverse.value.name || reverse.value.names.join(', ')));
  if (whois.status === 'rejected') out.push(h('p.muted', null, whois.reason.missing ? 'This server does not ask registries.' : whois.reason.message));
  else {
    const { offline_name: name, registry, error } = whois.value;
    if (name) out.push(h('p', null, name));
    if (registry) out.push(h('p.muted', null, `From ${registry.source}`), h('pre.code', { tabindex: '0' }, registry.text));
    if (error) out.push(h('p.muted', null, error));
  }
  el.replaceChildren(...out);
}
