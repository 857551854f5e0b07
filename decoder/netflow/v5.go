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
	from, to := x.first, x.first+n
	// One loop for the columns of each kind: with all of them in one, their
	// addresses would not fit into the processor's registers.
	v5Addresses(records, b.SrcAddr[from:to], b.DstAddr[from:to], b.NextHop[from:to])
	v5Counters(records, b.Packets[from:to], b.Bytes[from:to])
	v5Times(m, records, b.TimeFlowStart[from:to], b.TimeFlowEnd[from:to])
	v5Interfaces(records, b.InIf[from:to], b.OutIf[from:to], b.SrcAS[from:to], b.DstAS[from:to])
	v5Ports(records, b.SrcPort[from:to], b.DstPort[from:to], b.TCPFlags[from:to])
	v5Octets(records, b.Proto[from:to], b.IPTos[from:to], b.SrcNet[from:to], b.DstNet[from:to])
}

func v5Addresses(records []byte, src, dst, next []decoder.Addr) {
	n := len(records) / recordV5
	src, dst, next = src[:n], dst[:n], next[:n]
	for i := range n {
		r := (*[recordV5]byte)(records[i*recordV5:])
		mapped4(&src[i], (*[4]byte)(r[0:]))
		mapped4(&dst[i], (*[4]byte)(r[4:]))
		mapped4(&next[i], (*[4]byte)(r[8:]))
	}
}

func v5Counters(records []byte, packets, octets []uint64) {
	n := len(records) / recordV5
	packets, octets = packets[:n], octets[:n]
	for i := range n {
		r := (*[recordV5]byte)(records[i*recordV5:])
		packets[i], octets[i] = uint64(be.Uint32(r[16:])), uint64(be.Uint32(r[20:]))
	}
}

func v5Times(m *message, records []byte, start, end []int64) {
	n := len(records) / recordV5
	start, end = start[:n], end[:n]
	export, uptime := m.exportMs, m.uptimeMs
	for i := range n {
		r := (*[recordV5]byte)(records[i*recordV5:])
		start[i] = export + int64(int32(be.Uint32(r[24:])-uptime))
		end[i] = export + int64(int32(be.Uint32(r[28:])-uptime))
	}
}

func v5Interfaces(records []byte, in, out, srcAS, dstAS []uint32) {
	n := len(records) / recordV5
	in, out, srcAS, dstAS = in[:n], out[:n], srcAS[:n], dstAS[:n]
	for i := range n {
		r := (*[recordV5]byte)(records[i*recordV5:])
		in[i], out[i] = uint32(be.Uint16(r[12:])), uint32(be.Uint16(r[14:]))
		srcAS[i], dstAS[i] = uint32(be.Uint16(r[40:])), uint32(be.Uint16(r[42:]))
	}
}

func v5Ports(records []byte, src, dst, flags []uint16) {
	n := len(records) / recordV5
	src, dst, flags = src[:n], dst[:n], flags[:n]
	for i := range n {
		r := (*[recordV5]byte)(records[i*recordV5:])
		src[i], dst[i], flags[i] = be.Uint16(r[32:]), be.Uint16(r[34:]), uint16(r[37])
	}
}

func v5Octets(records []byte, proto, tos, srcNet, dstNet []uint8) {
	n := len(records) / recordV5
	proto, tos, srcNet, dstNet = proto[:n], tos[:n], srcNet[:n], dstNet[:n]
	for i := range n {
		r := (*[recordV5]byte)(records[i*recordV5:])
		proto[i], tos[i], srcNet[i], dstNet[i] = r[38], r[39], r[44], r[45]
	}
}
