package netflow

import "github.com/nfstats/nfstats/decoder"

// Lengths of NetFlow v1 and v7 in octets. Both came from the same routers as v5.
const (
	headerV1   = 16
	headerV7   = 24
	recordV1V7 = 52
)

// decodeV1V7 decodes a NetFlow v1 or v7 datagram. Their headers begin as v5's
// does; v1 has no sequence number, neither has a sampling rate or an engine. Rows
// are of type NETFLOW_V5, whose records they are but for details.
func (d *Decoder) decodeV1V7(m *message, payload []byte) {
	header := headerV7
	if m.version == 1 {
		header = headerV1
	}
	m.flowType = decoder.TypeNetFlowV5
	m.uptimeMs = be.Uint32(payload[4:])
	m.exportMs = int64(be.Uint32(payload[8:]))*1000 + int64(be.Uint32(payload[12:]))/1e6
	count, fit := int(be.Uint16(payload[2:])), (len(payload)-header)/recordV1V7
	if count == 0 || count > fit {
		m.fail(ReasonLength, 0)
	}
	if m.domain = d.domain(m.exporter, m.version, 0, m.receivedMs); m.domain == nil {
		m.fail(ReasonTooManyDomains, 0)
		return
	}
	if m.version == 7 {
		m.domain.observe(m, be.Uint32(payload[16:]), uint32(count), count <= fit)
	}
	n := min(count, fit)
	d.asV5 = d.asV5[:0]
	for i := range n {
		d.asV5 = appendAsV5(d.asV5, m.version, payload[header+i*recordV1V7:][:recordV1V7])
	}
	d.rowsV5(m, d.asV5, n)
}

// appendAsV5 writes a record in v5's form. v7 appends the address of the router
// whose flow a switch shortcuts. v1 has no ASes and prefixes, and protocol, type
// of service and TCP flags in another order.
func appendAsV5(records []byte, version uint16, r []byte) []byte {
	if version == 7 {
		return append(records, r[:recordV5]...)
	}
	records = append(records, r[:36]...)
	return append(records, 0, r[40], r[38], r[39], 0, 0, 0, 0, 0, 0, 0, 0)
}
