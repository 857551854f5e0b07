// What a first start shows: how to point routers here.
import { h } from '../dom.js';
import { card } from '../ui.js';

/** @param {string} address  host:port that receives flows */
export function snippets(address) {
  const port = address.slice(address.lastIndexOf(':') + 1);
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  return [
    ['Cisco IOS, IOS XE', `flow exporter NFSTATS
 destination ${host}
 transport udp ${port}
 export-protocol ipfix
 template data timeout 60
 option interface-table timeout 300
 option sampler-table timeout 300
flow monitor NFSTATS
 record netflow ipv4 original-input
 exporter NFSTATS
 cache timeout active 60
interface GigabitEthernet0/0/0
 ip flow monitor NFSTATS input`],
    ['Juniper MX', `set services flow-monitoring version-ipfix template NFSTATS ipv4-template
set services flow-monitoring version-ipfix template NFSTATS flow-active-timeout 60
set services flow-monitoring version-ipfix template NFSTATS template-refresh-rate seconds 60
set forwarding-options sampling instance NFSTATS input rate 1000
set forwarding-options sampling instance NFSTATS family inet output flow-server ${host} port ${port} version-ipfix template NFSTATS
set forwarding-options sampling instance NFSTATS family inet output inline-jflow source-address ROUTER-ADDRESS
set chassis fpc 0 sampling-instance NFSTATS
set interfaces xe-0/0/0 unit 0 family inet sampling input`],
    ['MikroTik RouterOS 7', `/ip traffic-flow set enabled=yes interfaces=all active-flow-timeout=1m
/ip traffic-flow target add dst-address=${host} port=${port} version=ipfix`],
    ['Linux, softflowd', `softflowd -i eth0 -v 10 -t maxlife=60 -n ${host.includes(':') ? `[${host}]` : host}:${port}`],
  ];
}

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
  const recipes = card('Router configuration', 'Lines to paste; adapt interfaces and the sampling rate.');
  recipes.body.append(h('div.recipes', null, snippets(receiving[0] ?? '192.0.2.1:2055').map(([name, text]) => h('section', null, h('h3', null, name), h('pre', { tabindex: '0', 'aria-label': `${name} configuration` }, text)))));
  return [intro.el, recipes.el];
}
