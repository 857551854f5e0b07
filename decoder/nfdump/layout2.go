package nfdump

import "github.com/nfstats/nfstats/decoder"

const (
	v3HeaderLength = 12
	v3FlagSampled  = 2
)

// maxElement is above the numbers of all elements that are read.
const maxElement = 64

// element lengths, with the 4 octets of type and length: a shorter element is
// ignored.
var elementLength = [maxElement]uint16{
	1: 52, 2: 12, 3: 36, 4: 20, 5: 28, 6: 12, 7: 12, 8: 8, 9: 20, 10: 8, 11: 20, 12: 8, 13: 20, 14: 44, 15: 36,
	19: 20, 20: 12, 21: 36, 22: 8, 25: 20, 33: 20, 36: 12, 38: 36, 42: 8,
}

// fullColumns2 are written in every row of layout 2: what elements 1 to 3 tell, and
// what finish does.
const fullColumns2 = fullColumns | decoder.ColumnPackets | decoder.ColumnBytes | decoder.ColumnSrcPort | decoder.ColumnDstPort |
	decoder.ColumnProto | decoder.ColumnTCPFlags | decoder.ColumnForwardingStatus | decoder.ColumnIPTos | decoder.ColumnSrcAddr | decoder.ColumnDstAddr |
	decoder.ColumnObservationDomainID | decoder.ColumnICMPType | decoder.ColumnICMPCode

// elementColumns are those that an element is written to, beside fullColumns2.
var elementColumns = [maxElement]decoder.Columns{
	4:  decoder.ColumnInIf | decoder.ColumnOutIf | decoder.ColumnSrcNet | decoder.ColumnDstNet | decoder.ColumnFlowDirection,
	6:  decoder.ColumnSrcVLAN | decoder.ColumnDstVLAN,
	7:  decoder.ColumnSrcAS | decoder.ColumnDstAS,
	8:  decoder.ColumnBGPNextHop,
	9:  decoder.ColumnBGPNextHop,
	10: decoder.ColumnNextHop,
	11: decoder.ColumnNextHop,
	14: decoder.ColumnMPLSLabels,
	15: decoder.ColumnSrcMAC | decoder.ColumnDstMAC,
	20: decoder.ColumnSrcAddrXlate | decoder.ColumnDstAddrXlate,
	21: decoder.ColumnSrcAddrXlate | decoder.ColumnDstAddrXlate,
	22: decoder.ColumnSrcPortXlate | decoder.ColumnDstPortXlate,
	36: decoder.ColumnInVRF | decoder.ColumnOutVRF,
	38: decoder.ColumnSrcVLAN | decoder.ColumnDstVLAN,
	42: decoder.ColumnIPTTL,
}

// meet is called for the first element of a kind in a file: its columns are
// written from now on.
func (w *writer) meet(id uint16) {
	w.r.elements |= 1 << id
	w.r.columns |= elementColumns[id]
	w.ExtendColumns(0, 0, elementColumns[id])
}

// flow2 writes the row of a V3 record: a header and elements in any order.
func (w *writer) flow2(p []byte) bool {
	if len(p) < v3HeaderLength {
		return false
	}
	w.begin()
	i := w.row
	w.ObservationDomainID[i], w.ICMPType[i], w.ICMPCode[i] = 0, 0, 0
	elements := int(le.Uint16(p[4:]))
	w.engine = uint32(p[6])<<8 | uint32(p[7])
	w.exporter = le.Uint16(p[8:])
	w.scaled = p[10]&v3FlagSampled != 0
	p = p[v3HeaderLength:]
	generic := false
	for range elements {
		if len(p) < 4 {
			return false
		}
		id, size := le.Uint16(p), le.Uint16(p[2:])
		if size < 4 || int(size) > len(p) {
			return false
		}
		if id < maxElement && size >= elementLength[id] && elementLength[id] != 0 {
			if w.r.elements>>id&1 == 0 {
				w.meet(id)
			}
			if id == 1 { // of every record, which a call less is worth
				w.generic(p[4:size])
				generic = true
			} else {
				w.element(id, p[4:size])
			}
		}
		p = p[size:]
	}
	if !generic {
		w.generic(make([]byte, 48))
	}
	if w.EType[i] == 0 {
		w.SrcAddr[i], w.DstAddr[i] = decoder.Addr{}, decoder.Addr{}
	}
	w.finish()
	return true
}

