// What a first start shows: how to point routers here.
import { get } from '../api.js';
import { h, icon } from '../dom.js';
import { card, toast } from '../ui.js';

/**
 * @param {import('../main.js').Page} page
 * @param {string[]} receiving  addresses of this machine that receive flows
 */
export function start(page, receiving) {
  const intro = card('No flows yet', 'This page switches to the charts when the first flow arrives.');
  intro.body.append(h('div.prose', null, h('p', null, 'Point the NetFlow v5, v9 or IPFIX export of your routers to ', receiving.length > 1 ? 'one of these addresses:' : 'this address:'),
    h('ul.addresses', null, receiving.map((a) => h('li', null, h('code', null, `UDP ${a}`)))),
    h('p', null, 'Every version is understood on every port.', receiving.some((x) => /^127\.|^\[::1\]/.test(x)) && ' Addresses 127.0.0.1 and ::1 are reached from this machine only.'),
    h('div.row', null, h('a.btn.primary', { href: page.href({ view: 'settings' }), 'data-go': '' }, 'Add hosts and SNMP'), h('a.btn', { href: page.href({ view: 'exporters' }), 'data-go': '' }, 'Why is this empty?'))));
  const recipes = card('Router configuration', 'Lines to paste; adapt interfaces, names in capitals and the sampling rate.');
  const fill = async () => recipes.body.append(choose((await get('setup')).routers, receiving));
  fill().catch((failure) => recipes.body.append(h('p.problem', null, failure.message)));
  return [intro.el, recipes.el];
}

/**
 * Lines for one router, with what is known filled in.
 * @param {{id: string, name: string, text: string}[]} routers
 * @param {string[]} receiving
 */
function choose(routers, receiving) {
  const router = h('select', null, routers.map((r) => h('option', { value: r.id }, r.name)));
  const where = h('select', null, (receiving.length ? receiving : ['192.0.2.1:2055']).map((a) => h('option', null, a)));
  const rate = h('input', { type: 'number', min: '1', max: '65535', value: '1000' });
  const lines = h('pre', { tabindex: '0', 'aria-label': 'configuration' });
  const show = () => {
    const at = where.value.lastIndexOf(':');
    const host = where.value.slice(0, at).replace(/^\[|\]$/g, '');
    const text = routers.find((r) => r.id === router.value)?.text ?? '';
    lines.textContent = text.replaceAll('{address}:{port}', where.value).replaceAll('{address}', host).replaceAll('{port}', where.value.slice(at + 1)).replaceAll('{rate}', rate.value || '1000');
  };
  for (const el of [router, where, rate]) el.addEventListener('input', show);
  router.value = 'cisco-ios-xe';
  show();
  return h('div.recipes', null, h('section', null, h('div.choices', null, h('label.select', null, h('span', null, 'Router'), router, icon('chevron-down')),
    h('label.select', null, h('span', null, 'sends to'), where, icon('chevron-down')), h('label.select.text.short', null, h('span', null, 'one packet of'), rate),
    h('button.btn', { onclick: () => copy(lines) }, 'Copy')), lines));
}

/**
 * Copies a text. Without TLS, browsers have a clipboard for pages of this machine only;
 * elsewhere the text is selected and copied as if by hand.
 * @param {HTMLElement} el
 */
async function copy(el) {
  try {
    await navigator.clipboard.writeText(el.textContent ?? '');
    return toast('Copied');
  } catch {
    getSelection()?.selectAllChildren(el);
    toast(document.execCommand('copy') ? 'Copied' : 'Selected; copy it with the keyboard');
  }
}
