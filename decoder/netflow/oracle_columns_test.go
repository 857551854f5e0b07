package netflow

import (
	"net/netip"
	"slices"

	"github.com/nfstats/nfstats/decoder"
)

// oracleColumns are goflow2's columns: from which elements it fills them, and
// what is in them on both sides.
var oracleColumns = []struct {
	name     string
	column   decoder.Columns
	elements []uint16
	theirs   func(oracleRow) any
	ours     func(*decoder.Batch, int) any
}{
	{"bytes", decoder.ColumnBytes, []uint16{1, 23}, func(r oracleRow) any { return r.Bytes }, func(b *decoder.Batch, i int) any { return b.Bytes[i] }},
	{"packets", decoder.ColumnPackets, []uint16{2, 24}, func(r oracleRow) any { return r.Packets }, func(b *decoder.Batch, i int) any { return b.Packets[i] }},
	{"src_addr", decoder.ColumnSrcAddr, []uint16{8, 27}, func(r oracleRow) any { return addressOf(r.SrcAddr) }, func(b *decoder.Batch, i int) any { return addressOf(b.SrcAddr[i][:]) }},
	{"dst_addr", decoder.ColumnDstAddr, []uint16{12, 28}, func(r oracleRow) any { return addressOf(r.DstAddr) }, func(b *decoder.Batch, i int) any { return addressOf(b.DstAddr[i][:]) }},
	{"next_hop", decoder.ColumnNextHop, []uint16{15, 62}, func(r oracleRow) any { return addressOf(r.NextHop) }, func(b *decoder.Batch, i int) any { return addressOf(b.NextHop[i][:]) }},
	{"bgp_next_hop", decoder.ColumnBGPNextHop, []uint16{18, 63}, func(r oracleRow) any { return addressOf(r.BgpNextHop) }, func(b *decoder.Batch, i int) any { return addressOf(b.BGPNextHop[i][:]) }},
	{"src_net", decoder.ColumnSrcNet, []uint16{9, 29}, func(r oracleRow) any { return uint8(r.SrcNet) }, func(b *decoder.Batch, i int) any { return b.SrcNet[i] }},
	{"dst_net", decoder.ColumnDstNet, []uint16{13, 30}, func(r oracleRow) any { return uint8(r.DstNet) }, func(b *decoder.Batch, i int) any { return b.DstNet[i] }},
	{"src_port", decoder.ColumnSrcPort, []uint16{7}, func(r oracleRow) any { return uint16(r.SrcPort) }, func(b *decoder.Batch, i int) any { return b.SrcPort[i] }},
	{"dst_port", decoder.ColumnDstPort, []uint16{11}, func(r oracleRow) any { return uint16(r.DstPort) }, func(b *decoder.Batch, i int) any { return b.DstPort[i] }},
	{"proto", decoder.ColumnProto, []uint16{4}, func(r oracleRow) any { return uint8(r.Proto) }, func(b *decoder.Batch, i int) any { return b.Proto[i] }},
	{"tcp_flags", decoder.ColumnTCPFlags, []uint16{6}, func(r oracleRow) any { return uint16(r.TcpFlags) }, func(b *decoder.Batch, i int) any { return b.TCPFlags[i] }},
	{"ip_tos", decoder.ColumnIPTos, []uint16{5}, func(r oracleRow) any { return uint8(r.IpTos) }, func(b *decoder.Batch, i int) any { return b.IPTos[i] }},
	{"ip_ttl", decoder.ColumnIPTTL, []uint16{52}, func(r oracleRow) any { return uint8(r.IpTtl) }, func(b *decoder.Batch, i int) any { return b.IPTTL[i] }},
	{"in_if", decoder.ColumnInIf, []uint16{10}, func(r oracleRow) any { return r.InIf }, func(b *decoder.Batch, i int) any { return b.InIf[i] }},
	{"out_if", decoder.ColumnOutIf, []uint16{14}, func(r oracleRow) any { return r.OutIf }, func(b *decoder.Batch, i int) any { return b.OutIf[i] }},
	{"src_as", decoder.ColumnSrcAS, []uint16{16}, func(r oracleRow) any { return r.SrcAs }, func(b *decoder.Batch, i int) any { return b.SrcAS[i] }},
	{"dst_as", decoder.ColumnDstAS, []uint16{17}, func(r oracleRow) any { return r.DstAs }, func(b *decoder.Batch, i int) any { return b.DstAS[i] }},
	{"forwarding_status", decoder.ColumnForwardingStatus, []uint16{89}, func(r oracleRow) any { return uint8(r.ForwardingStatus) }, func(b *decoder.Batch, i int) any { return b.ForwardingStatus[i] }},
	{"icmp_type", decoder.ColumnICMPType, []uint16{32, 139, 176, 178}, func(r oracleRow) any { return uint8(r.IcmpType) }, func(b *decoder.Batch, i int) any { return b.ICMPType[i] }},
	{"icmp_code", decoder.ColumnICMPCode, []uint16{32, 139, 177, 179}, func(r oracleRow) any { return uint8(r.IcmpCode) }, func(b *decoder.Batch, i int) any { return b.ICMPCode[i] }},
	{"src_mac", decoder.ColumnSrcMAC, []uint16{56, 81}, func(r oracleRow) any { return r.SrcMac }, func(b *decoder.Batch, i int) any { return b.SrcMAC[i] }},
	{"dst_mac", decoder.ColumnDstMAC, []uint16{80, 57}, func(r oracleRow) any { return r.DstMac }, func(b *decoder.Batch, i int) any { return b.DstMAC[i] }},
	{"src_vlan", decoder.ColumnSrcVLAN, []uint16{58}, func(r oracleRow) any { return uint16(r.SrcVlan) }, func(b *decoder.Batch, i int) any { return b.SrcVLAN[i] }},
	{"dst_vlan", decoder.ColumnDstVLAN, []uint16{59}, func(r oracleRow) any { return uint16(r.DstVlan) }, func(b *decoder.Batch, i int) any { return b.DstVLAN[i] }},
	{"time_flow_start", decoder.ColumnTimeFlowStart, []uint16{22, 150, 152, 154, 156, 158}, func(r oracleRow) any { return int64(r.TimeFlowStartNs) / 1e6 }, func(b *decoder.Batch, i int) any { return b.TimeFlowStart[i] }},
	{"time_flow_end", decoder.ColumnTimeFlowEnd, []uint16{21, 151, 153, 155, 157, 159}, func(r oracleRow) any { return int64(r.TimeFlowEndNs) / 1e6 }, func(b *decoder.Batch, i int) any { return b.TimeFlowEnd[i] }},
}

