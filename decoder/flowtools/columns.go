package flowtools

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/nfstats/nfstats/decoder"
)

// tileRows is how many records are decoded column by column: so few that they
// stay in the processor's first cache.
const tileRows = 256

const (
	ethernetTypeIPv4 = 0x0800
	protoICMP        = 1
)

var le = binary.LittleEndian

// addRows decodes n records into rows of b.
func (r *Reader) addRows(b *decoder.Batch, records []byte, n int) {
	l := r.layout
	first := b.ExtendColumns(n, r.columns, decoder.ColumnICMPType|decoder.ColumnICMPCode)
	t := tile{batch: b, records: records, first: first, n: n, stride: l.size, big: r.header.BigEndian}
	for _, f := range l.fields {
		t.column(f)
	}
	start, end := b.TimeFlowStart[first:first+n], b.TimeFlowEnd[first:first+n]
	if l.stream == 1 {
		t.times1(start, end, l)
	} else {
		t.times(start, end, l)
	}
	copy(b.TimeReceived[first:first+n], end)
	t.exporters(b.ExporterAddr[first:first+n], r.defaultExporter(), l.exporter)
	if l.engine != 0 {
		t.engines(b.ObservationDomainID[first:first+n], l.engine)
	}
	fill(b.Type[first:first+n], decoder.TypeFlowTools)
	fill(b.SamplingRate[first:first+n], r.options.SamplingRate)
	fill(b.EType[first:first+n], ethernetTypeIPv4)
	t.icmp()
	if r.options.SwappedByLibft && t.big {
		t.unswap(r.header.Version, r.header.Aggregation)
	}
	r.count(&t, l)
}

// defaultExporter is that of records which do not tell theirs.
func (r *Reader) defaultExporter() decoder.Addr {
	if r.header.Exporter != (decoder.Addr{}) {
		return r.header.Exporter
	}
	return r.options.Exporter
}

// A tile is a run of records that becomes the rows of a batch from first on.
type tile struct {
	batch   *decoder.Batch
	records []byte
	first   int
	n       int
	stride  int  // octets of a record
	big     bool // byte order of the records
}

// column writes the column of a field.
func (t *tile) column(f field) {
	b, from, to := t.batch, t.first, t.first+t.n
	p := t.records[f.offset:]
	switch f.column {
	case src:
		addresses(t, b.SrcAddr[from:to], p)
	case dst:
		addresses(t, b.DstAddr[from:to], p)
	case nextHop:
		addresses(t, b.NextHop[from:to], p)
	case packets:
		counters(t, b.Packets[from:to], p)
	case octets:
		counters(t, b.Bytes[from:to], p)
	case in:
		shorts(t, b.InIf[from:to], p)
	case out:
		shorts(t, b.OutIf[from:to], p)
	case srcAS:
		shorts(t, b.SrcAS[from:to], p)
	case dstAS:
		shorts(t, b.DstAS[from:to], p)
	case srcPort:
		shorts(t, b.SrcPort[from:to], p)
	case dstPort:
		shorts(t, b.DstPort[from:to], p)
	case tcpFlags:
		octetsOf(t, b.TCPFlags[from:to], p)
	case proto:
		octetsOf(t, b.Proto[from:to], p)
	case tos:
		octetsOf(t, b.IPTos[from:to], p)
	case srcNet:
		octetsOf(t, b.SrcNet[from:to], p)
	case dstNet:
		octetsOf(t, b.DstNet[from:to], p)
	default:
		panic(fmt.Sprintf("flowtools: no column %b", f.column))
	}
}

// mapped returns the second half of the IPv4-mapped address of four octets,
// which are read in little-endian order.
func mapped(v uint32) uint64 { return uint64(v)<<32 | 0xffff0000 }

func addresses(t *tile, column []decoder.Addr, p []byte) {
	stride, big := t.stride, t.big
	for i := range column {
		v := le.Uint32(p[i*stride:])
		if !big {
			v = bits.ReverseBytes32(v)
		}
		le.PutUint64(column[i][:8], 0)
		le.PutUint64(column[i][8:], mapped(v))
	}
}

func counters(t *tile, column []uint64, p []byte) {
	stride, big := t.stride, t.big
	for i := range column {
		column[i] = uint64(number32(p[i*stride:], big))
	}
}

func shorts[T uint16 | uint32](t *tile, column []T, p []byte) {
	stride, big := t.stride, t.big
	for i := range column {
		v := le.Uint16(p[i*stride:])
		if big {
			v = bits.ReverseBytes16(v)
		}
		column[i] = T(v)
	}
}

