package netflow

import "github.com/nfstats/nfstats/decoder"

// frameColumns are those that a sampled packet header may fill.
const frameColumns = decoder.ColumnDstMAC | decoder.ColumnSrcMAC | decoder.ColumnSrcVLAN | decoder.ColumnMPLSLabels |
	decoder.ColumnEType | decoder.ColumnSrcAddr | decoder.ColumnDstAddr | decoder.ColumnIPTos | decoder.ColumnIPTTL |
	decoder.ColumnProto | decoder.ColumnSrcPort | decoder.ColumnDstPort | decoder.ColumnTCPFlags |
	decoder.ColumnICMPType | decoder.ColumnICMPCode | decoder.ColumnBytes | decoder.ColumnPackets

// Ethernet types that are looked into.
const (
	ethernetTypeVLAN     = 0x8100
	ethernetTypeQinQ     = 0x88a8
	ethernetTypeOldQinQ  = 0x9100
	ethernetTypeMPLS     = 0x8847
	ethernetTypeMPLSMany = 0x8848
	ethernetTypePPPoE    = 0x8864
	minEthernetType      = 0x0600 // below it is the length of an IEEE 802.3 frame
)

// IP protocol numbers that are looked into.
const (
	protoHopByHop    = 0
	protoICMP        = 1
	protoTCP         = 6
	protoUDP         = 17
	protoRouting     = 43
	protoFragment    = 44
	protoAH          = 51
	protoICMPv6      = 58
	protoDestination = 60
	protoSCTP        = 132
	protoUDPLite     = 136
)

// maxHeaders bounds VLAN tags, and extension headers of IPv6.
const maxHeaders = 8

// frames fills rows from sampled packet headers (elements 315, 104 and 313):
// each is one packet, of the length that its IP header tells. Of packets within
// packets the outermost header counts.
func (x *execution) frames(p *plan, n int) {
	b := x.batch
	for i := range n {
		row := x.first + i
		section := x.value(p.frame, i)
		b.Packets[row] = 1
		if p.frame.as == frameIP {
			x.ip(row, section)
		} else {
			x.ethernet(row, section)
		}
		if b.Bytes[row] != 0 {
			continue
		}
		b.Bytes[row] = uint64(len(section)) // no IP packet: take the frame
		if p.frameSize != nil {
			b.Bytes[row] = number(x.value(p.frameSize, i))
		}
	}
}

// value returns the octets of a field of record i.
func (x *execution) value(o *op, i int) []byte {
	length := int(o.length)
	if o.length == variableLength {
		length = int(x.lengths[o.slot][i])
	}
	at := int(x.at[o.slot][i]) + int(o.offset)
	return x.body[at : at+length]
}

// ethernet reads an Ethernet II frame with VLAN tags, MPLS and PPPoE.
func (x *execution) ethernet(row int, frame []byte) {
	if len(frame) < 14 {
		return
	}
	b := x.batch
	b.DstMAC[row], b.SrcMAC[row] = number(frame[0:6]), number(frame[6:12])
	etype, rest := be.Uint16(frame[12:]), frame[14:]
	for tag := 0; isVLAN(etype) && tag < maxHeaders && len(rest) >= 4; tag++ {
		if tag == 0 { // the outer one
			b.SrcVLAN[row] = be.Uint16(rest) & 0xfff
		}
		etype, rest = be.Uint16(rest[2:]), rest[4:]
	}
	if etype >= minEthernetType {
		b.EType[row] = etype
	}
	switch {
	case etype == ethernetTypeIPv4 || etype == ethernetTypeIPv6:
		x.ip(row, rest)
	case etype == ethernetTypeMPLS || etype == ethernetTypeMPLSMany:
		x.mpls(row, rest)
	case etype == ethernetTypePPPoE && len(rest) >= 8:
		// RFC 2516 §4: a header of 6 octets, then the PPP protocol.
		switch be.Uint16(rest[6:]) {
		case 0x0021, 0x0057:
			x.ip(row, rest[8:])
		}
	}
}

