// The card of imports: what is in, and what comes in now. Files come from the
// folder that the configuration allows.
import { h, icon } from '../dom.js';
import { get, send } from '../api.js';
import { count, octets, spell, zoneName } from '../format.js';
import { panel } from '../parts/panel.js';
import { confirm, form } from '../parts/edit.js';
import { keyCell, table } from '../parts/table.js';
import { show, state, toast } from '../ui.js';

/** Archives are of other years: 2025-03-01 12:00. */
const dated = (page, ms) => (ms ? new Intl.DateTimeFormat('sv-SE', { timeZone: zoneName(page.st.tz), dateStyle: 'short', timeStyle: 'short' }).format(ms) : '–');
const nameOf = (path) => path.slice(path.lastIndexOf('/') + 1);
const folderOf = (path) => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** What to make of a file or folder, then it begins. */
const begin = (page, path) => form(`Import ${path || 'everything'}`, [
  { key: 'format', label: 'Written by', options: [['nfdump', 'nfdump (nfcapd)'], ['flow-tools', 'flow-tools (flow-capture)']] },
  { key: 'exporter', label: 'Address of the exporter', hint: 'For flows whose file does not tell it' },
  { key: 'sampling', label: 'One packet in so many was seen', type: 'number', value: 1, hint: 'For flows that the collector has not scaled already' },
  { key: 'since', label: 'Flows since', type: 'date', hint: 'UTC; empty for all' }, { key: 'until', label: 'Flows before', type: 'date' },
  { key: 'mapping', label: 'Other addresses and interfaces', type: 'textarea', hint: 'Lines “exporter OLD NEW” and “interface EXPORTER OLD NEW”; empty for none' },
  {
    key: 'dry_run', label: 'Only tell what would come in', type: 'checkbox', value: false,
    hint: 'And until when: what comes in is kept as long as flows that are received today',
  },
], (v) => send('POST', 'imports', { ...v, path, sampling: v.sampling ?? 1 }).then(page.refresh), 'Import', 'It runs');

/** Lists the folder at path below the one that is allowed, to choose from. */
async function choose(page, path = '') {
  let answer;
  try {
    answer = await get('imports/files', { path });
  } catch (error) {
    return toast(/** @type {Error} */ (error).message);
  }
  const at = (name) => (path ? `${path}/${name}` : name);
  const go = (next) => { dialog.close(); next(); };
  const dialog = show(path ? `Folder ${path}` : 'Import from', h('div.row', null,
    path && h('button.btn', { onclick: () => go(() => choose(page, folderOf(path))) }, icon('arrow-left'), 'Up'),
    h('button.btn.primary', { onclick: () => go(() => begin(page, path)) }, 'Import all of it')),
  answer.files.length ? table('Files', [
    { name: 'Name', cell: (f) => keyCell(f.folder ? `${f.name}/` : f.name, { note: f.skipped, onclick: () => go(() => (f.folder ? choose(page, at(f.name)) : begin(page, at(f.name)))) }), by: (f) => f.name },
    { name: 'Size', cell: (f) => (f.folder ? '' : octets(f.size)), by: (f) => f.size },
    { name: 'Changed', cell: (f) => dated(page, f.changed_ms), by: (f) => f.changed_ms },
  ], answer.files) : h('p', null, 'The folder is empty.'), answer.truncated && h('p.muted', null, 'There are more files than are listed here.'));
}

/** One import that runs, or has run. */
function job(page, j) {
  const running = j.state === 'running';
  const did = `${j.dry_run ? 'Would import' : 'Imported'} ${count(j.flows)} flows (${octets(j.bytes)}) from ${count(j.files_done)} of ${count(j.files)} ${j.files === 1 ? 'file' : 'files'}`;
  const more = [j.files_known && `${count(j.files_known)} in already`, j.files_damaged && `${count(j.files_damaged)} damaged`, j.files_unreadable && `${count(j.files_unreadable)} unreadable`,
    running && j.left_ms !== null && `${spell(Math.ceil(j.left_ms / 1000))} left`].filter(Boolean);
  const name = j.path === '.' ? 'everything' : j.path;
  return [h('div.prose', null,
    h('b', null, { running: `Importing ${name}`, done: `Import of ${name} is done`, failed: `Import of ${name}: ${j.error}`, cancelled: `Import of ${name} was cancelled` }[j.state]),
    running && h('progress', { 'aria-label': `Import of ${name}`, max: Math.max(1, j.file_bytes), value: j.file_bytes_read }),
    h('span', null, [did, ...more].join(', ')),
    running && h('div.row', null, h('button.btn', { onclick: () => send('DELETE', `imports/jobs/${encodeURIComponent(j.id)}`).then(page.refresh, (error) => toast(error.message)) }, icon('x'), 'Cancel'))),
  j.messages.length > 0 && table('Messages of the import', [
    { name: 'File', cell: (m) => keyCell(m.path ? nameOf(m.path) : 'All files', { note: folderOf(m.path) }), by: (m) => m.path },
    { name: 'What', left: true, cell: (m) => ({ imported: 'would come in' }[m.kind] ?? m.kind), by: (m) => m.kind },
    { name: 'Octet', cell: (m) => (m.offset === null ? '–' : count(m.offset)), by: (m) => m.offset ?? -1 },
    { name: 'Reason', left: true, cell: (m) => h('span.notes', null, m.reason) },
  ], j.messages),
  j.messages_left_out > 0 && h('div.prose', null, `${count(j.messages_left_out)} further messages are not kept.`)];
}