// addressOf returns an address; IPv4 mapped and plain are the same, none is ::.
func addressOf(octets []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(octets)
	if !ok {
		return netip.IPv6Unspecified()
	}
	return a.Unmap()
}

// comparable reports whether both sides fill a column from the same one field,
// or from none.
func (r oracleRow) comparable(column decoder.Columns, theirs []uint16) bool {
	if r.version == 5 {
		return true
	}
	sources, same := 0, true
	for _, f := range r.fields {
		if f.Type == frameElement || f.Type == frameElementV9 || f.Type == ipHeaderElement || f.Type == frameSizeElement || f.Type == frameSizeElementV9 {
			return false
		}
		if f.Length == 0 {
			continue
		}
		mine := slices.ContainsFunc(elements[f.Type], func(e element) bool { return e.dest == column && !e.reverse })
		if mine && f.PenProvided {
			same = same && f.Pen != reverseEnterprise
			continue
		}
		known := slices.Contains(theirs, f.Type)
		if column&destsTime != 0 && r.version == 9 {
			known = known && f.Type <= 22
		}
		if column&destsTime != 0 && r.version == 10 {
			known = known && f.Type > 22
		}
		if mine || known {
			sources++
			same = same && mine == known
		}
	}
	if column&destsTime != 0 && sources == 0 {
		return false
	}
	return same && sources <= 1
}
