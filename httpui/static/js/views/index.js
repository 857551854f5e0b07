// All views, in the order of the navigation; the key is the path. Those that not
// every visit needs are fetched when they are gone to.
import { h } from '../dom.js';
import { loading } from '../ui.js';
import { overview } from './overview.js';
import { time } from './time.js';

/**
 * @typedef {{elements: any[], load: (signal: AbortSignal) => any, close: () => void, again?: () => void, list?: any[]}} Built
 *
 * @typedef {object} View
 * @property {string} title
 * @property {string} icon
 * @property {string} key  goes there after g
 * @property {string} group  of the navigation
 * @property {string[]} [controls]  of the bar above it
 * @property {boolean} [replay]  minute by minute
 * @property {boolean} [unfiltered]  the bar has no filter and no scale
 * @property {boolean} [plain]  has a time range and no bar
 * @property {boolean} [timeless]  has no time range
 * @property {string} [about]  what stands below its title then
 * @property {(page: import('../main.js').Page) => Built} build
 */

/**
 * A view whose module comes with its first load.
 * @param {() => Promise<{build: (page: any) => any}>} module
 * @returns {(page: import('../main.js').Page) => Built}
 */
const fetched = (module) => (page) => {
  const root = h('div.grid', null, loading(300));
  /** @type {Built|null} */
  let view = null;
  return {
    elements: [root], get list() { return view?.list ?? []; }, again: () => view?.again?.(), close: () => view?.close(),
    async load(signal) {
      if (!view) {
        const { build } = await module();
        if (signal.aborted) return;
        view = build(page);
        root.replaceChildren(...view?.elements ?? []);
      }
      await view?.load(signal);
    },
  };
};

/** @type {Record<string, View>} */
export const VIEWS = {
  '': overview, time,
  common: { title: 'Common stats', icon: 'chart-pie', key: 's', group: 'Traffic', controls: ['direction', 'threshold'], replay: true, build: fetched(() => import('./common.js')) },
  as: { title: 'BGP AS', icon: 'waypoints', key: 'a', group: 'Traffic', controls: ['direction', 'src', 'dst', 'threshold', 'top15'], replay: true, build: fetched(() => import('./paths.js').then((m) => ({ build: m.as }))) },
  interface: { title: 'Interface', icon: 'cable', key: 'i', group: 'Traffic', controls: ['interface', 'threshold', 'top15'], replay: true, build: fetched(() => import('./paths.js').then((m) => ({ build: m.iface }))) },
  addresses: { title: 'IP addresses', icon: 'chart-bar-big', key: 'b', group: 'Traffic', controls: ['side', 'direction', 'in_if', 'out_if', 'as', 'port', 'proto', 'top20', 'rows'], replay: true, build: fetched(() => import('./addresses.js')) },
  exporters: { title: 'Exporters', icon: 'router', key: 'e', group: 'Network', plain: true, build: fetched(() => import('./exporters.js')) },
  interfaces: { title: 'Interfaces', icon: 'cable', key: 'n', group: 'Network', plain: true, build: fetched(() => import('./interfaces.js')) },
  trust: { title: 'Trust', icon: 'shield-check', key: 'u', group: 'Network', controls: ['interface'], unfiltered: true, build: fetched(() => import('./trust.js')) },
  sql: { title: 'SQL', icon: 'terminal', key: 'q', group: 'System', timeless: true, about: 'Read-only, over the tables that the charts come from', build: fetched(() => import('./sql.js')) },
  system: { title: 'System', icon: 'activity', key: 'y', group: 'System', timeless: true, about: 'The daemon, its storage and its journal', build: fetched(() => import('./system.js')) },
  settings: { title: 'Settings', icon: 'settings-2', key: 'x', group: 'System', timeless: true, about: 'Hosts, their SNMP access, interfaces and imports', build: fetched(() => import('./settings.js')) },
};
