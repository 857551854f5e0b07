// BGP AS and Interface: where traffic comes from, which way it takes, where it goes.
import { h } from '../dom.js';
import { get } from '../api.js';
import { query } from '../state.js';
import { interfaceName } from '../dims.js';
import { panels } from '../parts/panel.js';
import { paths } from '../parts/paths.js';
import { empty, failed, loading } from '../ui.js';

/** @param {import('../main.js').Page} page */
export const as = (page) => panels(paths(page, {
  title: 'Paths between autonomous systems', sub: 'Source AS → input interface → output interface → destination AS',
  dims: ['src_as', 'in_if', 'out_if', 'dst_as'], where: [page.st.src && `src_as = ${page.st.src}`, page.st.dst && `dst_as = ${page.st.dst}`],
}));

/** @param {import('../main.js').Page} page */
export function iface(page) {
  const { st } = page;
  const root = h('div.grid', null, loading(560));
  /** @type {any[]} */
  let list = [];
  /** The interface of the address; without one, that with the most traffic. */
  async function chosen(signal) {
    const field = st.interface ? `in_if = ${st.interface} or out_if = ${st.interface}` : '';
    const d = await get('shares', { ...query(st, field && `(${field})`), by: 'out_if', top: 10 }, signal);
    const row = d.rows.find((r) => (st.interface ? r.value === st.interface : !r.other && !r.value.endsWith('/0')));
    return row ?? (st.interface ? { value: st.interface, name: '' } : null);
  }
  async function load(signal) {
    try {
      if (!list.length) {
        const [found] = await Promise.all([chosen(signal), page.names]);
        if (!found) return void root.replaceChildren(h('section.card', null, empty(st, page.go)));
        const { label, note } = interfaceName(found.value, found.name);
        const way = (title, field, dims, direction) => paths(page, { title: `${title} ${label}`, sub: `${note ? `${note} · ` : ''}source AS → uplink → destination AS`, dims, where: [`${field} = ${found.value}`], height: 430, direction });
        list = [way('To', 'out_if', ['src_as', 'in_if', 'dst_as'], 'in'), way('From', 'in_if', ['src_as', 'out_if', 'dst_as'], 'out')];
        root.replaceChildren(...list.map((p) => p.el));
      }
      await Promise.all(list.map((p) => p.load(signal)));
    } catch (error) {
      if (signal.aborted) return;
      page.refused(error);
      root.replaceChildren(h('section.card', null, failed(error, () => load(page.signal))));
    }
  }
  return { elements: [root], get list() { return list; }, load, close: () => list.forEach((p) => p.close()) };
}
