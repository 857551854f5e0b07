package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A dimension is what traffic can be split by.
type dimension struct {
	columns []string          // of the tables
	keys    []string          // expressions over the columns that make a group
	value   string            // what the group is called in the API: an expression over %[1]s, %[2]s, the keys' names
	name    string            // what people call it, likewise; %[3]s is the database
	names   map[string]string // or: by value
}

const (
	plainAddress = `replaceRegexpOne(toString(%s), '^::ffff:([0-9]+\\.)', '\\1')` // IPv4 without its prefix
	asName       = `dictGetOrDefault('%[3]s.as_name', 'name', toUInt64(%[1]s), '')`
	exporterName = `dictGetOrDefault('%[3]s.exporter', 'name', tuple(%[1]s), '')`
	ifaceName    = `dictGetOrDefault('%[3]s.interface', 'name', tuple(%[1]s, %[2]s), '')`
)

// column is a dimension that is one column with nothing to it.
func column(name string) dimension {
	return dimension{columns: []string{name}, keys: []string{name}, value: "toString(%[1]s)"}
}

func addressColumn(name string) dimension {
	return dimension{columns: []string{name}, keys: []string{name}, value: fmt.Sprintf(plainAddress, "%[1]s")}
}

func asColumn(name string) dimension {
	d := column(name)
	d.name = asName
	return d
}

func interfaceColumn(name string) dimension {
	return dimension{columns: []string{"exporter_addr", name}, keys: []string{"exporter_addr", name},
		value: "concat(" + fmt.Sprintf(plainAddress, "%[1]s") + ", '/', toString(%[2]s))", name: ifaceName}
}

// prefixColumn groups addresses by the prefix that the exporter routed them by.
func prefixColumn(address, length string) dimension {
	first := fmt.Sprintf("tupleElement(IPv6CIDRToRange(%[1]s, toUInt8(least(128, %[2]s + if(%[1]s BETWEEN toIPv6('::ffff:0.0.0.0') AND toIPv6('::ffff:255.255.255.255'), 96, 0)))), 1)", address, length)
	return dimension{columns: []string{address, length}, keys: []string{first, length},
		value: "concat(" + fmt.Sprintf(plainAddress, "%[1]s") + ", '/', toString(%[2]s))"}
}

func namedColumn(name string, names map[string]string) dimension {
	d := column(name)
	d.names = names
	return d
}

// dimensions are all that traffic can be split by.
var dimensions = map[string]dimension{
	"src_as": asColumn("src_as"), "dst_as": asColumn("dst_as"),
	"in_if": interfaceColumn("in_if"), "out_if": interfaceColumn("out_if"),
	"exporter": {columns: []string{"exporter_addr"}, keys: []string{"exporter_addr"}, value: fmt.Sprintf(plainAddress, "%[1]s"), name: exporterName},
	"proto":    namedColumn("proto", protocolNames),
	"etype":    namedColumn("etype", map[string]string{"2048": "IPv4", "34525": "IPv6", "34887": "MPLS", "2054": "ARP", "0": "unknown"}),
	"src_addr": addressColumn("src_addr"), "dst_addr": addressColumn("dst_addr"), "next_hop": addressColumn("next_hop"), "bgp_next_hop": addressColumn("bgp_next_hop"),
	"src_port": column("src_port"), "dst_port": column("dst_port"),
	"src_net": prefixColumn("src_addr", "src_net"), "dst_net": prefixColumn("dst_addr", "dst_net"),
	"flow_direction": namedColumn("flow_direction", map[string]string{"0": "ingress", "1": "egress"}),
	"tcp_flags":      column("tcp_flags"), "ip_tos": column("ip_tos"), "ip_ttl": column("ip_ttl"),
	"icmp_type": column("icmp_type"), "icmp_code": column("icmp_code"), "forwarding_status": column("forwarding_status"),
	"src_vlan": column("src_vlan"), "dst_vlan": column("dst_vlan"), "in_vrf": column("in_vrf"), "out_vrf": column("out_vrf"),
	"collector": column("collector"), "source": column("source"), "type": column("type"), "sampling_rate": column("sampling_rate"),
}

// protocolNames are those of the IANA registry that networks carry.
var protocolNames = map[string]string{"0": "HOPOPT", "1": "ICMP", "2": "IGMP", "4": "IPv4", "6": "TCP", "17": "UDP", "41": "IPv6", "46": "RSVP", "47": "GRE",
	"50": "ESP", "51": "AH", "58": "ICMPv6", "88": "EIGRP", "89": "OSPF", "103": "PIM", "112": "VRRP", "115": "L2TP", "132": "SCTP", "136": "UDPLite"}

// Dimensions returns the names of what traffic can be split by, in order.
func Dimensions() []string { return slices.Sorted(maps.Keys(dimensions)) }

// rolledUpColumns are what the rollups can be split and filtered by.
var rolledUpColumns = strings.Split(rollupKey, ", ")

// rolledUp reports whether the rollups have all the columns.
func rolledUp(columns []string) bool {
	for _, c := range columns {
		if !slices.Contains(rolledUpColumns, c) {
			return false
		}
	}
	return true
}

// A layer is a dimension in its place in a query: its groups are the columns
// keyNames.
type layer struct {
	dimension
	keyNames []string
}

// layers returns the dimensions of a query.
func layers(names []string) ([]layer, error) {
	var all []layer
	for i, n := range names {
		d, ok := dimensions[n]
		if !ok {
			return nil, fmt.Errorf("traffic cannot be split by %q", n)
		}
		l := layer{dimension: d}
		for k := range d.keys {
			l.keyNames = append(l.keyNames, fmt.Sprintf("key_%d_%d", i, k))
		}
		all = append(all, l)
	}
	return all, nil
}

// keys returns "expression AS name, …" of all layers, and the names alone.
func keys(all []layer) (selected, names string) {
	var expressions, plain []string
	for _, l := range all {
		for k, e := range l.keys {
			expressions = append(expressions, e+" AS "+l.keyNames[k])
			plain = append(plain, l.keyNames[k])
		}
	}
	return strings.Join(expressions, ", "), strings.Join(plain, ", ")
}

// expressions returns the SQL of the value and the name.
func (l layer) expressions(database string) (value, name string) {
	first, second := l.keyNames[0], l.keyNames[len(l.keyNames)-1]
	fill := strings.NewReplacer("%[1]s", first, "%[2]s", second, "%[3]s", database).Replace
	if l.name == "" {
		return fill(l.value), "''"
	}
	return fill(l.value), fill(l.name)
}

// literal returns a group in SQL, given its keys as text.
func (l layer) literal(texts []string) string {
	var literals []string
	for k, key := range l.keys {
		text := quoted(texts[k])
		switch {
		case strings.Contains(key, "addr") || strings.Contains(key, "next_hop"): // of the columns of type IPv6 and their prefixes
			text = "toIPv6(" + text + ")"
		case !slices.Contains([]string{"collector", "source", "type"}, key):
			text = strings.Trim(text, "'") // a number
		}
		literals = append(literals, text)
	}
	if len(literals) == 1 {
		return literals[0]
	}
	return "(" + strings.Join(literals, ", ") + ")"
}

// isInterface reports whether the groups are interfaces.
func (l layer) isInterface() bool { return l.name == ifaceName }
