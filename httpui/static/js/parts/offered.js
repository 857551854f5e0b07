// Lists of interfaces: routers have many that nobody cares about.
import { h } from '../dom.js';

/**
 * Shows the interfaces that have a description, and the others when they are asked for; all, where none has one.
 * @param {HTMLElement} body
 * @param {(interfaces: any[]) => Node} draw
 */
export function offered(body, draw) {
  let all = false, list = /** @type {any[]} */ ([]);
  const show = () => {
    const some = list.filter((i) => i.offered);
    if (!some.length || some.length === list.length) return body.replaceChildren(draw(list));
    const label = all ? `Only the ${some.length} with a description` : `All ${list.length}, also those without a description`;
    body.replaceChildren(draw(all ? list : some), h('div.more', null, h('button.btn.act-text', { onclick: () => { all = !all; show(); } }, label)));
  };
  return (/** @type {any[]} */ interfaces) => { list = interfaces; show(); };
}
