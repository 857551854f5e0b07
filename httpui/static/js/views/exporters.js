// Exporters: health, loss, templates, sampling, clock; and why there is nothing to see.
import { h } from '../dom.js';
import { get } from '../api.js';
import { span } from '../state.js';
import { ago, count, percent, si, spell } from '../format.js';
import { panel, panels } from '../parts/panel.js';
import { keyCell, table } from '../parts/table.js';
import { show, state } from '../ui.js';

/** What an exporter sent that no network can have carried, in words; '' for none. */
const absurd = (e) => (e.implausible
  ? `${count(e.implausible)} flow records that no network can have carried: left out of charts`
  : '');

/** What is worth knowing of an exporter, of the time range first. */
const notes = (e) => [absurd(e), ...troubles(e.live)].filter(Boolean);

/** Problems of an exporter in words. */
export function troubles(live) {
  if (!live) return ['silent since the daemon started'];
  const c = live.counters, out = [];
  if (live.waiting_sets) out.push(`${live.waiting_sets} data sets wait for their template`);
  if (c.dropped.unknown_template) out.push(`${c.dropped.unknown_template} data sets lost: their template never came`);
  for (const [reason, n] of Object.entries(c.dropped)) if (reason !== 'unknown_template') out.push(`${n} × ${reason.replaceAll('_', ' ')}`);
  const lost = c.sequence_missing - c.sequence_late;
  if (lost > 0) out.push(`${lost} lost on the way (sequence numbers)`);
  if (c.sampling_rate_unknown) out.push('no sampling rate announced: counted as 1:1');
  if (Math.abs(live.clock_skew_ms) > 60000) out.push(`its clock is ${spell(Math.abs(live.clock_skew_ms) / 1000)} ${live.clock_skew_ms < 0 ? 'behind' : 'ahead'}`);
  return out;
}

/** Share of what was sent that did not come in, by sequence numbers: of flows or of datagrams, as the version counts. */
function loss(live) {
  const c = live.counters, missing = Math.max(0, c.sequence_missing - c.sequence_late);
  const seen = live.domains.every((x) => x.version === 9) ? c.datagrams : c.flows;
  return missing / (missing + seen || 1);
}

/** Why there are no flows, in words, from what the decoder and the store say. */
function whyEmpty(status, d) {
  const live = d.exporters.filter((e) => e.live);
  if (status.problems.length) return status.problems.join('; ');
  if (!live.length) return `No datagram has come in since the daemon started. It listens on UDP ${status.receiving.join(', ')}: check the router's export destination, and firewalls on the way (tcpdump -ni any udp port ${status.receiving[0]?.split(':').at(-1) ?? 2055}).`;
  const waits = live.filter((e) => e.live.waiting_sets || e.live.counters.dropped.unknown_template);
  if (waits.length) return `${waits.map((e) => e.name || e.address).join(', ')} sends data, but its templates have not come yet. Routers repeat them; lower the template timeout to 60 seconds.`;
  if (status.journal?.reason) return `Flows are received, and wait to be stored: ${status.journal.reason}`;
  return 'Exporters send, but no flow ended within this time range. Flows arrive when the router\'s active timeout ends them.';
}

/** How far a clock is off: '0.3 s', '−4 days'. */
export function skew(ms) {
  const seconds = Math.abs(ms) / 1000;
  if (seconds < 60) return `${(Math.round(ms / 100) / 10 || 0).toFixed(1).replace('-', '−')} s`;
  return (ms < 0 ? '−' : '') + spell(seconds).replace(/(?<=^\d+ \w+) .*/, '');
}

const templatesOf = (e) => e.live.domains.reduce((n, d) => n + d.templates, 0);

/** The newest sampling rates in force: '1:1000 announced in options'. */
function sampling(live) {
  const all = [...new Set((live?.sampling ?? live?.sampling_rates ?? []).map((s) => (s.origin === 'unknown' ? 'none announced: counted as 1:1' : `${s.rate ? `1:${s.rate}` : 'unknown'}${s.origin ? ` (${String(s.origin).replaceAll('_', ' ')})` : ''}`)))];
  return all.slice(0, 3).join(', ') || '–';
}

