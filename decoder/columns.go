package decoder

import "math/bits"

// Columns is a set of columns of a Batch.
type Columns uint64

// The columns of a Batch, in the order of its fields.
const (
	ColumnTimeReceived Columns = 1 << iota
	ColumnTimeFlowStart
	ColumnTimeFlowEnd
	ColumnType
	ColumnExporterAddr
	ColumnObservationDomainID
	ColumnSrcAddr
	ColumnDstAddr
	ColumnNextHop
	ColumnBGPNextHop
	ColumnSrcNet
	ColumnDstNet
	ColumnInIf
	ColumnOutIf
	ColumnSrcAS
	ColumnDstAS
	ColumnInVRF
	ColumnOutVRF
	ColumnBytes
	ColumnPackets
	ColumnSamplingRate
	ColumnEType
	ColumnProto
	ColumnSrcPort
	ColumnDstPort
	ColumnTCPFlags
	ColumnIPTos
	ColumnIPTTL
	ColumnICMPType
	ColumnICMPCode
	ColumnFlowDirection
	ColumnForwardingStatus
	ColumnSrcVLAN
	ColumnDstVLAN
	ColumnSrcMAC
	ColumnDstMAC
	ColumnSrcAddrXlate
	ColumnDstAddrXlate
	ColumnSrcPortXlate
	ColumnDstPortXlate
	ColumnImplausible
	ColumnMPLSLabels

	AllColumns Columns = 1<<iota - 1
)

// column is what Batch needs of a column whatever its values are.
type column interface {
	grow(rows int)
	zero(from, to int)
	copyRow(to, from int)
}

// vector makes a slice a column.
type vector[T any] []T

func (v *vector[T]) grow(rows int) {
	bigger := make([]T, rows)
	copy(bigger, *v)
	*v = bigger
}

func (v *vector[T]) zero(from, to int) { clear((*v)[from:to]) }

func (v *vector[T]) copyRow(to, from int) { (*v)[to] = (*v)[from] }

// columns lists the columns at the bit numbers of Columns.
func (b *Batch) columns() [42]column {
	return [...]column{
		(*vector[int64])(&b.TimeReceived),
		(*vector[int64])(&b.TimeFlowStart),
		(*vector[int64])(&b.TimeFlowEnd),
		(*vector[Type])(&b.Type),
		(*vector[Addr])(&b.ExporterAddr),
		(*vector[uint32])(&b.ObservationDomainID),
		(*vector[Addr])(&b.SrcAddr),
		(*vector[Addr])(&b.DstAddr),
		(*vector[Addr])(&b.NextHop),
		(*vector[Addr])(&b.BGPNextHop),
		(*vector[uint8])(&b.SrcNet),
		(*vector[uint8])(&b.DstNet),
		(*vector[uint32])(&b.InIf),
		(*vector[uint32])(&b.OutIf),
		(*vector[uint32])(&b.SrcAS),
		(*vector[uint32])(&b.DstAS),
		(*vector[uint32])(&b.InVRF),
		(*vector[uint32])(&b.OutVRF),
		(*vector[uint64])(&b.Bytes),
		(*vector[uint64])(&b.Packets),
		(*vector[uint32])(&b.SamplingRate),
		(*vector[uint16])(&b.EType),
		(*vector[uint8])(&b.Proto),
		(*vector[uint16])(&b.SrcPort),
		(*vector[uint16])(&b.DstPort),
		(*vector[uint16])(&b.TCPFlags),
		(*vector[uint8])(&b.IPTos),
		(*vector[uint8])(&b.IPTTL),
		(*vector[uint8])(&b.ICMPType),
		(*vector[uint8])(&b.ICMPCode),
		(*vector[uint8])(&b.FlowDirection),
		(*vector[uint8])(&b.ForwardingStatus),
		(*vector[uint16])(&b.SrcVLAN),
		(*vector[uint16])(&b.DstVLAN),
		(*vector[uint64])(&b.SrcMAC),
		(*vector[uint64])(&b.DstMAC),
		(*vector[Addr])(&b.SrcAddrXlate),
		(*vector[Addr])(&b.DstAddrXlate),
		(*vector[uint16])(&b.SrcPortXlate),
		(*vector[uint16])(&b.DstPortXlate),
		(*vector[uint8])(&b.Implausible),
		(*vector[[]uint32])(&b.MPLSLabels),
	}
}

func (b *Batch) grow(rows int) {
	for _, c := range b.columns() {
		c.grow(rows)
	}
}

func (b *Batch) zero(which Columns, from, to int) {
	columns := b.columns()
	for ; which != 0; which &= which - 1 {
		columns[bits.TrailingZeros64(uint64(which))].zero(from, to)
	}
}

// CopyRow makes row to a copy of row from, in the given columns.
func (b *Batch) CopyRow(to, from int, which Columns) {
	columns := b.columns()
	for ; which != 0; which &= which - 1 {
		columns[bits.TrailingZeros64(uint64(which))].copyRow(to, from)
	}
}
