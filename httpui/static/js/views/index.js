// All views, in the order of the navigation; the key is the path.
import { overview } from './overview.js';
import { common } from './common.js';
import { as, iface } from './paths.js';
import { addresses } from './addresses.js';
import { time } from './time.js';
import { exporters } from './exporters.js';
import { interfaces } from './interfaces.js';
import { trust } from './trust.js';
import { sql } from './sql.js';
import { system } from './system.js';
import { settings } from './settings.js';

/**
 * @typedef {object} View
 * @property {string} title
 * @property {string} icon
 * @property {string} key  goes there after g
 * @property {string} group  of the navigation
 * @property {string[]} [controls]  of the bar above it
 * @property {boolean} [replay]  minute by minute
 * @property {boolean} [unfiltered]  the bar has no filter and no scale
 * @property {boolean} [plain]  has a time range and no bar
 * @property {boolean} [still]  does not refresh by itself
 * @property {boolean} [timeless]  has no time range
 * @property {string} [about]  what stands below its title then
 * @property {(page: import('../main.js').Page) => {elements: any[], load: (signal: AbortSignal) => any, close: () => void, list?: any[]}} build
 */

/** @type {Record<string, View>} */
export const VIEWS = { '': overview, time, common, as, interface: iface, addresses, exporters, interfaces, trust, sql, system, settings };
