package flowtools

import "github.com/nfstats/nfstats/decoder"

// A layout says where the fields of a record are. Offsets are octets; one of 0
// means that the records have no such field.
type layout struct {
	size   int
	stream int // stream version, which decides how times are stored

	sysUptime, exporter int // of stream version 3
	first, last         int // start and end of the flow
	flows               int // number of flows that were aggregated, 32 bits
	engine              int // type, then ID, one octet each
	fields              []field
}

// A field is one value that becomes a column. Addresses and counters have 32
// bits, interfaces, AS numbers and ports 16, all others 8.
type field struct {
	column decoder.Columns
	offset int
}

// Short names for the tables below.
const (
	src      = decoder.ColumnSrcAddr
	dst      = decoder.ColumnDstAddr
	nextHop  = decoder.ColumnNextHop
	in       = decoder.ColumnInIf
	out      = decoder.ColumnOutIf
	packets  = decoder.ColumnPackets
	octets   = decoder.ColumnBytes
	srcPort  = decoder.ColumnSrcPort
	dstPort  = decoder.ColumnDstPort
	proto    = decoder.ColumnProto
	tos      = decoder.ColumnIPTos
	tcpFlags = decoder.ColumnTCPFlags
	srcNet   = decoder.ColumnSrcNet
	dstNet   = decoder.ColumnDstNet
	srcAS    = decoder.ColumnSrcAS
	dstAS    = decoder.ColumnDstAS
)

// layoutOf returns the layout of a file's records, nil if there is none.
func layoutOf(h *Header) *layout {
	if h.StreamVersion == 1 {
		return layouts1[h.Version]
	}
	if h.Version == 8 {
		return layouts8[h.Aggregation]
	}
	return layouts[h.Version]
}

// layouts are those of single flows in stream version 3, by record version.
var layouts = map[int]*layout{
	1:    flowLayout(60, 0),
	5:    flowLayout(64, 56, with5...),
	6:    flowLayout(72, 56, with5...),
	7:    flowLayout(68, 56, with5...),
	1005: flowLayout(72, 56, with5...),
}

// with5 is what version 5 and later ones have beyond version 1.
var with5 = []field{{srcNet, 58}, {dstNet, 59}, {srcAS, 60}, {dstAS, 62}}

func flowLayout(size, engine int, more ...field) *layout {
	return &layout{
		size: size, stream: 3, sysUptime: 8, exporter: 12, first: 40, last: 44, engine: engine,
		fields: append([]field{
			{src, 16}, {dst, 20}, {nextHop, 24}, {in, 28}, {out, 30}, {packets, 32}, {octets, 36},
			{srcPort, 48}, {dstPort, 50}, {proto, 52}, {tos, 53}, {tcpFlags, 54},
		}, more...),
	}
}

// layouts1 are those of stream version 1, by record version.
var layouts1 = map[int]*layout{
	1: {size: 60, stream: 1, first: 32, last: 36, fields: fields1},
	5: {size: 60, stream: 1, first: 32, last: 36, fields: append([]field{{srcAS, 52}, {dstAS, 54}, {srcNet, 56}, {dstNet, 57}}, fields1...)},
}

var fields1 = []field{
	{src, 8}, {dst, 12}, {nextHop, 16}, {in, 20}, {out, 22}, {packets, 24}, {octets, 28},
	{srcPort, 40}, {dstPort, 42}, {proto, 46}, {tos, 47}, {tcpFlags, 48},
}

// layouts8 are those of version 8, by aggregation method.
var layouts8 = map[int]*layout{
	1:  aggregated(48, 44, field{srcAS, 36}, field{dstAS, 38}, field{in, 40}, field{out, 42}),
	2:  aggregated(48, 44, field{proto, 36}, field{srcPort, 40}, field{dstPort, 42}),
	3:  swappedHead(aggregated(48, 46, field{src, 36}, field{srcNet, 40}, field{srcAS, 42}, field{in, 44})),
	4:  aggregated(48, 42, field{dst, 36}, field{dstNet, 40}, field{dstAS, 44}, field{out, 46}),
	5:  aggregated(56, 46, field{src, 36}, field{dst, 40}, field{dstNet, 44}, field{srcNet, 45}, field{srcAS, 48}, field{dstAS, 50}, field{in, 52}, field{out, 54}),
	6:  catalyst(52, 50, field{dst, 32}, field{out, 44}, field{tos, 48}),
	7:  catalyst(56, 54, field{dst, 32}, field{src, 36}, field{out, 48}, field{in, 50}, field{tos, 52}),
	8:  catalyst(64, 58, field{dst, 32}, field{src, 36}, field{dstPort, 48}, field{srcPort, 50}, field{out, 52}, field{in, 54}, field{tos, 56}, field{proto, 60}),
	9:  aggregated(48, 44, field{srcAS, 36}, field{dstAS, 38}, field{in, 40}, field{out, 42}, field{tos, 46}),
	10: aggregated(48, 44, field{srcPort, 36}, field{dstPort, 38}, field{in, 40}, field{out, 42}, field{proto, 46}, field{tos, 47}),
	11: swappedHead(aggregated(48, 46, field{src, 36}, field{srcNet, 40}, field{tos, 41}, field{srcAS, 42}, field{in, 44})),
	12: swappedHead(aggregated(48, 46, field{dst, 36}, field{out, 40}, field{dstAS, 42}, field{dstNet, 44}, field{tos, 45})),
	13: aggregated(60, 54, field{src, 36}, field{dst, 40}, field{srcAS, 44}, field{dstAS, 46}, field{in, 48}, field{out, 50}, field{dstNet, 52}, field{srcNet, 53}, field{tos, 56}),
	14: aggregated(60, 54, field{src, 36}, field{dst, 40}, field{srcPort, 44}, field{dstPort, 46}, field{in, 48}, field{out, 50}, field{dstNet, 52}, field{srcNet, 53}, field{tos, 56}, field{proto, 57}),
}

func aggregated(size, engine int, fields ...field) *layout {
	return &layout{
		size: size, stream: 3, sysUptime: 8, exporter: 12, flows: 16, first: 28, last: 32, engine: engine,
		fields: append([]field{{packets, 20}, {octets, 24}}, fields...),
	}
}

// catalyst is the layout of the switches' methods, which count no flows.
func catalyst(size, engine int, fields ...field) *layout {
	return &layout{
		size: size, stream: 3, sysUptime: 8, exporter: 12, first: 24, last: 28, engine: engine,
		fields: append([]field{{packets, 16}, {octets, 20}}, fields...),
	}
}

// swappedHead exchanges exporter and uptime, as some methods do.
func swappedHead(l *layout) *layout {
	l.sysUptime, l.exporter = l.exporter, l.sysUptime
	return l
}

// columns returns the columns that records of this layout fill.
func (l *layout) columns() decoder.Columns {
	columns := decoder.ColumnTimeReceived | decoder.ColumnTimeFlowStart | decoder.ColumnTimeFlowEnd |
		decoder.ColumnType | decoder.ColumnExporterAddr | decoder.ColumnSamplingRate | decoder.ColumnEType
	if l.engine != 0 {
		columns |= decoder.ColumnObservationDomainID
	}
	for _, f := range l.fields {
		columns |= f.column
	}
	return columns
}
