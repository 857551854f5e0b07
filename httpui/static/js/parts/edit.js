// Forms: what the server says about a field stands at the field.
import { h } from '../dom.js';
import { send } from '../api.js';
import { show, toast } from '../ui.js';

/**
 * @typedef {{key: string, label: string, value?: string|number|boolean|null, type?: string, options?: [string, string][], hint?: string, when?: (values: Record<string, any>) => boolean}} Field
 *
 * A form in a dialog. save gets the values; where it is refused, each field shows its message.
 * @param {string} title
 * @param {Field[]} fields
 * @param {(values: Record<string, any>) => Promise<any>} save
 * @param {string} verb  on the button
 * @param {string} said  when it is done
 */
export function form(title, fields, save, verb = 'Save', said = 'Saved') {
  const inputs = new Map();
  const rows = fields.map((f) => {
    const input = f.options ? h('select', { 'aria-label': f.label }, f.options.map(([v, n]) => h('option', { value: v, selected: v === String(f.value ?? '') }, n)))
      : f.type === 'textarea' ? h('textarea', { 'aria-label': f.label, rows: 3, spellcheck: 'false' }, String(f.value ?? ''))
      : h('input', { 'aria-label': f.label, type: f.type ?? 'text', value: f.type === 'checkbox' ? 'on' : f.value ?? '', checked: f.type === 'checkbox' && f.value === true, autocomplete: f.type === 'password' ? 'new-password' : 'off', spellcheck: 'false' });
    const error = h('span.field-error', { role: 'alert', hidden: true });
    inputs.set(f.key, { input, error });
    input.addEventListener('change', arrange);
    return h(f.type === 'checkbox' ? 'label.field.check' : 'label.field', null, h('span', null, f.label), input, f.hint && h('span.muted', null, f.hint), error);
  });
  const values = () => Object.fromEntries(fields.map((f) => { const { input } = inputs.get(f.key); return [f.key, f.type === 'checkbox' ? input.checked : f.type === 'number' ? (input.value === '' ? null : Number(input.value)) : input.value.trim()]; }));
  function arrange() { const v = values(); fields.forEach((f, i) => { rows[i].hidden = f.when ? !f.when(v) : false; }); }
  const general = h('p.field-error', { role: 'alert', hidden: true });
  const submit = h('button.btn.primary', { type: 'submit' }, verb);
  const dialog = show(title, h('form.form', { onsubmit: async (e) => {
    e.preventDefault();
    submit.disabled = true;
    for (const { error } of inputs.values()) error.hidden = true;
    general.hidden = true;
    try {
      await save(values());
      dialog.close();
      toast(said);
    } catch (e) {
      const error = /** @type {any} */ (e);
      const unplaced = Object.entries(error.errors ?? {}).filter(([key, message]) => {
        const at = inputs.get(key) ?? inputs.get(key.split('.').at(-1));
        if (!at) return true;
        at.error.textContent = message;
        at.error.hidden = false;
        at.input.setAttribute('aria-invalid', 'true');
        return false;
      });
      if (unplaced.length || !Object.keys(error.errors ?? {}).length) {
        general.textContent = unplaced.map(([k, m]) => `${k}: ${m}`).join('; ') || error.message;
        general.hidden = false;
      }
    } finally {
      submit.disabled = false;
    }
  } }, rows, general, h('div.row', null, submit)));
  arrange();
}

/** Asks before something goes. */
export function confirm(title, text, verb, run) {
  const problem = h('p.field-error', { role: 'alert', hidden: true });
  const dialog = show(title, h('p', null, text), problem, h('div.row', null, h('button.btn', { onclick: () => dialog.close() }, 'Keep'), h('button.btn.danger', { onclick: () => run().then(() => dialog.close(), (error) => { problem.textContent = error.message; problem.hidden = false; }) }, verb)));
}

export const ROLES = /** @type {[string, string][]} */ ([['', 'not set'], ['uplink', 'Uplink'], ['peer', 'Peer'], ['customer', 'Customer'], ['internal', 'Internal']]);

/** @param {any} i  an interface of GET /interfaces */
export function editInterface(i, done) {
  form(`Interface ${i.if_name || i.name || i.if_index} of ${i.exporter_name || i.exporter}`, [
    { key: 'name', label: 'Name', value: i.name }, { key: 'description', label: 'Description', value: i.description },
    { key: 'role', label: 'Role', value: i.role, options: ROLES, hint: i.suggested_role ? `Looks like ${i.suggested_role}, by the networks whose traffic passes it` : '' },
    { key: 'sampled', label: 'Sampled by the router', value: i.sampled === null ? '' : String(i.sampled), options: [['', `as seen (${i.suggested_sampled ? 'yes' : 'no'})`], ['true', 'yes'], ['false', 'no']] },
    { key: 'sampling_rate_override', label: 'Sampling rate, instead of what the router announces', type: 'number', value: i.sampling_rate_override || '', hint: '1000 for 1:1000; empty to believe the router' },
    { key: 'overhead', label: 'Octets of layer 2 for each packet', type: 'number', value: i.overhead, hint: 'SNMP counts them, flows do not: 18 for Ethernet, 22 with a VLAN tag' },
    { key: 'force', label: 'Scale by SNMP even if the two disagree', type: 'checkbox', value: i.force },
  ], async (v) => {
    const body = { name: v.name, description: v.description, role: v.role, force: v.force, sampled: v.sampled === '' ? null : v.sampled === 'true', sampling_rate_override: v.sampling_rate_override ?? 0 };
    if (v.overhead !== i.overhead) body.overhead = v.overhead;
    await send('PATCH', `interfaces/${encodeURIComponent(i.exporter)}/${i.if_index}`, body);
    done();
  });
}
