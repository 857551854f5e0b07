// Common stats: for every uplink a ring of source AS and one of destination AS.
import { h } from '../dom.js';
import { get } from '../api.js';
import { query } from '../state.js';
import { interfaceName, knowInterfaces, lower } from '../dims.js';
import { ring } from '../charts/shares.js';
import { panel } from '../parts/panel.js';
import { dressed, folded, sharesCSV, sharesTable } from '../parts/shares.js';
import { empty, failed, loading } from '../ui.js';

const FIRST = 4; // uplinks that are drawn before somebody ticks

/** The interfaces that look outside: as the inventory says, else those with the most traffic. */
async function uplinks(page, signal) {
  const { st } = page, field = st.direction === 'in' ? 'in_if' : 'out_if';
  const [shares, inventory] = await Promise.allSettled([get('shares', { ...query(st), by: field, top: 30 }, signal), get('interfaces', { exporter: st.exporter }, signal)]);
  if (shares.status === 'rejected') throw shares.reason;
  if (inventory.status === 'fulfilled') knowInterfaces(inventory.value.interfaces);
  const known = new Map((inventory.status === 'fulfilled' ? inventory.value.interfaces : []).map((i) => [`${i.exporter}/${i.if_index}`, i]));
  const all = shares.value.rows.filter((r) => !r.other && !r.value.endsWith('/0')).map((r) => ({ ...r, ...interfaceName(r.value, r.name), role: known.get(r.value)?.role || known.get(r.value)?.suggested_role || '' }));
  const outer = all.filter((r) => ['uplink', 'peer'].includes(r.role));
  return { all: outer.length ? outer : all, outer: outer.length > 0 };
}

/** spoken is name, told apart from other interfaces of that name. */
function pair(page, name, note, ifs, spoken) {
  const { st } = page, field = st.direction === 'in' ? 'in_if' : 'out_if';
  return ['src_as', 'dst_as'].map((by) => panel(page, {
    title: name, label: `${spoken} by ${lower(by)}`, sub: `${note ? `${note} · ` : ''}${by === 'src_as' ? 'by source AS' : 'by destination AS'}`, size: '.s6', height: 300,
    load: (signal) => get('shares', { ...query(st, `${field} in (${ifs.join(', ')})`), by, top: 10 }, signal), csv: sharesCSV,
    make: (body) => {
      const canvas = h('div.canvas', { css: { height: '212px' } }), list = h('div');
      body.append(h('div.split', null, h('div.plot', null, canvas), list));
      const chart = ring(canvas, { small: true, onpick: (r) => page.details(by, r) });
      return { chart, update: (d) => {
        const rows = folded(dressed(d), (st.threshold === '' ? 1 : Number(st.threshold)) / 100);
        chart.set({ rows, total: d.total.bits_per_second });
        list.replaceChildren(sharesTable(page, d, rows, `${spoken} by ${lower(by)}`));
      } };
    },
  }));
}

/** @param {import('../main.js').Page} page */
export function build(page) {
  const { st, go } = page;
  const root = h('div.grid', null, loading(300));
  const picked = new Set(st.uplinks.split(',').filter(Boolean));
  let shown, list = [];
  async function load(signal) {
    let found;
    try {
      found = await uplinks(page, signal);
    } catch (error) {
      if (!signal.aborted) {
        page.refused(error);
        root.replaceChildren(h('section.card', null, failed(error, () => load(page.signal))));
      }
      return;
    }
    const chosen = found.all.filter((u) => picked.has(u.value));
    const spoken = (u) => (found.all.some((o) => o !== u && o.label === u.label) ? `${u.label} of ${u.value}` : u.label);
    const key = found.all.map((u) => u.value).join();
    if (key !== shown) {
      shown = key;
      list.forEach((p) => p.close());
      list = chosen.length ? pair(page, chosen.length === 1 ? chosen[0].label : `${chosen.length} uplinks together`, chosen.length === 1 ? chosen[0].note : '', chosen.map((u) => u.value), chosen.length === 1 ? spoken(chosen[0]) : `${chosen.length} uplinks together`)
        : found.all.slice(0, FIRST).flatMap((u) => pair(page, u.label, u.note, [u.value], spoken(u)));
      root.replaceChildren(ticks(found), ...list.map((p) => p.el));
      if (!list.length) root.append(h('section.card', null, empty(st, go)));
    }
    for (let i = 0; i < list.length; i += 4) await Promise.all(list.slice(i, i + 4).map((p) => p.load(signal)));
  }
  const ticks = ({ all, outer }) => h('fieldset.ticks', null, h('legend', null, outer ? 'Uplinks' : 'Interfaces', ': tick several to add them up'), all.map((u) => h('label', null, h('input', { type: 'checkbox', checked: picked.has(u.value), onchange: (e) => {
    picked[e.target.checked ? 'add' : 'delete'](u.value);
    go({ uplinks: [...picked].join(',') });
  } }), h('span', null, u.label), u.note && h('span.muted', null, u.note))));
  return { elements: [root], get list() { return list; }, load, close: () => list.forEach((p) => p.close()) };
}
