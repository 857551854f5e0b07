package journal

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
)

// fuzzed is the segment that the seeds of FuzzSegment are made from.
func fuzzed() (h header, segment []byte, datagrams []Datagram) {
	h = header{id: 0x0123456789abcdef, base: Position{1000, 50}, createdMs: 1_700_000_000_000}
	segment = make([]byte, headerSize, 4096)
	h.put(segment)
	block := uint32(0)
	for i, octets := range []int{24, 0, 1, 300, 48} {
		d := Datagram{1_700_000_000_000 + int64(i), netip.MustParseAddrPort("[2001:db8::1]:4739"), 2055, bytes.Repeat([]byte{byte(i)}, octets)}
		if i == 3 {
			block = uint32(len(segment) - headerSize)
		}
		at := uint32(len(segment) - headerSize)
		segment = h.appendRecord(segment, h.base.Offset+uint64(at), uint32(i), at-block, &d)
		datagrams = append(datagrams, d)
	}
	return h, segment, datagrams
}

// FuzzSegment reads arbitrary bytes as a segment. What it finds must be
// datagrams of the seed, in their order: the checksums let nothing else through.
func FuzzSegment(f *testing.F) {
	h, segment, datagrams := fuzzed()
	f.Add(segment)
	f.Add(segment[:headerSize])
	f.Add(segment[:len(segment)-1])
	f.Add(segment[:headerSize+recordHeaderSize+10])
	f.Add(slices.Concat(segment, segment[headerSize:]))
	f.Add(slices.Concat(segment[:100], segment))
	f.Add(slices.Concat(segment[:headerSize+72], recordMark, segment[headerSize+72:]))
	f.Add(bytes.Repeat(recordMark, 50))
	f.Fuzz(func(t *testing.T, content []byte) {
		if fromFile, err := parseHeader(content); err == nil && fromFile != h {
			h := fromFile // somebody computed a checksum
			readAll(t, &h, content)
			return
		}
		at := -1
		for _, d := range readAll(t, &h, content) {
			next := slices.IndexFunc(datagrams[at+1:], func(o Datagram) bool {
				return o.ReceivedMs == d.ReceivedMs && o.Source == d.Source && o.LocalPort == d.LocalPort && bytes.Equal(o.Payload, d.Payload)
			})
			if next < 0 {
				t.Fatalf("%v was never appended, or comes twice or out of order", d)
			}
			at += 1 + next
		}
	})
}

// readAll returns what a segment of any content yields.
func readAll(t *testing.T, h *header, content []byte) (found []Datagram) {
	limit := h.base.Offset + uint64(max(0, len(content)-headerSize))
	pos, damage := h.base, Loss{}
	for limit > h.base.Offset {
		b := new(Block)
		lost, err := b.read(bytes.NewReader(content), h, pos, limit)
		if err != nil {
			t.Fatal(err)
		}
		damage.add(lost)
		if b.Len() == 0 {
			break
		}
		if !pos.Before(b.To) || limit < b.To.Offset {
			t.Fatalf("a block from %v to %v of a segment up to %d", pos, b.To, limit)
		}
		pos = b.To
		found = appendDatagrams(t, found, b)
	}
	size := uint64(0)
	for _, d := range found {
		size += uint64(recordHeaderSize + len(d.Payload))
	}
	if limit > h.base.Offset && size+damage.Bytes != limit-h.base.Offset {
		t.Fatalf("%d bytes of records and %d damaged ones in %d", size, damage.Bytes, limit-h.base.Offset)
	}
	return found
}

func appendDatagrams(t *testing.T, found []Datagram, b *Block) []Datagram {
	var d Datagram
	n := 0
	for c := b.Cursor(); c.Next(&d); n++ {
		found = append(found, d)
	}
	if n != b.Len() {
		t.Fatalf("a block of %d datagrams yields %d", b.Len(), n)
	}
	return found
}
