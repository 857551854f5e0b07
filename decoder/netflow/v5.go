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
	if m.domain = d.domain(m.exporter, 5, uint32(be.Uint16(payload[20:])), m.receivedMs); m.domain == nil {
		m.fail(ReasonTooManyDomains, 0)
		return
	}
	// The sequence counts flows.
	m.domain.observe(m, be.Uint32(payload[16:]), uint32(count), count <= fit)
	n := min(count, fit)
	d.rowsV5(m, payload[headerV5:headerV5+n*recordV5], n)
}

// rowsV5 makes rows of n records.
func (d *Decoder) rowsV5(m *message, records []byte, n int) {
	if n == 0 {
		return
	}
	if !d.execution.v5(m, records, n) {
		d.execution.clampTimes(m, n)
	}
	fill(d.execution.batch.EType[d.execution.first:][:n], ethernetTypeIPv4)
	d.finishRows(m, nil, n)
}

// v5 writes n records, which have the same layout always, and reports whether
// their times are sane. Relative to the export time they cannot be too early.
func (x *execution) v5(m *message, records []byte, n int) (sane bool) {
	b := x.batch
	x.first = b.ExtendColumns(n, columnsV5, 0)
	from, to := x.first, x.first+n
	src, dst, next := b.SrcAddr[from:to], b.DstAddr[from:to], b.NextHop[from:to]
	packets, octets := b.Packets[from:to], b.Bytes[from:to]
	start, end := b.TimeFlowStart[from:to], b.TimeFlowEnd[from:to]
	// The compiler leaves out bounds checks where it knows all lengths equal.
	dst, next, packets, octets = dst[:len(src)], next[:len(src)], packets[:len(src)], octets[:len(src)]
	start, end = start[:len(src)], end[:len(src)]
	export, uptime, latest := m.exportMs, m.uptimeMs, m.latestMs()
	sane = true
	for i := range src {
		r := recordOfV5(records, i)
		mapped4(&src[i], (*[4]byte)(r[0:]))
		mapped4(&dst[i], (*[4]byte)(r[4:]))
		mapped4(&next[i], (*[4]byte)(r[8:]))
		packets[i], octets[i] = uint64(be.Uint32(r[16:])), uint64(be.Uint32(r[20:]))
		first := export + int64(int32(be.Uint32(r[24:])-uptime))
		last := export + int64(int32(be.Uint32(r[28:])-uptime))
		start[i], end[i] = first, last
		if first > latest || last > latest || uint64(last-first+maxInvertedMs) > maxDurationMs+maxInvertedMs {
			sane = false
		}
	}
	x.v5Interfaces(records, from, to)
	x.v5Ports(records, from, to)
	return sane
}

// The narrow columns have loops of their own because the addresses of all
// columns do not fit into the processor's registers.

func (x *execution) v5Interfaces(records []byte, from, to int) {
	b := x.batch
	in, out, srcAS, dstAS := b.InIf[from:to], b.OutIf[from:to], b.SrcAS[from:to], b.DstAS[from:to]
	out, srcAS, dstAS = out[:len(in)], srcAS[:len(in)], dstAS[:len(in)]
	for i := range in {
		r := recordOfV5(records, i)
		in[i], out[i] = uint32(be.Uint16(r[12:])), uint32(be.Uint16(r[14:]))
		srcAS[i], dstAS[i] = uint32(be.Uint16(r[40:])), uint32(be.Uint16(r[42:]))
	}
}

func (x *execution) v5Ports(records []byte, from, to int) {
	b := x.batch
	src, dst, flags := b.SrcPort[from:to], b.DstPort[from:to], b.TCPFlags[from:to]
	proto, tos, srcNet, dstNet := b.Proto[from:to], b.IPTos[from:to], b.SrcNet[from:to], b.DstNet[from:to]
	dst, flags = dst[:len(src)], flags[:len(src)]
	proto, tos, srcNet, dstNet = proto[:len(src)], tos[:len(src)], srcNet[:len(src)], dstNet[:len(src)]
	for i := range src {
		r := recordOfV5(records, i)
		src[i], dst[i], flags[i] = be.Uint16(r[32:]), be.Uint16(r[34:]), uint16(r[37])
		proto[i], tos[i] = r[38], r[39]
		srcNet[i], dstNet[i] = r[44], r[45]
	}
}

// recordOfV5 returns record i.
func recordOfV5(records []byte, i int) *[recordV5]byte {
	k := i * recordV5
	return (*[recordV5]byte)(records[k : k+recordV5 : k+recordV5])
}
