// Settings: hosts with their SNMP access, interfaces.
import { h, icon } from '../dom.js';
import { get, send } from '../api.js';
import { ago, spell } from '../format.js';
import { offered } from '../parts/offered.js';
import { panel, panels } from '../parts/panel.js';
import { confirm, editInterface, form } from '../parts/edit.js';
import { keyCell, table } from '../parts/table.js';
import { imports } from './imports.js';
import { show, state, toast } from '../ui.js';

const AUTH = /** @type {[string, string][]} */ ([['', 'none'], ['SHA', 'SHA-1'], ['SHA-224', 'SHA-224'], ['SHA-256', 'SHA-256'], ['SHA-384', 'SHA-384'], ['SHA-512', 'SHA-512'], ['MD5', 'MD5']]);
const PRIVACY = /** @type {[string, string][]} */ ([['', 'none'], ['AES', 'AES-128'], ['AES-192', 'AES-192'], ['AES-256', 'AES-256'], ['DES', 'DES']]);

/** Adds a host, or edits d. Secrets are never read back: empty ones stay as they are. */
function host(page, /** @type {any} */ d = null) {
  const version = d?.snmp.version ?? '';
  const is = (v) => (values) => values.version === v;
  form(d ? `Host ${d.name || d.address}` : 'Add a host', [
    ...(d ? [] : [{ key: 'address', label: 'Address that its flows come from', hint: 'IPv4 or IPv6' }]),
    { key: 'name', label: 'Name', value: d?.name ?? '' },
    { key: 'version', label: 'SNMP', value: version, options: [['', d?.snmp.configured ? 'leave as it is' : 'not used'], ['2c', 'version 2c'], ['3', 'version 3']] },
    { key: 'community', label: 'Community', type: 'password', when: is('2c'), hint: d ? 'Empty: leave as it is' : '' },
    { key: 'user', label: 'User', when: is('3') }, { key: 'auth_protocol', label: 'Authentication', options: AUTH, value: 'SHA-256', when: is('3') }, { key: 'auth_password', label: 'Its password', type: 'password', when: is('3') },
    { key: 'privacy_protocol', label: 'Encryption', options: PRIVACY, value: 'AES', when: is('3') }, { key: 'privacy_password', label: 'Its password', type: 'password', when: is('3') },
    { key: 'port', label: 'UDP port of the agent', type: 'number', value: d?.snmp.port || 161, when: (v) => v.version !== '' }, { key: 'host', label: 'Address of the agent, if it is another one', value: d?.snmp.host ?? '', when: (v) => v.version !== '' },
  ], async (v) => {
    const body = { name: v.name };
    if (!d) body.address = v.address;
    if (v.version) Object.assign(body, { port: v.port, host: v.host });
    if (v.version === '2c' && (v.community || !d)) body.credential = { version: '2c', community: v.community };
    if (v.version === '3' && (v.user || !d)) body.credential = { version: '3', user: v.user, auth_protocol: v.auth_protocol, auth_password: v.auth_password, privacy_protocol: v.privacy_protocol, privacy_password: v.privacy_password };
    await (d ? send('PATCH', `devices/${encodeURIComponent(d.id)}`, body) : send('POST', 'devices', body));
    page.refresh();
  }, d ? 'Save' : 'Add');
}

/** Walks the agent, says how far it is, and offers the interfaces that it found. */
async function discover(page, d) {
  const path = `devices/${encodeURIComponent(d.id)}/discover`, name = d.name || d.address;
  const bar = h('progress', { 'aria-label': 'Reading' }), words = h('p', { role: 'status' }, 'Asking…'), below = h('div.found');
  const dialog = show(`SNMP data of ${name}`, words, bar, below);
  dialog.classList.add('wide');
  const end = (text) => { bar.remove(); words.textContent = text; };
  try {
    await send('POST', path);
    while (dialog.open) {
      const s = await get(path);
      if (s.state === 'failed') return end(s.error);
      words.textContent = `${s.found} interfaces`;
      if (s.state !== 'running') break;
      await new Promise((next) => setTimeout(next, 500));
    }
    if (!dialog.open) return;
    const found = (await get('interfaces', { exporter: d.address })).interfaces;
    end(`${found.length} interfaces. Tick those that the router samples; names and roles can be your own.`);
    offered(below, (interfaces) => interfaceTable(page, interfaces, `Interfaces of ${name}`))(found);
  } catch (error) {
    end(/** @type {Error} */ (error).message);
  }
  dialog.addEventListener('close', page.refresh);
}

