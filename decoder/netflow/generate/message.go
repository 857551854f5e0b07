package generate

import (
	"encoding/binary"
	"time"
)

// Versions of flow export.
const (
	NetFlowV5 uint16 = 5
	NetFlowV9 uint16 = 9
	IPFIX     uint16 = 10
)

// Header is what a datagram says about itself.
type Header struct {
	Version  uint16
	Domain   uint32        // observation domain, source ID, or v5 engine type and ID
	Sequence uint32        // flows (v5), export packets (v9) or data records (IPFIX) sent before
	Export   time.Time     // v9 and IPFIX tell whole seconds
	Uptime   time.Duration // of the exporter; IPFIX does not tell it
}

// A Field is one field specifier of a template.
type Field struct {
	ID         uint16
	Length     uint16 // octets; Variable where each record tells it
	Enterprise uint32 // IPFIX only; 0: an element of IANA's registry
}

// Variable is the length of fields of variable length.
const Variable = 0xffff

// A Template describes data records or, with Scopes, options data records.
type Template struct {
	ID     uint16 // at least 256
	Scopes []Field
	Fields []Field
}

// A Message is a v9 or IPFIX datagram in the making.
type Message struct {
	header  Header
	octets  []byte
	records int // of any kind, which v9 counts
}

// New starts a message.
func New(h Header) *Message {
	m := &Message{header: h}
	seconds := uint32(h.Export.Unix())
	m.u16(h.Version, 0)
	if h.Version == NetFlowV9 {
		m.u32(uint32(h.Uptime.Milliseconds()), seconds, h.Sequence, h.Domain)
	} else {
		m.u32(seconds, h.Sequence, h.Domain)
	}
	return m
}

// Templates adds a set that announces templates: of options data if the first
// one has scopes, else of data.
func (m *Message) Templates(templates ...Template) *Message {
	options := len(templates) > 0 && templates[0].Scopes != nil
	id := map[bool]uint16{false: 2, true: 3}[options]
	if m.header.Version == NetFlowV9 {
		id -= 2
	}
	start := m.open(id)
	for _, t := range templates {
		m.records++
		switch {
		case !options:
			m.u16(t.ID, uint16(len(t.Fields)))
		case m.header.Version == NetFlowV9:
			m.u16(t.ID, uint16(4*len(t.Scopes)), uint16(4*len(t.Fields)))
		default:
			m.u16(t.ID, uint16(len(t.Scopes)+len(t.Fields)), uint16(len(t.Scopes)))
		}
		m.fields(t.Scopes)
		m.fields(t.Fields)
	}
	return m.close(start, m.header.Version == NetFlowV9)
}

// Withdraw adds a set that withdraws an IPFIX template; ID 2 withdraws all data
// templates, ID 3 all options templates.
func (m *Message) Withdraw(id uint16, options bool) *Message {
	start := m.open(map[bool]uint16{false: 2, true: 3}[options])
	m.u16(id, 0)
	return m.close(start, false)
}

// Data adds a set of records, which are encoded already.
func (m *Message) Data(template uint16, records ...[]byte) *Message {
	start := m.open(template)
	for _, r := range records {
		m.records++
		m.octets = append(m.octets, r...)
	}
	return m.close(start, m.header.Version == NetFlowV9)
}

// Set adds a set of any content.
func (m *Message) Set(id uint16, body []byte) *Message {
	start := m.open(id)
	m.octets = append(m.octets, body...)
	return m.close(start, false)
}

// Records returns how many records the message has.
func (m *Message) Records() int { return m.records }

// Len returns the message's length in octets.
func (m *Message) Len() int { return len(m.octets) }

// Bytes returns the datagram.
func (m *Message) Bytes() []byte {
	count := m.records
	if m.header.Version == IPFIX {
		count = len(m.octets) // IPFIX has the length there
	}
	binary.BigEndian.PutUint16(m.octets[2:], uint16(count))
	return m.octets
}

func (m *Message) open(id uint16) (start int) {
	start = len(m.octets)
	m.u16(id, 0)
	return start
}

// close sets the set's length, after padding it to 4 octets if asked to.
func (m *Message) close(start int, pad bool) *Message {
	for pad && (len(m.octets)-start)%4 != 0 {
		m.octets = append(m.octets, 0)
	}
	binary.BigEndian.PutUint16(m.octets[start+2:], uint16(len(m.octets)-start))
	return m
}

func (m *Message) fields(fields []Field) {
	for _, f := range fields {
		if f.Enterprise == 0 {
			m.u16(f.ID, f.Length)
			continue
		}
		m.u16(f.ID|0x8000, f.Length)
		m.u32(f.Enterprise)
	}
}

func (m *Message) u16(values ...uint16) {
	for _, v := range values {
		m.octets = binary.BigEndian.AppendUint16(m.octets, v)
	}
}

func (m *Message) u32(values ...uint32) {
	for _, v := range values {
		m.octets = binary.BigEndian.AppendUint32(m.octets, v)
	}
}
