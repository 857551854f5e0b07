// Minute replay: the views of shares and paths, minute by minute through a range.
import { h, icon } from '../dom.js';
import { span } from '../state.js';
import { offset, stamp } from '../format.js';

const STEP = 60, PAUSE_MS = 1200;
let playing = false, timer = 0;

/** The range that is walked through: what was shown when the replay began. */
export function during(st) {
  const m = /^(\d+)-(\d+)$/.exec(st.during);
  const { from, to } = m ? { from: Number(m[1]), to: Number(m[2]) } : span(st);
  const first = Math.floor(from / STEP) * STEP;
  return { first, last: Math.max(first, Math.ceil(to / STEP) * STEP - STEP) };
}

export function stop() {
  playing = false;
  clearTimeout(timer);
}

/** The next minute after the present one was shown. */
export function played({ st, go }) {
  clearTimeout(timer);
  if (!playing) return;
  timer = setTimeout(() => {
    const { last } = during(st);
    if (st.from + STEP > last) {
      stop();
      return go({});
    }
    go({ from: st.from + STEP, to: st.from + 2 * STEP, during: st.during });
  }, PAUSE_MS);
}

/** @param {import('../main.js').Page} page */
export function replay({ st, go }) {
  const { first, last } = during(st);
  const running = Boolean(st.during);
  const show = (at) => { const t = Math.min(last, Math.max(first, at)); go({ from: t, to: t + STEP, during: `${first}-${last + STEP}` }); };
  const button = (glyph, label, run, id = '') => h('button.btn.icon.quiet', { id: id || null, title: label, 'aria-label': label, onclick: run }, icon(glyph));
  const at = running ? st.from : first;
  const zone = offset(at, st.tz) ? '' : ' UTC';
  return h('div.replay', { role: 'group', 'aria-label': 'Minute replay' },
    button(playing ? 'pause' : 'play', playing ? 'Pause the replay' : 'Replay minute by minute', () => {
      if (playing) {
        stop();
        return go({});
      }
      playing = true;
      show(running && st.from < last ? st.from : first);
    }, 'play'),
    running && button('arrow-left', 'One minute earlier', () => { stop(); show(at - STEP); }),
    running && h('input', { type: 'range', id: 'minute', min: first, max: last, step: STEP, value: at, 'aria-label': 'Minute', 'aria-valuetext': stamp(at, st.tz), onchange: (e) => { stop(); show(Number(e.target.value)); } }),
    running && button('arrow-right', 'One minute later', () => { stop(); show(at + STEP); }),
    running && h('span.muted', null, `${stamp(at, st.tz)}${zone}`),
    running && h('button.btn.quiet', { onclick: () => { stop(); go({ from: first, to: last + STEP, during: '' }); } }, 'Whole range'));
}
