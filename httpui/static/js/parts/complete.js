// Inputs that the server completes while somebody types: AS numbers and interfaces.
import { h } from '../dom.js';
import { get } from '../api.js';
import { interfaceName } from '../dims.js';

let lists = 0;

/**
 * @param {string} label
 * @param {'as'|'interface'} what
 * @param {string} value
 * @param {(value: string) => void} set  called with a value, or '' when emptied
 * @param {string} [hint]  where it is empty
 */
export function completed(label, what, value, set, hint = what === 'as' ? 'any' : 'number or name') {
  const list = h('datalist', { id: `list-${++lists}` });
  const input = h('input', { type: 'text', list: list.id, value: value && what === 'interface' ? interfaceName(value, '').label : value, title: value || null, placeholder: hint, autocomplete: 'off', spellcheck: 'false', 'aria-label': label });
  let timer = 0, found = [];
  const ask = async () => {
    found = await get('complete', { what, q: input.value.replace(/^AS(?=\d)/i, '') }).catch(() => []);
    list.replaceChildren(...found.map((f) => h('option', { value: f.value, label: what === 'as' ? `${f.name} · AS${f.value}` : f.name })));
  };
  input.addEventListener('focus', ask, { once: true });
  input.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(ask, 150); });
  input.addEventListener('change', async () => {
    const text = input.value.trim().replace(/^AS(?=\d)/i, '');
    if (text === '' || /^\d+$/.test(text) && what === 'as' || /^[0-9a-fA-F.:]+\/\d+$/.test(text)) return set(text);
    await ask();
    if (found.length) return set(found[0].value);
    input.setCustomValidity('Nothing has this name');
    input.reportValidity();
    input.setCustomValidity('');
  });
  return h('label.select.text', null, h('span', null, label), input, list);
}
