// Package decoder holds Batch, the columnar set of flow records that every
// source of flows (NetFlow, flow-tools, nfdump) fills and the store writes.
//
// A flow exists as bytes in a datagram or archive, then as a row of a Batch,
// then as a row in ClickHouse, and in no form in between.
package decoder

// Type tells which protocol or archive a row came from. The numbers are those
// of the Enum8 column flows.type and must never change their meaning.
type Type = int8

// The values of the column flows.type.
const (
	TypeNetFlowV5 Type = 1
	TypeNetFlowV9 Type = 2
	TypeIPFIX     Type = 3
	TypeFlowTools Type = 4
	TypeNfdump    Type = 5
)

// Addr is an IPv6 address in network byte order; IPv4 addresses are mapped
// (::ffff:a.b.c.d, RFC 4291 §2.5.5.2).
type Addr = [16]byte

// Batch is a set of flow records as columns. Each column holds at least Len
// rows; rows at and beyond Len are zero. Counters are as exported, never
// multiplied by the sampling rate. The zero Batch is empty and ready for use.
//
// A Batch has one owner at a time and is not safe for concurrent use.
type Batch struct {
	n int

	TimeReceived  []int64 // Unix milliseconds, when the datagram arrived (imports: end of the flow)
	TimeFlowStart []int64 // Unix milliseconds
	TimeFlowEnd   []int64 // Unix milliseconds

	Type                []Type
	ExporterAddr        []Addr
	ObservationDomainID []uint32 // v5: engine type and id

	SrcAddr    []Addr
	DstAddr    []Addr
	NextHop    []Addr
	BGPNextHop []Addr
	SrcNet     []uint8 // prefix length
	DstNet     []uint8 // prefix length

	InIf   []uint32 // ifIndex
	OutIf  []uint32 // ifIndex
	SrcAS  []uint32
	DstAS  []uint32
	InVRF  []uint32
	OutVRF []uint32

	Bytes        []uint64 // octets
	Packets      []uint64
	SamplingRate []uint32 // one packet in SamplingRate was seen; at least 1

	EType    []uint16 // Ethernet type: 0x0800 IPv4, 0x86dd IPv6
	Proto    []uint8  // IANA protocol number
	SrcPort  []uint16
	DstPort  []uint16
	TCPFlags []uint16
	IPTos    []uint8
	IPTTL    []uint8
	ICMPType []uint8
	ICMPCode []uint8

	FlowDirection    []uint8 // IE 61: 0 ingress, 1 egress
	ForwardingStatus []uint8 // IE 89

	SrcVLAN []uint16
	DstVLAN []uint16
	SrcMAC  []uint64
	DstMAC  []uint64

	SrcAddrXlate []Addr // after NAT
	DstAddrXlate []Addr
	SrcPortXlate []uint16
	DstPortXlate []uint16

	// MPLSLabels holds the label stack of each row, top first, nil for none.
	// Set rows by SetMPLSLabels.
	MPLSLabels [][]uint32

	labels []uint32 // memory behind MPLSLabels
}

// Len returns the number of rows.
func (b *Batch) Len() int { return b.n }

// Extend adds k zero rows and returns the index of the first one.
func (b *Batch) Extend(k int) (first int) {
	first = b.n
	b.n += k
	if b.n > len(b.Type) {
		b.grow(max(b.n, 2*len(b.Type), 1024))
	}
	return first
}

// Truncate removes the rows from n on.
func (b *Batch) Truncate(n int) {
	b.zero(n, b.n)
	b.n = n
}

// Reset removes all rows and keeps the memory.
func (b *Batch) Reset() { b.Truncate(0) }

// SetMPLSLabels copies the label stack of a row, top first.
func (b *Batch) SetMPLSLabels(row int, labels []uint32) {
	at := len(b.labels)
	b.labels = append(b.labels, labels...)
	b.MPLSLabels[row] = b.labels[at:len(b.labels):len(b.labels)]
}

// HasMPLSLabels reports whether any row may carry a label stack.
func (b *Batch) HasMPLSLabels() bool { return len(b.labels) > 0 }

