package calibration

import "strings"

// A vendor's way of saying things.
type vendor struct {
	name string
	mark string // in sysDescr, lower case
}

// vendors are looked for in order: IOS XR's and IOS XE's descriptions say IOS, too.
var vendors = []vendor{
	{"junos", "junos"}, {"iosxr", "ios xr"}, {"nxos", "nx-os"}, {"ios", "ios"},
	{"huawei", "huawei"}, {"routeros", "routeros"}, {"eos", "arista"}, {"sros", "timos"},
}

// fixLines are the configuration lines that repair a finding. The line of
// vendor "" is for everybody else.
var fixLines = map[Kind]map[string]string{
	KindNoSNMP: {"": "Add the device's SNMP credentials (Devices), and allow nfstats to read IF-MIB."},
	KindNoFlows: {
		"":         "Enable flow export at this interface, for IPv4 and IPv6.",
		"junos":    "set interfaces <interface> unit <n> family inet sampling input (and family inet6)",
		"iosxr":    "interface <interface> flow ipv4 monitor <monitor> sampler <sampler> ingress (and flow ipv6)",
		"ios":      "interface <interface> / ip flow monitor <monitor> sampler <sampler> input (and ipv6 flow monitor)",
		"nxos":     "interface <interface> / ip flow monitor <monitor> input sampler <sampler>",
		"huawei":   "interface <interface> / ip netstream inbound / ip netstream sampler fix-packets <n> inbound",
		"routeros": "/ip traffic-flow set enabled=yes interfaces=<interface>",
		"eos":      "interface <interface> / flow tracker sampled <tracker>",
		"sros":     "configure router interface <interface> cflowd-parameters sampling unicast type interface",
	},
	KindNotSampled: {
		"":       "Sample ingress at every interface where traffic enters the router: then both directions of each are complete, and nothing is counted twice.",
		"junos":  "set interfaces <every interface> unit <n> family inet sampling input (and family inet6)",
		"iosxr":  "on every interface: flow ipv4 monitor <monitor> sampler <sampler> ingress (and flow ipv6)",
		"ios":    "on every interface: ip flow monitor <monitor> sampler <sampler> input (and ipv6 flow monitor)",
		"huawei": "on every interface: ip netstream inbound / ip netstream sampler fix-packets <n> inbound",
		"eos":    "on every interface: flow tracker sampled <tracker>",
	},
	KindRateMissing: {
		"":         "Accept the suggested rate here, or let the router announce it (options data).",
		"junos":    "set forwarding-options sampling instance <name> input rate <n>; announce it: set services flow-monitoring version-ipfix template <name> option-refresh-rate seconds 60",
		"iosxr":    "flow exporter-map <map> / version v9 / options sampler-table timeout 60",
		"ios":      "flow exporter <exporter> / option sampler-table timeout 60",
		"huawei":   "ip netstream export version 9, ip netstream export template option sampler",
		"routeros": "/ip traffic-flow set packet-sampling=yes sampling-interval=1 sampling-space=<n-1>",
	},
	KindRateWrong: {
		"":      "Accept the suggested rate here, or correct the rate that the router announces.",
		"junos": "Check that every FPC uses the instance: show forwarding-options sampling; set chassis fpc <n> sampling-instance <name>",
	},
	KindBothExported: {
		"":      "Export ingress only, at every interface.",
		"junos": "delete interfaces <interface> unit <n> family inet sampling output (and family inet6)",
		"iosxr": "on every interface: no flow ipv4 monitor <monitor> sampler <sampler> egress",
		"ios":   "on every interface: no ip flow monitor <monitor> sampler <sampler> output",
	},
	KindLost: {
		"": "Find where: /metrics counts kernel drops (raise net.core.rmem_max), sequence gaps mean loss between router and nfstats (policers, a full link, the router's export queue).",
	},
	KindUnstable: {
		"":      "Look at the router's flow cache: entries that do not fit are not exported. A higher sampling rate or a shorter inactive timeout relieves it.",
		"junos": "show services accounting errors inline-jflow fpc-slot <n>; raise: set chassis fpc <n> inline-services flow-table-size ipv4-flow-table-size <units>",
		"iosxr": "show flow monitor <monitor> cache summary location <node>; raise: flow monitor-map <map> cache entries <n>",
		"ios":   "show flow monitor <monitor> cache statistics; raise: flow monitor <monitor> / cache entries <n>",
	},
	KindPartial: {
		"":      "Sample IPv4 and IPv6 (and MPLS) ingress at every interface.",
		"junos": "set interfaces <every interface> unit <n> family inet sampling input (and family inet6, family mpls)",
		"iosxr": "on every interface: flow ipv4|ipv6|mpls monitor <monitor> sampler <sampler> ingress",
		"ios":   "on every interface: ip flow monitor <monitor> sampler <sampler> input and ipv6 flow monitor <monitor> sampler <sampler> input",
	},
}

// fixFor returns the line for a finding on a system, "" where nothing needs to be done.
func fixFor(kind Kind, system string) string {
	lines := fixLines[kind]
	system = strings.ToLower(system)
	for _, v := range vendors {
		if strings.Contains(system, v.mark) {
			if line, ok := lines[v.name]; ok {
				return line
			}
			break
		}
	}
	return lines[""]
}
