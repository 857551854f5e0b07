package netflow

import "github.com/nfstats/nfstats/decoder"

// reverseRows adds rows for the opposite direction of bidirectional flows
// (RFC 5103, and the responder's counters of Cisco NSEL and AVC), where there
// was traffic.
func (d *Decoder) reverseRows(m *message, t *template, n int) {
	x, p, b := &d.execution, t.plan, d.execution.batch
	forward := x.first
	n = min(n, m.rowsLeft)
	m.rowsLeft -= n
	columns := p.full | p.partial | decoder.ColumnFlowDirection
	x.first = b.ExtendColumns(n, 0, swapped(columns)|p.reverseColumns)
	for i := range n {
		b.CopyRow(x.first+i, forward+i, columns)
		turnRow(b, x.first+i, p.has.direction)
	}
	x.run(m, p.reverse, x.first, n)
	kept := x.first
	for row := x.first; row < x.first+n; row++ {
		if b.Bytes[row] == 0 && b.Packets[row] == 0 {
			continue
		}
		if kept != row {
			b.CopyRow(kept, row, decoder.AllColumns)
		}
		kept++
	}
	b.Truncate(kept)
	m.rowsLeft += x.first + n - kept
	x.clampTimes(m, kept-x.first)
}

// swapped returns the columns that turning a row of the given ones may write.
func swapped(c decoder.Columns) decoder.Columns {
	pairs := [][2]decoder.Columns{
		{decoder.ColumnSrcAddr, decoder.ColumnDstAddr}, {decoder.ColumnSrcNet, decoder.ColumnDstNet},
		{decoder.ColumnSrcPort, decoder.ColumnDstPort}, {decoder.ColumnSrcAS, decoder.ColumnDstAS},
		{decoder.ColumnSrcMAC, decoder.ColumnDstMAC}, {decoder.ColumnSrcVLAN, decoder.ColumnDstVLAN},
		{decoder.ColumnInIf, decoder.ColumnOutIf}, {decoder.ColumnInVRF, decoder.ColumnOutVRF},
		{decoder.ColumnSrcAddrXlate, decoder.ColumnDstAddrXlate}, {decoder.ColumnSrcPortXlate, decoder.ColumnDstPortXlate},
	}
	c |= decoder.ColumnBytes | decoder.ColumnPackets | decoder.ColumnTCPFlags
	for _, p := range pairs {
		if c&(p[0]|p[1]) != 0 {
			c |= p[0] | p[1]
		}
	}
	return c
}

// turnRow makes a row that of the opposite direction. What was only measured of
// the forward one becomes zero.
func turnRow(b *decoder.Batch, row int, hasDirection bool) {
	b.SrcAddr[row], b.DstAddr[row] = b.DstAddr[row], b.SrcAddr[row]
	b.SrcNet[row], b.DstNet[row] = b.DstNet[row], b.SrcNet[row]
	b.SrcPort[row], b.DstPort[row] = b.DstPort[row], b.SrcPort[row]
	b.SrcAS[row], b.DstAS[row] = b.DstAS[row], b.SrcAS[row]
	b.SrcMAC[row], b.DstMAC[row] = b.DstMAC[row], b.SrcMAC[row]
	b.SrcVLAN[row], b.DstVLAN[row] = b.DstVLAN[row], b.SrcVLAN[row]
	b.InIf[row], b.OutIf[row] = b.OutIf[row], b.InIf[row]
	b.InVRF[row], b.OutVRF[row] = b.OutVRF[row], b.InVRF[row]
	b.SrcAddrXlate[row], b.DstAddrXlate[row] = b.DstAddrXlate[row], b.SrcAddrXlate[row]
	b.SrcPortXlate[row], b.DstPortXlate[row] = b.DstPortXlate[row], b.SrcPortXlate[row]
	b.NextHop[row], b.BGPNextHop[row] = decoder.Addr{}, decoder.Addr{}
	b.Bytes[row], b.Packets[row] = 0, 0
	b.TCPFlags[row], b.IPTTL[row], b.ICMPType[row], b.ICMPCode[row], b.ForwardingStatus[row] = 0, 0, 0, 0, 0
	b.MPLSLabels[row] = nil
	if hasDirection {
		b.FlowDirection[row] ^= 1
	}
}
