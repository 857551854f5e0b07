package filter

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A field is what a comparison may name.
type field struct {
	columns []string // more than one: it holds when it holds for any of them
	kind    kind
}

// A kind says how the values of a field are written.
type kind struct {
	wants   string // in words
	sqlType string // of the bound parameters
	ordered bool   // < and ranges make sense
	parse   func(text string) (value, error)
}

// A value is what a column may be: from low to high, both in. With an exporter, only
// there.
type value struct {
	low, high string // as ClickHouse reads them
	exporter  string // an interface of this one; "": of any
	named     bool   // low is the ifName of the interface
}

var (
	number8  = number(8)
	number16 = number(16)
	number32 = number(32)
	number64 = number(64)
	asn      = kind{"an AS number", "UInt32", true, func(text string) (value, error) {
		if len(text) > 2 && strings.EqualFold(text[:2], "as") {
			text = text[2:]
		}
		return number32.parse(text)
	}}
	address  = kind{"an address or a prefix", "IPv6", true, parseAddresses}
	port     = kind{"a port, or a range such as 8000..8080", "UInt16", true, number16.parse}
	protocol = named(number8, "a protocol: a number or a name such as tcp", map[string]int{"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17,
		"ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58, "icmpv6": 58, "eigrp": 88, "ospf": 89, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136})
	etherType = named(number16, "ipv4, ipv6 or an EtherType", map[string]int{"ipv4": 0x0800, "ipv6": 0x86dd, "mpls": 0x8847, "arp": 0x0806})
	direction = named(number8, "in, out or a number", map[string]int{"in": 0, "ingress": 0, "out": 1, "egress": 1})
	tcpFlags  = named(number16, "a number or a flag such as syn", map[string]int{"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ece": 64, "cwr": 128, "synack": 18})
	yesNo     = named(number8, "yes or no", map[string]int{"no": 0, "yes": 1})
	macs      = kind{"a MAC address", "UInt64", false, parseMAC}
	iface     = kind{interfaceWants, "UInt32", false, parseInterface}
	name      = kind{"a name", "String", false, func(text string) (value, error) { return value{low: text, high: text}, nil }}
	flowType  = kind{flowTypeWants, "String", false, parseType}
)

// fields are all that a filter may name.
var fields = map[string]field{
	"exporter": {[]string{"exporter_addr"}, address},
	"src_addr": {[]string{"src_addr"}, address}, "dst_addr": {[]string{"dst_addr"}, address}, "addr": {[]string{"src_addr", "dst_addr"}, address},
	"next_hop": {[]string{"next_hop"}, address}, "bgp_next_hop": {[]string{"bgp_next_hop"}, address},
	"src_addr_xlate": {[]string{"src_addr_xlate"}, address}, "dst_addr_xlate": {[]string{"dst_addr_xlate"}, address},
	"src_as": {[]string{"src_as"}, asn}, "dst_as": {[]string{"dst_as"}, asn}, "as": {[]string{"src_as", "dst_as"}, asn},
	"in_if": {[]string{"in_if"}, iface}, "out_if": {[]string{"out_if"}, iface}, "interface": {[]string{"in_if", "out_if"}, iface},
	"src_port": {[]string{"src_port"}, port}, "dst_port": {[]string{"dst_port"}, port}, "port": {[]string{"src_port", "dst_port"}, port},
	"src_port_xlate": {[]string{"src_port_xlate"}, port}, "dst_port_xlate": {[]string{"dst_port_xlate"}, port},
	"src_net": {[]string{"src_net"}, number8}, "dst_net": {[]string{"dst_net"}, number8},
	"proto": {[]string{"proto"}, protocol}, "etype": {[]string{"etype"}, etherType}, "tcp_flags": {[]string{"tcp_flags"}, tcpFlags},
	"flow_direction": {[]string{"flow_direction"}, direction}, "sampling_rate": {[]string{"sampling_rate"}, number32},
	"bytes": {[]string{"bytes"}, number64}, "packets": {[]string{"packets"}, number64},
	"ip_tos": {[]string{"ip_tos"}, number8}, "ip_ttl": {[]string{"ip_ttl"}, number8},
	"icmp_type": {[]string{"icmp_type"}, number8}, "icmp_code": {[]string{"icmp_code"}, number8}, "forwarding_status": {[]string{"forwarding_status"}, number8},
	"src_vlan": {[]string{"src_vlan"}, number16}, "dst_vlan": {[]string{"dst_vlan"}, number16}, "vlan": {[]string{"src_vlan", "dst_vlan"}, number16},
	"src_mac": {[]string{"src_mac"}, macs}, "dst_mac": {[]string{"dst_mac"}, macs}, "mac": {[]string{"src_mac", "dst_mac"}, macs},
	"in_vrf": {[]string{"in_vrf"}, number32}, "out_vrf": {[]string{"out_vrf"}, number32}, "observation_domain_id": {[]string{"observation_domain_id"}, number32},
	"implausible": {[]string{"implausible"}, yesNo},
	"collector":   {[]string{"collector"}, name}, "source": {[]string{"source"}, name}, "type": {[]string{"type"}, flowType},
}

// Fields returns the names that a filter may use, in order.
func Fields() []string { return slices.Sorted(maps.Keys(fields)) }

// didYouMean suggests fields that share a part of the name.
func didYouMean(name string) string {
	var similar []string
	for _, known := range Fields() {
		if len(name) >= 2 && (strings.Contains(known, name) || strings.Contains(name, known)) {
			similar = append(similar, known)
		}
	}
	if len(similar) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(similar[:min(len(similar), 4)], " or ") + "?"
}

func number(bits int) kind {
	parse := func(text string) (string, error) {
		n, err := strconv.ParseUint(text, 0, bits)
		if errors.Is(err, strconv.ErrRange) {
			return "", fmt.Errorf("the largest number here is %d", uint64(1)<<bits-1)
		} else if err != nil {
			return "", errors.New("is no whole number")
		}
		return strconv.FormatUint(n, 10), nil
	}
	return kind{"a number", fmt.Sprintf("UInt%d", bits), true, func(text string) (value, error) {
		low, high, isRange := strings.Cut(text, "..")
		if !isRange {
			high = low
		}
		var v value
		var err error
		if v.low, err = parse(low); err != nil {
			return v, err
		}
		if v.high, err = parse(high); err != nil {
			return v, err
		}
		if len(v.high) < len(v.low) || len(v.high) == len(v.low) && v.high < v.low {
			return v, errors.New("the range ends before it starts")
		}
		return v, nil
	}}
}

// named adds names to numbers.
func named(numbers kind, wants string, names map[string]int) kind {
	return kind{wants, numbers.sqlType, numbers.ordered, func(text string) (value, error) {
		if n, ok := names[strings.ToLower(text)]; ok {
			return value{low: strconv.Itoa(n), high: strconv.Itoa(n)}, nil
		}
		v, err := numbers.parse(text)
		if err != nil && strings.Trim(text, "0123456789.xX") != "" {
			return v, errors.New("want " + wants)
		}
		return v, err
	}}
}

// parseAddresses reads an address, a prefix, or a range of addresses.
func parseAddresses(text string) (value, error) {
	low, high, isRange := strings.Cut(text, "..")
	if isRange {
		from, err := netip.ParseAddr(low)
		to, err2 := netip.ParseAddr(high)
		if err != nil || err2 != nil || from.Is4() != to.Is4() || from.Zone()+to.Zone() != "" {
			return value{}, errors.New("is no range of addresses such as 192.0.2.1..192.0.2.9")
		}
		if to.Less(from) {
			return value{}, errors.New("the range ends before it starts")
		}
		return value{low: mapped(from), high: mapped(to)}, nil
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return value{low: mapped(a), high: mapped(a)}, nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return value{}, errors.New("is no address or prefix")
	}
	first := p.Masked().Addr()
	last := first.As16()
	bits := p.Bits()
	if first.Is4() {
		bits += 96 // As16 gives ::ffff:0:0/96
	}
	for bit := bits; bit < 128; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	return value{low: mapped(first), high: netip.AddrFrom16(last).String()}, nil
}

// mapped writes an address as the columns hold it: IPv4 in ::ffff:0:0/96.
func mapped(a netip.Addr) string { return netip.AddrFrom16(a.As16()).String() }

// parseInterface reads exporter/ifIndex, exporter/ifName or an ifIndex. ifNames may
// have slashes, too.
func parseInterface(text string) (value, error) {
	before, after, ok := strings.Cut(text, "/")
	if !ok {
		v, err := number32.parse(text)
		if err != nil {
			err = errors.New("want " + interfaceWants)
		}
		return v, err
	}
	exporter, err := netip.ParseAddr(before)
	if err != nil || exporter.Zone() != "" || after == "" {
		return value{}, errors.New("want " + interfaceWants)
	}
	v, err := number32.parse(after)
	if err != nil {
		v = value{low: after, high: after, named: true}
	}
	v.exporter = mapped(exporter)
	return v, nil
}

const interfaceWants = "an interface: exporter/ifIndex such as 192.0.2.1/12, exporter/ifName, or the ifIndex alone"

func parseMAC(text string) (value, error) {
	digits := strings.NewReplacer(":", "", "-", "", ".", "").Replace(text)
	n, err := strconv.ParseUint(digits, 16, 48)
	if err != nil || len(digits) != 12 {
		return value{}, errors.New("is no MAC address such as 00:00:5e:00:53:01")
	}
	s := strconv.FormatUint(n, 10)
	return value{low: s, high: s}, nil
}

func parseType(text string) (value, error) {
	known := []string{"NETFLOW_V5", "NETFLOW_V9", "IPFIX", "FLOWTOOLS", "NFDUMP"}
	upper := strings.ToUpper(text)
	if !slices.Contains(known, upper) {
		return value{}, errors.New("want " + flowTypeWants)
	}
	return value{low: upper, high: upper}, nil
}

const flowTypeWants = "NETFLOW_V5, NETFLOW_V9, IPFIX, FLOWTOOLS or NFDUMP"