const hosts = (page) => panel(page, {
  title: 'Hosts', sub: 'Exporters of flows. Those that send appear by themselves', height: 160, isEmpty: () => false, load: (signal) => get('devices', {}, signal),
  acts: page.admin ? [h('button.btn.act-text', { onclick: () => host(page) }, icon('plus'), 'Add a host')] : [],
  make: (body) => ({ update: (d) => {
    if (!d.devices.length) return body.replaceChildren(state('router', 'No hosts', 'Add a router, or point its flows here and it appears.'));
    const button = (glyph, label, run) => h('button.btn.icon.quiet', { title: label, 'aria-label': label, onclick: run }, icon(glyph));
    body.replaceChildren(table('Hosts', [
      { name: 'Host', cell: (x) => keyCell(x.name || x.address, { note: x.name ? x.address : '' }), by: (x) => x.name || x.address },
      { name: 'SNMP', left: true, cell: (x) => (x.snmp.configured ? `v${x.snmp.version}${x.snmp.port && x.snmp.port !== 161 ? `, port ${x.snmp.port}` : ''}` : '–') },
      { name: 'Read', cell: (x) => (x.snmp.last_poll_ms ? ago(x.snmp.last_poll_ms, page.st.tz) : '–'), by: (x) => x.snmp.last_poll_ms ?? 0 }, { name: 'Takes', cell: (x) => (x.snmp.latency_ms ? `${x.snmp.latency_ms.toFixed(0)} ms` : '–'), by: (x) => x.snmp.latency_ms ?? 0 },
      { name: 'Interfaces', cell: (x) => String(x.snmp.interfaces || '–'), by: (x) => x.snmp.interfaces }, { name: 'Known from', left: true, cell: (x) => ({ config: 'configuration', ui: 'settings', flows: 'its flows' }[x.source] ?? x.source), by: (x) => x.source },
      { name: 'Worth knowing', left: true, cell: (x) => h('span.notes', null, x.snmp.error || x.snmp.description || '') },
      { name: 'Actions', cell: (x) => page.admin && h('span.acts', null, x.snmp.configured && h('button.btn.act-text', { onclick: () => discover(page, x) }, 'Read SNMP data'), button('pencil', `Edit ${x.name || x.address}`, () => host(page, x)),
        x.source === 'ui' && button('trash-2', `Delete ${x.name || x.address}`, () => confirm('Delete this host?', `The SNMP access of ${x.name || x.address} is forgotten. Flows and names stay.`, 'Delete', () => send('DELETE', `devices/${encodeURIComponent(x.id)}`).then(page.refresh))),
        x.source === 'flows' && button('trash-2', `Forget ${x.name || x.address}`, () => confirm('Forget this host?', `The name of ${x.name || x.address}, its interfaces and what was set for them are forgotten. Its flows stay, and with its next flow it is in the list again.`, 'Forget', () => send('DELETE', `devices/${encodeURIComponent(x.id)}`).then(page.refresh)))) },
    ], d.devices));
  } }),
});

/** Interfaces to tick and to edit. */
function interfaceTable(page, list, title) {
  const tick = (i) => h('input', { type: 'checkbox', disabled: !page.admin, checked: i.sampled ?? i.suggested_sampled, 'aria-label': `${i.name || i.if_index} is sampled`, onchange: (e) => send('PATCH', `interfaces/${encodeURIComponent(i.exporter)}/${i.if_index}`, { sampled: e.target.checked }).then(() => toast('Saved'), (error) => { e.target.checked = !e.target.checked; toast(error.message); }) });
  return table(title, [
    { name: 'Interface', cell: (i) => keyCell(i.name || `Interface ${i.if_index}`, { note: `ifIndex ${i.if_index}` }), by: (i) => i.name }, { name: 'Description', left: true, cell: (i) => i.description || '–', by: (i) => i.description },
    { name: 'Host', left: true, cell: (i) => i.exporter_name || i.exporter, by: (i) => i.exporter_name || i.exporter }, { name: 'State', left: true, cell: (i) => h('span', { title: i.oper_since ? `${i.oper_status} for ${spell(Date.now() / 1000 - i.oper_since)}` : '' }, i.oper_status || '–'), by: (i) => i.oper_status },
    { name: 'Role', left: true, cell: (i) => i.role || (i.suggested_role ? `${i.suggested_role}?` : '–'), by: (i) => i.role }, { name: 'Sampled', cell: tick, by: (i) => Number(i.sampled ?? i.suggested_sampled) },
    { name: 'Rate', cell: (i) => (i.sampling_rate_override ? `1:${i.sampling_rate_override} (set)` : i.sampling_rate ? `1:${i.sampling_rate}` : '–'), by: (i) => i.sampling_rate },
    { name: 'Edit', cell: (i) => page.admin && h('button.btn.icon.quiet', { 'aria-label': `Edit ${i.name || i.if_index}`, onclick: () => editInterface(i, page.refresh) }, icon('pencil')) },
  ], list);
}

const interfaceList = (page) => panel(page, {
  title: 'Interfaces', sub: 'Tick those that the router samples; names can be your own', height: 300, isEmpty: () => false, load: (signal) => get('interfaces', {}, signal),
  make: (body) => {
    const draw = offered(body, (interfaces) => interfaceTable(page, interfaces, 'Settings of interfaces'));
    return { update: (d) => (d.interfaces.length ? draw(d.interfaces) : body.replaceChildren(state('cable', 'No interfaces', 'Read a host\'s SNMP data, or wait for its flows.'))) };
  },
});

/** @param {import('../main.js').Page} page */
export const build = (page) => panels(hosts(page), interfaceList(page), ...(page.admin ? [imports(page)] : []));