func octetsOf[T uint8 | uint16](t *tile, column []T, p []byte) {
	stride := t.stride
	for i := range column {
		column[i] = T(p[i*stride])
	}
}

func number32(p []byte, big bool) uint32 {
	if big {
		return binary.BigEndian.Uint32(p)
	}
	return le.Uint32(p)
}

// times writes the times of stream version 3. A flow's start and end are in
// milliseconds since the exporter's start like sysUpTime, which belongs to the
// export time in seconds and nanoseconds. The uptime wraps after 49.7 days; the
// signed difference is right before and after that.
func (t *tile) times(start, end []int64, l *layout) {
	big := t.big
	end = end[:len(start)]
	for i := range start {
		p := t.records[i*t.stride:][:t.stride]
		export := int64(number32(p, big))*1000 + int64(number32(p[4:], big)/1e6)
		uptime := number32(p[l.sysUptime:], big)
		start[i] = timeOf(export, uptime, number32(p[l.first:], big))
		end[i] = timeOf(export, uptime, number32(p[l.last:], big))
	}
}

// timeOf returns the time at which the uptime was at. Some tools write records
// without an export time; their times count from 1970.
func timeOf(export int64, uptime, at uint32) int64 {
	if t := export - int64(int32(uptime-at)); t >= 0 {
		return t
	}
	return max(0, export-int64(uptime)+int64(at))
}

// times1 writes the times of stream version 1: a flow's start and end in
// milliseconds since the exporter's start, which is in the record in seconds
// and milliseconds.
func (t *tile) times1(start, end []int64, l *layout) {
	big := t.big
	end = end[:len(start)]
	for i := range start {
		p := t.records[i*t.stride:][:t.stride]
		boot := int64(number32(p, big))*1000 + int64(number32(p[4:], big))
		start[i] = boot + int64(number32(p[l.first:], big))
		end[i] = boot + int64(number32(p[l.last:], big))
	}
}

// exporters writes the exporters' addresses; at is 0 if records have none.
func (t *tile) exporters(column []decoder.Addr, otherwise decoder.Addr, at int) {
	if at == 0 {
		fill(column, otherwise)
		return
	}
	addresses(t, column, t.records[at:])
	for i := range column {
		if le.Uint32(column[i][12:]) == 0 {
			column[i] = otherwise
		}
	}
}

// engines writes the observation domain, which as in NetFlow v5 is the engine's
// type and ID.
func (t *tile) engines(column []uint32, at int) {
	for i := range column {
		column[i] = uint32(binary.BigEndian.Uint16(t.records[i*t.stride+at:]))
	}
}

// icmp writes type and code of ICMP flows, which are in the destination port.
func (t *tile) icmp() {
	b, from, to := t.batch, t.first, t.first+t.n
	ports := b.DstPort[from:to]
	for i, p := range b.Proto[from:to] {
		if p == protoICMP {
			b.ICMPType[from+i], b.ICMPCode[from+i] = uint8(ports[i]>>8), uint8(ports[i])
		}
	}
}

// unswap corrects the columns that Options.SwappedByLibft tells of.
func (t *tile) unswap(version, aggregation int) {
	b, from, to := t.batch, t.first, t.first+t.n
	switch {
	case version == 1005:
		for i := from; i < to; i++ {
			if a := &b.ExporterAddr[i]; le.Uint32(t.records[(i-from)*t.stride+12:]) != 0 {
				a[12], a[13], a[14], a[15] = a[15], a[14], a[13], a[12]
			}
		}
	case version == 8 && aggregation == 12:
		for i := from; i < to; i++ {
			b.DstAS[i] = uint32(bits.ReverseBytes16(uint16(b.DstAS[i])))
		}
	}
}

// count adds the tile to the totals.
func (r *Reader) count(t *tile, l *layout) {
	b, from, to := t.batch, t.first, t.first+t.n
	r.totals.AddRows(b.Packets[from:to], b.Bytes[from:to], b.TimeFlowStart[from:to], b.TimeFlowEnd[from:to])
	if l.flows == 0 {
		r.totals.Flows += uint64(t.n)
		return
	}
	for i := range t.n {
		r.totals.Flows += uint64(number32(t.records[i*t.stride+l.flows:], t.big))
	}
}

func fill[T any](column []T, v T) {
	for i := range column {
		column[i] = v
	}
}
