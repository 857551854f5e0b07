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
// rows; what stands in rows at and beyond Len has no meaning. Counters are as
// exported, never multiplied by the sampling rate. The zero Batch is empty and
// ready for use.
//
// Rows are zeroed when they are added, not when they are removed, and only in
// the columns in which an earlier filling left something: a batch that is filled
// with the same kind of flows again and again is never zeroed.
//
// A Batch has one owner at a time, is not safe for concurrent use and must not
// be copied.
type Batch struct {
	n     int
	used  Columns // that rows below n may have values in
	high  int     // rows from n to here have been used before,
	stale Columns // in these columns

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

	// Implausible is 1 where the counters are beyond what a network can carry, see
	// Plausibility. Set rows by MarkImplausible.
	Implausible []uint8

	// MPLSLabels holds the label stack of each row, top first, nil for none.
	// Set rows by SetMPLSLabels.
	MPLSLabels [][]uint32

	labels []uint32 // memory behind MPLSLabels
}

// Len returns the number of rows.
func (b *Batch) Len() int { return b.n }

// Extend adds k zero rows and returns the index of the first one.
func (b *Batch) Extend(k int) (first int) { return b.ExtendColumns(k, 0, AllColumns) }

// ExtendColumns is Extend for a caller that knows what it will write: every new
// row of the columns in full, which are not zeroed, and some rows of the columns
// in partial. It writes to no other column.
func (b *Batch) ExtendColumns(k int, full, partial Columns) (first int) {
	first = b.n
	b.n += k
	if b.n > len(b.Type) {
		b.grow(max(b.n, 2*len(b.Type), 1024))
	}
	if stale := b.stale &^ full; stale != 0 && first < b.high {
		b.zero(stale, first, min(b.n, b.high))
	}
	b.used |= full | partial
	return first
}

// Truncate removes the rows from n on.
func (b *Batch) Truncate(n int) {
	b.stale |= b.used
	b.high = max(b.high, b.n)
	b.n = n
}

// Reset removes all rows and keeps the memory.
func (b *Batch) Reset() {
	if b.n >= b.high { // nothing of earlier fillings is left
		b.high, b.stale = b.n, b.used
	} else {
		b.stale |= b.used
	}
	b.n, b.used = 0, 0
	b.labels = b.labels[:0]
}

// SetMPLSLabels copies the label stack of a row, top first.
func (b *Batch) SetMPLSLabels(row int, labels []uint32) {
	at := len(b.labels)
	b.labels = append(b.labels, labels...)
	b.MPLSLabels[row] = b.labels[at:len(b.labels):len(b.labels)]
}

// MarkImplausible sets Implausible of a row.
func (b *Batch) MarkImplausible(row int) {
	b.Implausible[row] = 1
	b.used |= ColumnImplausible
}

// HasMPLSLabels reports whether any row may carry a label stack.
func (b *Batch) HasMPLSLabels() bool { return len(b.labels) > 0 }