// generic writes element 1.
func (w *writer) generic(p []byte) {
	i := w.row
	p = p[:48:48] // checked once
	w.TimeFlowStart[i], w.TimeFlowEnd[i] = int64(le.Uint64(p)), int64(le.Uint64(p[8:]))
	w.received = int64(le.Uint64(p[16:]))
	w.Packets[i], w.Bytes[i] = le.Uint64(p[24:]), le.Uint64(p[32:])
	w.SrcPort[i], w.DstPort[i] = le.Uint16(p[40:]), le.Uint16(p[42:])
	w.Proto[i], w.TCPFlags[i], w.ForwardingStatus[i], w.IPTos[i] = p[44], uint16(p[45]), p[46], p[47]
}

// element writes another element, whose length has been checked.
func (w *writer) element(id uint16, p []byte) {
	i := w.row
	switch id {
	case 2:
		w.addresses4(p)
	case 3:
		w.addresses6(p)
	case 4:
		w.InIf[i], w.OutIf[i] = le.Uint32(p), le.Uint32(p[4:])
		w.SrcNet[i], w.DstNet[i] = p[8], p[9]
		w.FlowDirection[i] = min(p[10], 1)
	case 5:
		if flows := le.Uint64(p); flows != 0 {
			w.flows = flows
		}
		w.outPackets, w.outBytes = le.Uint64(p[8:]), le.Uint64(p[16:])
	case 6:
		w.SrcVLAN[i], w.DstVLAN[i] = uint16(le.Uint32(p)), uint16(le.Uint32(p[4:]))
	case 7:
		w.SrcAS[i], w.DstAS[i] = le.Uint32(p), le.Uint32(p[4:])
	case 8:
		hop4(&w.BGPNextHop[i], p)
	case 9:
		hop6(&w.BGPNextHop[i], p)
	case 10:
		hop4(&w.NextHop[i], p)
	case 11:
		hop6(&w.NextHop[i], p)
	case 12:
		w.router4(p)
	case 13:
		w.router6(p)
	case 14:
		w.labels(p)
	case 15:
		w.macs(le.Uint64(p), le.Uint64(p[8:]))
		w.macs(le.Uint64(p[24:]), le.Uint64(p[16:]))
	default:
		w.rareElement(id, p)
	}
}

// rareElement is the rest of element.
func (w *writer) rareElement(id uint16, p []byte) {
	i := w.row
	switch id {
	case 19, 25: // firewall and NAT events begin with their time
		w.event = int64(le.Uint64(p))
	case 20:
		putV4(&w.SrcAddrXlate[i], le.Uint32(p))
		putV4(&w.DstAddrXlate[i], le.Uint32(p[4:]))
	case 21:
		putV6(&w.SrcAddrXlate[i], p)
		putV6(&w.DstAddrXlate[i], p[16:])
	case 22:
		w.SrcPortXlate[i], w.DstPortXlate[i] = le.Uint16(p), le.Uint16(p[2:])
	case 33:
		w.ObservationDomainID[i] = le.Uint32(p[8:])
	case 36:
		w.OutVRF[i], w.InVRF[i] = le.Uint32(p), le.Uint32(p[4:])
	case 38: // used where element 6 is missing
		if w.SrcVLAN[i] == 0 && w.DstVLAN[i] == 0 {
			w.SrcVLAN[i], w.DstVLAN[i] = le.Uint16(p), le.Uint16(p[4:])
		}
	case 42:
		w.IPTTL[i] = p[2]
	}
}
