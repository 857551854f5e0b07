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

/** '[2001:db8::1]:2055' → '2001:db8::1' */
const hostOf = (address) => address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');

/**
 * Lines for one router, with what is known filled in.
 * @param {{id: string, name: string, text: string}[]} routers
 * @param {string[]} receiving
 */
function choose(routers, receiving) {
  const router = h('select', null, routers.map((r) => h('option', { value: r.id }, r.name)));
  const where = h('select', null, (receiving.length ? receiving : ['192.0.2.1:2055']).map((a) => h('option', null, a)));
  const from = h('input', { type: 'text', placeholder: 'any', autocomplete: 'off', spellcheck: 'false' });
  const rate = h('input', { type: 'number', min: '1', max: '65535', value: '1000' });
  const lines = h('pre', { tabindex: '0', 'aria-label': 'configuration' });
  const show = () => {
    const host = hostOf(where.value), port = where.value.slice(where.value.lastIndexOf(':') + 1);
    const text = routers.find((r) => r.id === router.value)?.text ?? '';
    lines.textContent = text.replaceAll('{address}:{port}', where.value).replaceAll('{address}', host).replaceAll('{port}', port).replaceAll('{rate}', rate.value || '1000');
  };
  for (const el of [router, where, rate]) el.addEventListener('input', show);
  // Which of this machine's addresses a router can reach is what this machine would answer it from.
  from.addEventListener('change', async () => {
    from.setCustomValidity('');
    try {
      const { local_address: local } = from.value.trim() ? await get('setup', { router: from.value.trim() }) : { local_address: '' };
      const reached = receiving.find((a) => hostOf(a) === local);
      if (reached) where.value = reached;
      else if (local) from.setCustomValidity(`This machine would answer from ${local}, where it receives no flows`);
      show();
    } catch (error) {
      from.setCustomValidity(/** @type {Error} */ (error).message);
    }
    from.reportValidity();
  });
  router.value = 'cisco-ios-xe';
  show();
  return h('div.recipes', null, h('section', null, h('div.choices', null, h('label.select', null, h('span', null, 'Router'), router, icon('chevron-down')),
    receiving.length > 1 && h('label.select.text', null, h('span', null, 'at address'), from),
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
