package generate

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"
)

// A Flow is what a generated record says.
type Flow struct {
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	Proto, Tos       uint8
	TCPFlags         uint16
	Bytes, Packets   uint64
	Start, End       time.Time
	InIf, OutIf      uint32
	SrcAS, DstAS     uint32
	SrcNet, DstNet   uint8 // prefix lengths
	NextHop          netip.Addr
	Direction        uint8 // 0 ingress, 1 egress
	Sampler          uint64
	SamplingRate     uint32
	InName           string // of the interface, for variable-length templates
	Application      string
}

// RandomFlow returns a plausible flow that ended before the given time: of IPv6
// if asked for.
func RandomFlow(r *rand.Rand, before time.Time, ipv6 bool) Flow {
	packets := 1 + r.Uint64N(100)
	end := before.Add(-time.Duration(r.IntN(1000)) * time.Millisecond)
	f := Flow{
		SrcPort: uint16(1024 + r.IntN(64000)), DstPort: []uint16{443, 443, 80, 53, 22}[r.IntN(5)],
		Proto: []uint8{6, 6, 6, 17}[r.IntN(4)], TCPFlags: 0x1b,
		Packets: packets, Bytes: packets * (64 + r.Uint64N(1400)),
		Start: end.Add(-time.Duration(r.IntN(60_000)) * time.Millisecond), End: end,
		InIf: 1 + r.Uint32N(64), OutIf: 1 + r.Uint32N(64),
		SrcAS: 64496 + r.Uint32N(16), DstAS: 1 + r.Uint32N(400_000),
		Direction: uint8(r.IntN(2)), Sampler: 1, SamplingRate: 1000,
		InName: []string{"ge-0/0/0", "xe-1/2/3.100", "ae0.0"}[r.IntN(3)], Application: []string{"http", "", "youtube"}[r.IntN(3)],
	}
	if ipv6 {
		f.Src, f.Dst, f.NextHop = address6(r), address6(r), address6(r)
		f.SrcNet, f.DstNet = 48, 32
		return f
	}
	f.Src, f.Dst, f.NextHop = address4(10, r), address4(byte(1+r.IntN(200)), r), address4(10, r)
	f.SrcNet, f.DstNet = 24, 16
	return f
}

func address4(first byte, r *rand.Rand) netip.Addr {
	n := r.Uint32()
	return netip.AddrFrom4([4]byte{first, byte(n >> 16), byte(n >> 8), byte(n)})
}

func address6(r *rand.Rand) netip.Addr {
	a := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	binary.BigEndian.PutUint64(a[8:], r.Uint64())
	return netip.AddrFrom16(a)
}

// Record encodes a flow as a record of the template. Elements that it does not
// know become zeros, or empty where their length is variable.
func (t Template) Record(h Header, f *Flow) []byte {
	var record []byte
	for _, field := range t.Fields {
		if field.Length == Variable {
			text := f.text(field)
			record = append(append(record, byte(len(text))), text...)
			continue
		}
		start := len(record)
		record = append(record, make([]byte, field.Length)...)
		f.put(record[start:], field, h)
	}
	return record
}

func (f *Flow) text(field Field) string {
	switch {
	case field.Enterprise != 0:
		return ""
	case field.ID == 82:
		return f.InName
	case field.ID == 96:
		return f.Application
	}
	return ""
}

// put writes the value of a field right-aligned.
func (f *Flow) put(octets []byte, field Field, h Header) {
	if field.Enterprise != 0 {
		return
	}
	if a, ok := f.address(field.ID); ok {
		if a.IsValid() {
			copy(octets, a.AsSlice())
		}
		return
	}
	v := f.number(field.ID, h)
	for i := len(octets) - 1; i >= 0 && v != 0; i-- {
		octets[i] = byte(v)
		v >>= 8
	}
}

func (f *Flow) address(id uint16) (netip.Addr, bool) {
	switch id {
	case 8, 27:
		return f.Src, true
	case 12, 28:
		return f.Dst, true
	case 15, 18, 62, 63:
		return f.NextHop, true
	}
	return netip.Addr{}, false
}

func (f *Flow) number(id uint16, h Header) uint64 {
	switch id {
	case 1:
		return f.Bytes
	case 2:
		return f.Packets
	case 4:
		return uint64(f.Proto)
	case 5:
		return uint64(f.Tos)
	case 6:
		return uint64(f.TCPFlags)
	case 7:
		return uint64(f.SrcPort)
	case 11:
		return uint64(f.DstPort)
	case 10:
		return uint64(f.InIf)
	case 14:
		return uint64(f.OutIf)
	case 16:
		return uint64(f.SrcAS)
	case 17:
		return uint64(f.DstAS)
	case 9, 29:
		return uint64(f.SrcNet)
	case 13, 30:
		return uint64(f.DstNet)
	case 61:
		return uint64(f.Direction)
	case 48, 302:
		return f.Sampler
	case 34:
		return uint64(f.SamplingRate)
	}
	return f.time(id, h)
}

func (f *Flow) time(id uint16, h Header) uint64 {
	switch id {
	case 22:
		return uint64(h.uptimeAt(f.Start))
	case 21:
		return uint64(h.uptimeAt(f.End))
	case 150:
		return uint64(f.Start.Unix())
	case 151:
		return uint64(f.End.Unix())
	case 152:
		return uint64(f.Start.UnixMilli())
	case 153:
		return uint64(f.End.UnixMilli())
	case 154, 156:
		return ntp(f.Start)
	case 155, 157:
		return ntp(f.End)
	}
	return 0
}

// uptimeAt returns the exporter's uptime at a time, in milliseconds modulo 2³².
func (h Header) uptimeAt(t time.Time) uint32 {
	return uint32(h.Uptime.Milliseconds() + t.UnixMilli() - h.Export.UnixMilli())
}

// ntp returns a time as seconds since 1900 and their fraction in units of 2⁻³².
func ntp(t time.Time) uint64 {
	fraction := (uint64(t.Nanosecond())<<32 + 999_999_999) / 1_000_000_000
	return uint64(t.Unix()+2208988800)<<32 | fraction
}
