package generate

import (
	"encoding/binary"
	"math/rand/v2"
)

// V9IPv4 is a template as Cisco's flexible NetFlow has it: 20 fields, 52 octets.
func V9IPv4(id uint16) Template {
	return Template{ID: id, Fields: []Field{{ID: 8, Length: 4}, {ID: 12, Length: 4}, {ID: 10, Length: 4}, {ID: 14, Length: 4},
		{ID: 2, Length: 4}, {ID: 1, Length: 4}, {ID: 22, Length: 4}, {ID: 21, Length: 4}, {ID: 7, Length: 2}, {ID: 11, Length: 2},
		{ID: 16, Length: 4}, {ID: 17, Length: 4}, {ID: 18, Length: 4}, {ID: 9, Length: 1}, {ID: 13, Length: 1}, {ID: 4, Length: 1},
		{ID: 6, Length: 1}, {ID: 5, Length: 1}, {ID: 61, Length: 1}, {ID: 48, Length: 1}}}
}

// V9IPv6 is V9IPv4 for IPv6.
func V9IPv6(id uint16) Template {
	return replaced(V9IPv4(id), map[uint16]Field{8: {ID: 27, Length: 16}, 12: {ID: 28, Length: 16}, 18: {ID: 63, Length: 16},
		9: {ID: 29, Length: 1}, 13: {ID: 30, Length: 1}})
}

// IPFIXIPv4 is a template with 64-bit counters and absolute times: 20 fields, 71
// octets.
func IPFIXIPv4(id uint16) Template {
	return replaced(V9IPv4(id), map[uint16]Field{1: {ID: 1, Length: 8}, 2: {ID: 2, Length: 8}, 22: {ID: 152, Length: 8},
		21: {ID: 153, Length: 8}, 6: {ID: 6, Length: 2}, 48: {ID: 136, Length: 1}})
}

// IPFIXIPv6 is IPFIXIPv4 for IPv6.
func IPFIXIPv6(id uint16) Template {
	return replaced(IPFIXIPv4(id), map[uint16]Field{8: {ID: 27, Length: 16}, 12: {ID: 28, Length: 16}, 18: {ID: 63, Length: 16},
		9: {ID: 29, Length: 1}, 13: {ID: 30, Length: 1}})
}

// IPFIXVariable is IPFIXIPv4 with an interface name and an application name of
// variable length in place of direction and end reason.
func IPFIXVariable(id uint16) Template {
	return replaced(IPFIXIPv4(id), map[uint16]Field{61: {ID: 82, Length: Variable}, 136: {ID: 96, Length: Variable}})
}

// replaced returns the template with some fields exchanged, by element.
func replaced(t Template, by map[uint16]Field) Template {
	for i, f := range t.Fields {
		if other, ok := by[f.ID]; ok {
			t.Fields[i] = other
		}
	}
	return t
}

// Sampler returns an options template that describes samplers, and the record
// that says that the sampler takes one packet in rate.
func Sampler(version, id uint16, sampler uint64, rate uint32) (Template, []byte) {
	if version == NetFlowV9 {
		record := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 0, byte(sampler)}, rate)
		return Template{ID: id, Scopes: []Field{{ID: 1, Length: 4}}, Fields: []Field{{ID: 48, Length: 1}, {ID: 50, Length: 4}}}, record
	}
	record := binary.BigEndian.AppendUint64(nil, sampler)
	record = binary.BigEndian.AppendUint32(record, 1)
	record = binary.BigEndian.AppendUint32(record, rate-1)
	return Template{ID: id, Scopes: []Field{{ID: 302, Length: 8}}, Fields: []Field{{ID: 305, Length: 4}, {ID: 306, Length: 4}}}, record
}

// V5 builds a NetFlow v5 datagram. rate is the header's sampling interval, below
// 16384; 0 means that it is not told. IPv4 flows only.
func V5(h Header, rate uint16, flows []Flow) []byte {
	b := binary.BigEndian.AppendUint16(nil, NetFlowV5)
	b = binary.BigEndian.AppendUint16(b, uint16(len(flows)))
	b = binary.BigEndian.AppendUint32(b, uint32(h.Uptime.Milliseconds()))
	b = binary.BigEndian.AppendUint32(b, uint32(h.Export.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(h.Export.Nanosecond()))
	b = binary.BigEndian.AppendUint32(b, h.Sequence)
	b = binary.BigEndian.AppendUint16(b, uint16(h.Domain))
	mode := uint16(0)
	if rate != 0 {
		mode = 1 << 14
	}
	b = binary.BigEndian.AppendUint16(b, mode|rate&0x3fff)
	record := Template{Fields: []Field{{ID: 8, Length: 4}, {ID: 12, Length: 4}, {ID: 15, Length: 4}, {ID: 10, Length: 2}, {ID: 14, Length: 2},
		{ID: 2, Length: 4}, {ID: 1, Length: 4}, {ID: 22, Length: 4}, {ID: 21, Length: 4}, {ID: 7, Length: 2}, {ID: 11, Length: 2},
		{Length: 1}, {ID: 6, Length: 1}, {ID: 4, Length: 1}, {ID: 5, Length: 1}, {ID: 16, Length: 2}, {ID: 17, Length: 2},
		{ID: 9, Length: 1}, {ID: 13, Length: 1}, {Length: 2}}}
	for i := range flows {
		b = append(b, record.Record(h, &flows[i])...)
	}
	return b
}

// maxPayload is the UDP payload of an Ethernet frame.
const maxPayload = 1472

// Datagram builds a full-sized data datagram of random flows and returns how
// many flows it has.
func Datagram(r *rand.Rand, h Header, t Template) ([]byte, int) {
	ipv6 := false
	for _, f := range t.Fields {
		ipv6 = ipv6 || f.ID == 27
	}
	var flows []Flow
	var records [][]byte
	for size := 32; ; {
		f := RandomFlow(r, h.Export, ipv6)
		if h.Version == NetFlowV5 {
			if flows = append(flows, f); len(flows) == 30 {
				return V5(h, 1000, flows), len(flows)
			}
			continue
		}
		record := t.Record(h, &f)
		if size += len(record); size > maxPayload {
			return New(h).Data(t.ID, records...).Bytes(), len(records)
		}
		records = append(records, record)
	}
}