func (b *Batch) grow(n int) {
	b.TimeReceived = grown(b.TimeReceived, n)
	b.TimeFlowStart = grown(b.TimeFlowStart, n)
	b.TimeFlowEnd = grown(b.TimeFlowEnd, n)
	b.Type = grown(b.Type, n)
	b.ExporterAddr = grown(b.ExporterAddr, n)
	b.ObservationDomainID = grown(b.ObservationDomainID, n)
	b.SrcAddr = grown(b.SrcAddr, n)
	b.DstAddr = grown(b.DstAddr, n)
	b.NextHop = grown(b.NextHop, n)
	b.BGPNextHop = grown(b.BGPNextHop, n)
	b.SrcNet = grown(b.SrcNet, n)
	b.DstNet = grown(b.DstNet, n)
	b.InIf = grown(b.InIf, n)
	b.OutIf = grown(b.OutIf, n)
	b.SrcAS = grown(b.SrcAS, n)
	b.DstAS = grown(b.DstAS, n)
	b.InVRF = grown(b.InVRF, n)
	b.OutVRF = grown(b.OutVRF, n)
	b.Bytes = grown(b.Bytes, n)
	b.Packets = grown(b.Packets, n)
	b.SamplingRate = grown(b.SamplingRate, n)
	b.EType = grown(b.EType, n)
	b.Proto = grown(b.Proto, n)
	b.SrcPort = grown(b.SrcPort, n)
	b.DstPort = grown(b.DstPort, n)
	b.TCPFlags = grown(b.TCPFlags, n)
	b.IPTos = grown(b.IPTos, n)
	b.IPTTL = grown(b.IPTTL, n)
	b.ICMPType = grown(b.ICMPType, n)
	b.ICMPCode = grown(b.ICMPCode, n)
	b.FlowDirection = grown(b.FlowDirection, n)
	b.ForwardingStatus = grown(b.ForwardingStatus, n)
	b.SrcVLAN = grown(b.SrcVLAN, n)
	b.DstVLAN = grown(b.DstVLAN, n)
	b.SrcMAC = grown(b.SrcMAC, n)
	b.DstMAC = grown(b.DstMAC, n)
	b.SrcAddrXlate = grown(b.SrcAddrXlate, n)
	b.DstAddrXlate = grown(b.DstAddrXlate, n)
	b.SrcPortXlate = grown(b.SrcPortXlate, n)
	b.DstPortXlate = grown(b.DstPortXlate, n)
	b.MPLSLabels = grown(b.MPLSLabels, n)
}

func grown[T any](column []T, n int) []T {
	bigger := make([]T, n)
	copy(bigger, column)
	return bigger
}

func (b *Batch) zero(from, to int) {
	clear(b.TimeReceived[from:to])
	clear(b.TimeFlowStart[from:to])
	clear(b.TimeFlowEnd[from:to])
	clear(b.Type[from:to])
	clear(b.ExporterAddr[from:to])
	clear(b.ObservationDomainID[from:to])
	clear(b.SrcAddr[from:to])
	clear(b.DstAddr[from:to])
	clear(b.NextHop[from:to])
	clear(b.BGPNextHop[from:to])
	clear(b.SrcNet[from:to])
	clear(b.DstNet[from:to])
	clear(b.InIf[from:to])
	clear(b.OutIf[from:to])
	clear(b.SrcAS[from:to])
	clear(b.DstAS[from:to])
	clear(b.InVRF[from:to])
	clear(b.OutVRF[from:to])
	clear(b.Bytes[from:to])
	clear(b.Packets[from:to])
	clear(b.SamplingRate[from:to])
	clear(b.EType[from:to])
	clear(b.Proto[from:to])
	clear(b.SrcPort[from:to])
	clear(b.DstPort[from:to])
	clear(b.TCPFlags[from:to])
	clear(b.IPTos[from:to])
	clear(b.IPTTL[from:to])
	clear(b.ICMPType[from:to])
	clear(b.ICMPCode[from:to])
	clear(b.FlowDirection[from:to])
	clear(b.ForwardingStatus[from:to])
	clear(b.SrcVLAN[from:to])
	clear(b.DstVLAN[from:to])
	clear(b.SrcMAC[from:to])
	clear(b.DstMAC[from:to])
	clear(b.SrcAddrXlate[from:to])
	clear(b.DstAddrXlate[from:to])
	clear(b.SrcPortXlate[from:to])
	clear(b.DstPortXlate[from:to])
	clear(b.MPLSLabels[from:to])
	if from == 0 {
		b.labels = b.labels[:0]
	}
}
