package netflow

import "github.com/nfstats/nfstats/decoder"

// decodeV9 decodes a NetFlow v9 export packet (RFC 3954 §5). Its header's count
// is ignored: exporters count records, sets or only some of them.
func (d *Decoder) decodeV9(m *message, payload []byte) {
	m.flowType = decoder.TypeNetFlowV9
	m.uptimeMs = be.Uint32(payload[4:])
	m.exportMs = int64(be.Uint32(payload[8:])) * 1000
	sequence, source := be.Uint32(payload[12:]), be.Uint32(payload[16:])
	if m.domain = d.domain(m.exporter, 9, source, m.receivedMs); m.domain == nil {
		m.fail(ReasonTooManyDomains, 0)
		return
	}
	// The sequence counts export packets.
	m.domain.observe(m, sequence, 1, true)
	d.sets(m, payload[headerV9:])
}

// decodeIPFIX decodes an IPFIX message (RFC 7011 §3.1).
func (d *Decoder) decodeIPFIX(m *message, payload []byte) {
	m.flowType = decoder.TypeIPFIX
	m.exportMs = int64(be.Uint32(payload[4:])) * 1000
	length := int(be.Uint16(payload[2:]))
	sequence, id := be.Uint32(payload[8:]), be.Uint32(payload[12:])
	if m.domain = d.domain(m.exporter, 10, id, m.receivedMs); m.domain == nil {
		m.fail(ReasonTooManyDomains, 0)
		return
	}
	d.sets(m, payload[headerIPFIX:length])
	// The sequence counts data records, options data included.
	m.domain.observe(m, sequence, m.records, !m.uncounted)
}

// Set IDs that are not template IDs.
const (
	setTemplateV9           = 0
	setOptionsTemplateV9    = 1
	setTemplateIPFIX        = 2
	setOptionsTemplateIPFIX = 3
	firstDataSet            = 256
)

// sets decodes the sets of a message. A bad one does not spoil the others, as
// long as it can be told where it ends.
func (d *Decoder) sets(m *message, rest []byte) {
	for len(rest) >= headerSet {
		id, length := be.Uint16(rest), int(be.Uint16(rest[2:]))
		if id == 0 && length == 0 && m.version == 9 {
			break // Palo Alto and Cisco ACI fill datagrams with zeros
		}
		if length < headerSet || length > len(rest) {
			m.uncounted = true
			m.fail(ReasonBadSet, id)
			break
		}
		body := rest[headerSet:length]
		rest = rest[length:]
		switch {
		case id >= firstDataSet:
			d.dataSet(m, id, body)
		case m.version == 9 && id == setTemplateV9, m.version == 10 && id == setTemplateIPFIX:
			d.templateSet(m, body, false)
		case m.version == 9 && id == setOptionsTemplateV9, m.version == 10 && id == setOptionsTemplateIPFIX:
			d.templateSet(m, body, true)
		default:
			m.fail(ReasonSetID, id)
		}
	}
	if m.exporter.waiting.ready {
		d.releaseWaiting(m)
	}
}

// dataSet decodes a data set, or lets it wait for its template.
func (d *Decoder) dataSet(m *message, id uint16, body []byte) {
	t := d.template(m, id)
	if t == nil {
		m.uncounted = true
		d.wait(m, id, body)
		return
	}
	t.usedMs = m.receivedMs
	t.sets++
	var records uint32
	if t.plan != nil {
		records = d.flows(m, t, body)
	} else {
		records = d.optionsData(m, t, body)
	}
	t.records += uint64(records)
	m.records += records
}

// flows decodes the records of a data set and returns how many there were.
func (d *Decoder) flows(m *message, t *template, body []byte) uint32 {
	x, p := &d.execution, t.plan
	n, more, bad := x.locate(p, body, m.rowsLeft)
	if bad {
		m.uncounted = true
		m.fail(ReasonBadRecord, t.id)
	}
	if more {
		m.uncounted = true
		m.fail(ReasonTooManyRows, t.id)
	}
	if n == 0 {
		return 0
	}
	m.rowsLeft -= n
	d.rows(m, t, n)
	if p.reverse != nil {
		d.reverseRows(m, t, n)
	}
	return uint32(n)
}
