package netflow

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// TestDataSetsAllocateNothing decodes data sets of known templates, of every
// kind that has a way of its own.
func TestDataSetsAllocateNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	random := func(version uint16, template generate.Template) [2][]byte {
		h := generate.Header{Version: version, Domain: 1, Export: time.UnixMilli(receivedMs), Uptime: time.Hour}
		announce := generate.New(h).Templates(template).Bytes()
		datagram, _ := generate.Datagram(r, h, template)
		return [2][]byte{announce, datagram}
	}
	fixed := func(fields []generate.Field, record []byte) [2][]byte {
		template := generate.Template{ID: 256, Fields: fields}
		return [2][]byte{message10().Templates(template).Bytes(), message10().Data(256, record, record, record).Bytes()}
	}
	f := func(id, length uint16) generate.Field { return generate.Field{ID: id, Length: length} }
	options, record := generate.Sampler(10, 300, 1, 100)
	cases := map[string][2][]byte{
		"v5":                           {v5Message(10), v5Message(10)},
		"v9":                           random(9, generate.V9IPv4(256)),
		"v9 IPv6":                      random(9, generate.V9IPv6(256)),
		"IPFIX":                        random(10, generate.IPFIXIPv4(256)),
		"IPFIX variable":               random(10, generate.IPFIXVariable(256)),
		"both IP versions":             fixed([]generate.Field{f(8, 4), f(27, 16), f(9, 1), f(29, 1), f(15, 4), f(62, 16)}, octets(42, 1)),
		"labels":                       fixed([]generate.Field{f(70, 3), f(71, 3)}, []byte{1, 2, 0x30, 4, 5, 0x61}),
		"two directions":               fixed([]generate.Field{f(8, 4), f(12, 4), f(231, 4), f(232, 4)}, octets(16, 1)),
		"frames":                       fixed([]generate.Field{f(315, 40)}, octets(40, 0x45)),
		"addresses of variable length": fixed([]generate.Field{f(8, generate.Variable), f(1, generate.Variable)}, []byte{4, 1, 2, 3, 4, 2, 1, 1}),
		"rates in records":             fixed([]generate.Field{f(305, 4), f(306, 4)}, []byte{0, 0, 0, 1, 0, 0, 0, 9}),
		"samplers in records":          fixed([]generate.Field{f(48, 1), f(10, 4)}, []byte{1, 0, 0, 0, 1}),
		"start of the exporter":        fixed([]generate.Field{f(22, 4), f(21, 4), f(160, 8), f(161, 4)}, octets(20, 1)),
		"known options":                {message10().Templates(options).Data(300, record).Bytes(), message10().Data(300, record).Bytes()},
	}
	for name, c := range cases {
		d, b := newDecoder(t), new(decoder.Batch)
		d.Decode(receivedMs, testSource, c[0], b)
		for range 100 { // grows what grows, and notes the interfaces
			d.Decode(receivedMs, testSource, c[1], b)
		}
		allocations := testing.AllocsPerRun(100, func() {
			b.Reset()
			if err := d.Decode(receivedMs, testSource, c[1], b); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		})
		if allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
		if rows := b.Len(); rows == 0 && name != "known options" {
			t.Errorf("%s: no rows", name)
		}
	}
}
