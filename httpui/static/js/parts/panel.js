// A card that loads one answer and shows it: waiting, empty, failed and drawn are
// its states, and what it shows stays while a newer answer is on its way.
import { h, icon } from '../dom.js';
import { csv as writeCSV, si } from '../format.js';
import { empty, failed, loading, save, show } from '../ui.js';

/**
 * @typedef {object} Drawing  what make gives: how to show an answer
 * @property {(answer: any) => void} update
 * @property {{png: () => string, close: () => void}} [chart]
 *
 * @typedef {object} Settings
 * @property {string} title
 * @property {string} [sub]
 * @property {string} [label]  for assistive technology and file names, where a title is there twice
 * @property {string} [size]  .s6 and the like, of twelve columns
 * @property {number} [height]  of what stands there until the first answer, pixels
 * @property {(signal: AbortSignal) => Promise<any>} load
 * @property {(body: HTMLElement) => Drawing} make
 * @property {(answer: any) => boolean} [isEmpty]
 * @property {(answer: any) => string} [sql]  that gives the numbers, where the answer does not have it
 * @property {(answer: any) => any[][]} [csv]  its numbers, a heading first
 * @property {(answer: any) => string} [note]  left of the foot
 * @property {boolean} [optional]  not shown where the server has no such API
 * @property {any[]} [acts]  more buttons of the head
 */

/**
 * @param {import('../main.js').Page} page
 * @param {Settings} settings
 */
export function panel(page, settings) {
  const { title, label: spoken = title, sub = '', size = '', height = 300, load, make, isEmpty = (d) => d.rows?.length === 0, sql = (d) => d.meta?.sql ?? d.sql, csv, note, acts = [] } = settings;
  const body = h('div'), foot = h('footer', { hidden: true });
  const subtitle = h('p', null, sub);
  const buttons = h('div.act', null, acts);
  const el = h(`section.card${size}`, { 'aria-label': spoken }, h('header', null, h('div', null, h('h2', null, title), subtitle), buttons), body, foot);
  /** @type {Drawing|null} */
  let drawing = null;
  /** @type {any} */
  let answer = null;
  body.append(loading(height));
  const name = `nfstats-${spoken.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`;
  const act = (label, glyph, run) => h('button.btn.icon.quiet', { title: label, 'aria-label': `${spoken}: ${label}`, onclick: run }, icon(glyph));
  const clear = () => {
    drawing?.chart?.close();
    drawing = null;
    foot.hidden = true;
  };
  function settle(d) {
    answer = d;
    if (isEmpty(d)) {
      clear();
      return body.replaceChildren(empty(page.st, page.go, height));
    }
    if (!drawing) {
      body.replaceChildren();
      drawing = make(body);
      buttons.replaceChildren(...acts, ...[
        sql(d) && act('Show SQL', 'code', () => showSQL(page, title, sql(answer))), csv && act('Data as CSV', 'table-2', () => result.csv()),
        drawing.chart && act('Chart as PNG', 'image', () => result.png())].filter(Boolean));
    }
    drawing.update(d);
    const m = d.meta;
    foot.hidden = !m;
    if (m) foot.replaceChildren(h('span', null, note?.(d) ?? scaleNote(d)), h('span', { css: { 'margin-left': 'auto' } }, `${m.table} · ${si(m.rows_read, '')} rows read · ${m.elapsed_ms} ms`));
  }
  const result = {
    el,
    title: (t, s = '') => { el.querySelector('h2').textContent = t; subtitle.textContent = s; },
    get answer() { return answer; },
    async load(signal) {
      el.classList.add('stale');
      try {
        const d = await load(signal);
        if (!signal.aborted) settle(d);
      } catch (e) {
        const error = /** @type {any} */ (e);
        if (signal.aborted || error.name === 'AbortError') return;
        if (!error.status && error.name !== 'Error') console.error(error);
        page.refused?.(error);
        clear();
        el.hidden = Boolean(settings.optional && error.missing);
        body.replaceChildren(failed(error, () => result.load(page.signal)));
      } finally {
        if (!signal.aborted) el.classList.remove('stale');
      }
    },
    /** Shows its answer once more: names have come. */
    again: () => { if (answer && drawing) settle(answer); },
    png: () => drawing?.chart && save(`${name}.png`, drawing.chart.png()),
    csv: () => answer && csv && save(`${name}.csv`, writeCSV(csv(answer))),
    close: clear,
  };
  return result;
}

/** How numbers were scaled, in the server's words. */
export const scaleNote = (d) => d.scale?.note ?? '';

/** A view made of panels. */
export const panels = (...list) => ({
  elements: list.map((p) => p.el), list, load: (signal) => Promise.all(list.map((p) => p.load(signal))), again: () => list.forEach((p) => p.again()), close: () => list.forEach((p) => p.close()),
});

export function showSQL(page, title, sql) {
  show(`SQL of ${title}`, h('p', null, 'The same numbers, from the read-only SQL access.'), h('pre.code', { tabindex: '0' }, sql),
    h('div.row', null, h('button.btn', { onclick: () => navigator.clipboard.writeText(sql) }, icon('link'), 'Copy'),
      h('a.btn', { href: page.href({ view: 'sql', q: sql }), 'data-go': '' }, icon('code'), 'Open in SQL')));
}