const forget = (page, i) => confirm('Forget this import?', `${count(i.flows)} flows of ${i.path} are removed from all tables. The file can be imported again.`, 'Forget',
  () => send('DELETE', `imports/${encodeURIComponent(i.id)}`).then(page.refresh));

/** An import that is recorded as running may have been interrupted: what the command line does is not known here. */
const list = (page, rows, running) => table('Imports', [
  { name: 'File', cell: (i) => keyCell(nameOf(i.path), { note: folderOf(i.path) }), by: (i) => i.path },
  { name: 'State', left: true, cell: (i) => (i.state === 'running' && !running ? 'not finished' : i.state), by: (i) => i.state }, { name: 'Flows', strong: true, cell: (i) => count(i.flows), by: (i) => i.flows },
  { name: 'Packets', cell: (i) => count(i.packets), by: (i) => i.packets }, { name: 'Octets', cell: (i) => octets(i.bytes), by: (i) => i.bytes },
  { name: 'From', cell: (i) => dated(page, i.first_ms), by: (i) => i.first_ms ?? 0 }, { name: 'To', cell: (i) => dated(page, i.last_ms), by: (i) => i.last_ms ?? 0 },
  { name: 'Worth knowing', left: true, cell: (i) => h('span.notes', null, i.error) },
  { name: 'Actions', cell: (i) => h('button.btn.icon.quiet', { title: 'Forget', 'aria-label': `Forget ${nameOf(i.path)}`, onclick: () => forget(page, i) }, icon('trash-2')) },
], rows);

/** @param {import('../main.js').Page} page */
export const imports = (page) => panel(page, {
  title: 'Imports', sub: 'Old archives of flow-tools and nfdump, kept from their import on', optional: true, height: 160, isEmpty: () => false,
  load: async (signal) => ({ ...await get('imports', {}, signal), ...await get('imports/jobs', {}, signal) }),
  acts: [h('button.btn.act-text', { onclick: () => choose(page) }, icon('plus'), 'Import files')],
  make: (body) => {
    const now = h('div', { css: { 'margin-bottom': '12px' } }), all = h('div');
    body.append(now, all);
    let timer = 0;
    const paint = (jobs) => {
      now.replaceChildren(...(jobs.length ? job(page, jobs[0]) : []).filter(Boolean));
      clearTimeout(timer);
      if (jobs[0]?.state === 'running') timer = window.setTimeout(follow, 700);
    };
    async function follow() {
      if (!body.isConnected) return;
      const { jobs } = await get('imports/jobs').catch(() => ({ jobs: null }));
      if (!jobs) timer = window.setTimeout(follow, 3000);
      else if (jobs[0]?.state === 'running') paint(jobs);
      else page.refresh();
    }
    return { update: (d) => {
      paint(d.jobs);
      const rows = d.imports.filter((i) => i.state !== 'forgotten');
      const more = d.totals.files > rows.length ? `; the newest ${count(rows.length)}:` : '';
      all.replaceChildren(...(rows.length ? [h('div.prose', null, `${d.totals.files === 1 ? '1 file is' : `${count(d.totals.files)} files are`} in: ${count(d.totals.flows)} flows, ${count(d.totals.packets)} packets, ${octets(d.totals.bytes)}${more}`), list(page, rows, d.jobs[0]?.state === 'running')]
        : [state('database', 'Nothing has been imported', d.folder ? `Files below ${d.folder} can be imported here.` : 'Name a folder as import.folder in the configuration, or use the command nfstats import.')]));
    } };
  },
});
