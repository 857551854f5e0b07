// Dimensions: what they are called, how their values read and are filtered for.
export const DIMENSIONS = {
  src_as: 'Source AS', dst_as: 'Destination AS', in_if: 'Input interface', out_if: 'Output interface', exporter: 'Exporter',
  proto: 'Protocol', etype: 'IP version', src_addr: 'Source address', dst_addr: 'Destination address', src_port: 'Source port', dst_port: 'Destination port',
  src_net: 'Source prefix', dst_net: 'Destination prefix', next_hop: 'Next hop', tcp_flags: 'TCP flags', ip_tos: 'Type of service',
  src_vlan: 'Source VLAN', dst_vlan: 'Destination VLAN', flow_direction: 'Observed at', sampling_rate: 'Sampling rate', type: 'Flow protocol', source: 'Import', collector: 'Collector',
};
/** In the middle of a sentence: Source AS → source AS, TCP flags stay. */
export const lower = (by) => DIMENSIONS[by].replace(/^[A-Z](?=[a-z])/, (c) => c.toLowerCase());

export const PROTOCOLS = { 1: 'ICMP', 2: 'IGMP', 4: 'IPv4 in IP', 6: 'TCP', 17: 'UDP', 41: 'IPv6 in IP', 47: 'GRE', 50: 'ESP', 51: 'AH', 58: 'ICMPv6', 89: 'OSPF', 103: 'PIM', 112: 'VRRP', 132: 'SCTP' };
const PORTS = { 20: 'ftp-data', 21: 'ftp', 22: 'ssh', 25: 'smtp', 53: 'domain', 80: 'http', 110: 'pop3', 123: 'ntp', 143: 'imap', 161: 'snmp', 179: 'bgp', 389: 'ldap', 443: 'https', 445: 'smb', 465: 'smtps', 587: 'submission', 853: 'dns over tls', 993: 'imaps', 1194: 'openvpn', 1900: 'ssdp', 3306: 'mysql', 3389: 'rdp', 3478: 'stun', 4500: 'ipsec nat-t', 5060: 'sip', 5432: 'postgresql', 8080: 'http-alt', 8443: 'https-alt', 51820: 'wireguard' };
const FLAGS = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr'];

/** 18 → 'syn ack' */
export const tcpFlags = (bits) => FLAGS.filter((_, i) => bits & (1 << i)).join(' ') || 'none';
export const isAS = (by) => by === 'src_as' || by === 'dst_as';
export const isAddress = (by) => by === 'src_addr' || by === 'dst_addr';
export const isInterface = (by) => by === 'in_if' || by === 'out_if';

/**
 * What a row of an answer is called, and the smaller text beside it.
 * @param {string} by
 * @param {{value: string, name?: string, other?: boolean}} row
 */
export function named(by, row) {
  const { value, name = '' } = row;
  if (row.other) return { label: 'Other', note: '' };
  if (isAS(by)) return value === '0' ? { label: 'AS unknown', note: 'AS 0' } : { label: name || `AS${value}`, note: name ? `AS${value}` : '' };
  if (isInterface(by)) return interfaceName(value, name);
  switch (by) {
    case 'proto': return { label: PROTOCOLS[value] ?? `Protocol ${value}`, note: value };
    case 'etype': return { label: { 2048: 'IPv4', 34525: 'IPv6' }[value] ?? `0x${Number(value).toString(16)}`, note: '' };
    case 'src_port': case 'dst_port': return { label: value, note: PORTS[value] ?? '' };
    case 'tcp_flags': return { label: tcpFlags(Number(value)), note: value };
    case 'flow_direction': return { label: { 0: 'Ingress', 1: 'Egress' }[value] ?? 'Not told', note: '' };
    case 'sampling_rate': return { label: value === '0' ? 'unknown' : `1:${value}`, note: '' };
    case 'source': return { label: value || 'Live', note: '' };
    case 'collector': return { label: value || 'This one', note: '' };
    default: return { label: name || value, note: name ? value : '' };
  }
}

const interfaces = new Map();
/** Descriptions of interfaces, which answers of queries do not have. */
export function knowInterfaces(list) {
  for (const i of list) interfaces.set(`${i.exporter}/${i.if_index}`, i.description ? `${i.name} · ${i.description}` : i.name);
}

/** 'xe-0/0/1 · Transit: Lumen' reads as its description, with the interface's name beside it. */
export function interfaceName(value, name) {
  const known = interfaces.get(value); // of today: the name of an older flow's interface may be another
  if (known && !name.includes(' · ') && (!name || known.split(' · ')[0] === name)) name = known;
  const [port, ...rest] = name.split(' · ');
  if (value.endsWith('/0') && !name) return { label: 'No interface', note: 'ifIndex 0: the router itself, or dropped' };
  if (rest.length) return { label: rest.join(' · '), note: port };
  return { label: name || `Interface ${value.split('/').at(-1)}`, note: name ? value : value.split('/')[0] };
}

/** The condition that picks a value, in the filter language. */
export function condition(by, value) {
  if (by === 'src_net') return `src_addr in ${value}`;
  if (by === 'dst_net') return `dst_addr in ${value}`;
  if (['type', 'source', 'collector'].includes(by)) return `${by} = ${JSON.stringify(value)}`;
  return /^[\w.:/%-]+$/.test(value) ? `${by} = ${value}` : `${by} = "${value}"`; // an interface by its name may have spaces
}

/** 3 % of a rate as words: '± 3 %'; nothing where all is counted. */
export function plusMinus(error, bits) {
  if (!error || !bits) return '';
  const p = error / bits * 100;
  return `± ${p >= 10 ? Math.round(p) : p >= 0.1 ? p.toFixed(1) : '<0.1'}\u202f%`;
}

/** Words for a value whose error is half of it or more: about 25 sampled packets, or fewer, stand behind it. */
export const fewSamples = (error, bits) => (bits && error >= bits / 2 ? 'rests on a few samples' : '');

/** A filter and one more condition. */
export const and = (filter, more) => (filter.trim() ? `(${filter}) and ${more}` : more);