func isVLAN(etype uint16) bool {
	return etype == ethernetTypeVLAN || etype == ethernetTypeQinQ || etype == ethernetTypeOldQinQ
}

// mpls reads a label stack (RFC 3032 §2.1) and the IP packet under it.
func (x *execution) mpls(row int, rest []byte) {
	var stack [lastLabelElement - firstLabelElement + 1]uint32
	depth, bottom := 0, false
	for !bottom && depth < len(stack) && len(rest) >= 4 {
		entry := be.Uint32(rest)
		stack[depth], bottom = entry>>12, entry&0x100 != 0
		depth++
		rest = rest[4:]
	}
	x.batch.SetMPLSLabels(row, stack[:depth])
	if bottom {
		x.ip(row, rest)
	}
}

// ip reads an IPv4 or IPv6 packet.
func (x *execution) ip(row int, packet []byte) {
	if len(packet) == 0 {
		return
	}
	switch packet[0] >> 4 {
	case 4:
		x.ip4(row, packet)
	case 6:
		x.ip6(row, packet)
	}
}

// ip4 reads an IPv4 header (RFC 791 §3.1).
func (x *execution) ip4(row int, packet []byte) {
	headerLength := int(packet[0]&0xf) * 4
	if len(packet) < 20 || headerLength < 20 {
		return
	}
	b := x.batch
	b.EType[row] = ethernetTypeIPv4
	b.IPTos[row] = packet[1]
	b.Bytes[row] = uint64(be.Uint16(packet[2:]))
	b.IPTTL[row] = packet[8]
	b.Proto[row] = packet[9]
	mapped4(&b.SrcAddr[row], (*[4]byte)(packet[12:]))
	mapped4(&b.DstAddr[row], (*[4]byte)(packet[16:]))
	if offset := be.Uint16(packet[6:]) & 0x1fff; offset == 0 && headerLength <= len(packet) {
		x.transport(row, packet[headerLength:])
	}
}

// ip6 reads an IPv6 header and its extension headers (RFC 8200 §3 and §4).
func (x *execution) ip6(row int, packet []byte) {
	if len(packet) < 40 {
		return
	}
	b := x.batch
	b.EType[row] = ethernetTypeIPv6
	b.IPTos[row] = packet[0]<<4 | packet[1]>>4
	b.Bytes[row] = uint64(be.Uint16(packet[4:])) + 40
	b.IPTTL[row] = packet[7]
	b.SrcAddr[row], b.DstAddr[row] = decoder.Addr(packet[8:24]), decoder.Addr(packet[24:40])
	next, rest := packet[6], packet[40:]
	for range maxHeaders {
		b.Proto[row] = next
		length, first := 0, true
		switch next {
		default:
			x.transport(row, rest)
			return
		case protoHopByHop, protoRouting, protoDestination:
			if len(rest) >= 2 {
				length = (int(rest[1]) + 1) * 8
			}
		case protoAH:
			if len(rest) >= 2 {
				length = (int(rest[1]) + 2) * 4
			}
		case protoFragment:
			length = 8
			first = len(rest) >= length && be.Uint16(rest[2:])&^7 == 0
		}
		if length == 0 || length > len(rest) {
			return
		}
		next, rest = rest[0], rest[length:]
		if !first {
			b.Proto[row] = next
			return
		}
	}
}

// transport reads what follows the IP headers.
func (x *execution) transport(row int, segment []byte) {
	b := x.batch
	switch b.Proto[row] {
	case protoTCP, protoUDP, protoSCTP, protoUDPLite:
		if len(segment) >= 4 {
			b.SrcPort[row], b.DstPort[row] = be.Uint16(segment), be.Uint16(segment[2:])
		}
		if b.Proto[row] == protoTCP && len(segment) >= 14 {
			b.TCPFlags[row] = be.Uint16(segment[12:]) & 0xfff
		}
	case protoICMP, protoICMPv6:
		if len(segment) >= 2 {
			b.ICMPType[row], b.ICMPCode[row] = segment[0], segment[1]
		}
	}
}