async function templates(e) {
  const dialog = show(`Templates of ${e.name || e.address}`, h('p.muted', null, 'Loading…'));
  try {
    const d = await get(`exporters/${encodeURIComponent(e.address)}/templates`);
    const list = d.templates ?? d;
    dialog.lastElementChild.replaceWith(table('Templates', [
      { name: 'Id', cell: (t) => String(t.id ?? t.template_id), by: (t) => t.id ?? t.template_id }, { name: 'Domain', cell: (t) => String(t.domain ?? t.observation_domain ?? '') },
      { name: 'Version', cell: (t) => (t.version === 10 ? 'IPFIX' : `v${t.version}`) }, { name: 'Records', cell: (t) => count(t.records ?? 0), by: (t) => t.records ?? 0 },
      { name: 'Fields', left: true, cell: (t) => h('span.notes', null, (t.fields ?? []).map((f) => `${f.name || f.id} (${f.length})`).join(', ')) },
    ], list));
    dialog.classList.add('wide');
  } catch (e) {
    const error = /** @type {any} */ (e);
    dialog.lastElementChild.replaceWith(h('p', null, error.message));
  }
}

/** @param {import('../main.js').Page} page */
export function build(page) {
  const { st } = page;
  const seen = (e) => Math.max(e.last_seen_ms, e.live?.last_seen_ms ?? 0);
  return panels(panel(page, {
    title: 'Exporters', sub: 'Who sent flows in this time or since the daemon started', isEmpty: () => false, height: 200,
    load: async (signal) => {
      const [d, status] = await Promise.all([get('exporters', span(st), signal), get('status', {}, signal)]);
      return { ...d, status };
    },
    csv: (d) => [['address', 'name', 'last_seen', 'flows', 'octets', 'notes'], ...d.exporters.map((e) => [e.address, e.name, new Date(seen(e)).toISOString(), e.flows, e.octets, notes(e).join('; ')])],
    make: (body) => ({ update: (d) => {
      const time = d.to - d.from, nothing = d.exporters.every((e) => e.flows === 0);
      body.replaceChildren(...[nothing && state('info', 'Why is this empty?', whyEmpty(d.status, d)), d.exporters.length && h('div.tight', null, table('Exporters', [
        { name: 'Exporter', cell: (e) => h('a', { href: page.href({ view: '', exporter: e.address }), 'data-go': '' }, keyCell(e.name || e.address, { note: e.name ? e.address : '' })), by: (e) => e.name || e.address },
        { name: 'Sends', left: true, cell: (e) => [...new Set((e.live?.domains ?? []).map((x) => (x.version === 10 ? 'IPFIX' : `v${x.version}`)))].join(', ') || '–' },
        { name: 'Last seen', cell: (e) => ago(seen(e), st.tz), by: seen }, { name: 'Flow records', cell: (e) => count(e.flows), by: (e) => e.flows }, { name: 'Rate', cell: (e) => si(e.flows / time, 'fps'), by: (e) => e.flows },
        { name: 'Traffic', strong: true, cell: (e) => si(e.octets * 8 / time, 'bps'), by: (e) => e.octets }, { name: 'Sampling', left: true, cell: (e) => h('span.notes.short', null, sampling(e.live)) },
        { name: 'Lost', cell: (e) => (e.live ? percent(loss(e.live)) : '–'), by: (e) => (e.live ? loss(e.live) : 0) },
        { name: 'Templates', cell: (e) => (e.live ? h('button.link', { title: `Templates of ${e.name || e.address}`, 'aria-label': `${count(templatesOf(e))} templates of ${e.name || e.address}`, onclick: () => templates(e) }, count(templatesOf(e))) : '–') },
        { name: 'Clock', cell: (e) => (e.live ? skew(e.live.clock_skew_ms) : '–'), by: (e) => e.live?.clock_skew_ms ?? 0 },
        { name: 'Worth knowing', left: true, cell: (e) => h('span.notes', null, notes(e).join('; ') || 'all well') },
      ], d.exporters))].filter(Boolean));
    } }),
  }));
}
