package netflow

import "github.com/nfstats/nfstats/decoder"

// columnsV5 are what a v5 record has.
const columnsV5 = constantColumns | decoder.ColumnSrcAddr | decoder.ColumnDstAddr | decoder.ColumnNextHop |
	decoder.ColumnInIf | decoder.ColumnOutIf | decoder.ColumnPackets | decoder.ColumnBytes |
	decoder.ColumnSrcPort | decoder.ColumnDstPort | decoder.ColumnTCPFlags | decoder.ColumnProto | decoder.ColumnIPTos |
	decoder.ColumnSrcAS | decoder.ColumnDstAS | decoder.ColumnSrcNet | decoder.ColumnDstNet | decoder.ColumnEType

// decodeV5 decodes a NetFlow v5 datagram: a header of 24 octets and count
// records of 48. The observation domain is engine type and ID.
func (d *Decoder) decodeV5(m *message, payload []byte) {
	m.flowType = decoder.TypeNetFlowV5
	m.uptimeMs = be.Uint32(payload[4:])
	m.exportMs = int64(be.Uint32(payload[8:]))*1000 + int64(be.Uint32(payload[12:]))/1e6
	// The upper two bits are the sampling mode.
	m.rate = uint32(be.Uint16(payload[22:]) & 0x3fff)
	count, fit := int(be.Uint16(payload[2:])), (len(payload)-headerV5)/recordV5
	if count == 0 || count > fit {
		m.fail(ReasonLength, 0)
	}
	if m.domain = d.domain(m.exporter, 5, uint32(be.Uint16(payload[20:]))); m.domain == nil {
		m.fail(ReasonTooManyTemplates, 0)
		return
	}
	// The sequence counts flows.
	m.domain.observe(m, be.Uint32(payload[16:]), uint32(count), count <= fit)
	if n := min(count, fit); n > 0 {
		d.execution.v5(m, payload[headerV5:headerV5+n*recordV5], n)
		d.finishRows(m, nil, d.execution.first, n)
	}
}

// v5 writes n records, which have the same layout always.
func (x *execution) v5(m *message, records []byte, n int) {
	b := x.batch
	x.first = b.ExtendColumns(n, columnsV5, 0)
	export, uptime := m.exportMs, m.uptimeMs
	for i := range n {
		r := (*[recordV5]byte)(records[i*recordV5:])
		row := x.first + i
		b.SrcAddr[row] = mapped4(r[0:4])
		b.DstAddr[row] = mapped4(r[4:8])
		b.NextHop[row] = mapped4(r[8:12])
		b.InIf[row] = uint32(be.Uint16(r[12:]))
		b.OutIf[row] = uint32(be.Uint16(r[14:]))
		b.Packets[row] = uint64(be.Uint32(r[16:]))
		b.Bytes[row] = uint64(be.Uint32(r[20:]))
		b.TimeFlowStart[row] = export + int64(int32(be.Uint32(r[24:])-uptime))
		b.TimeFlowEnd[row] = export + int64(int32(be.Uint32(r[28:])-uptime))
		b.SrcPort[row] = be.Uint16(r[32:])
		b.DstPort[row] = be.Uint16(r[34:])
		b.TCPFlags[row] = uint16(r[37])
		b.Proto[row] = r[38]
		b.IPTos[row] = r[39]
		b.SrcAS[row] = uint32(be.Uint16(r[40:]))
		b.DstAS[row] = uint32(be.Uint16(r[42:]))
		b.SrcNet[row] = r[44]
		b.DstNet[row] = r[45]
	}
}
