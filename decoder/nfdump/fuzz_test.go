package nfdump

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/nfstats/nfstats/decoder"
)

// seed returns a file of layout 2 with one block.
func seed(compression byte, records uint32, content []byte) []byte {
	h := make([]byte, header2Length)
	copy(h, []byte{0x0c, 0xa5, 2, 0})
	h[16], h[36] = compression, 1
	h = binary.LittleEndian.AppendUint32(h, records)
	h = binary.LittleEndian.AppendUint32(h, uint32(len(content)))
	return append(append(h, 3, 0, 0, 0), content...)
}

// FuzzReader reads whatever comes: it ends, and the totals are those of the
// rows.
func FuzzReader(f *testing.F) {
	flow := append([]byte{11, 0, 24, 0, 1, 0, 0, 0, 1, 0, 2, 10, 2, 0, 12, 0, 1, 0, 0, 127, 2, 0, 0, 127}, 11, 0, 16, 0, 1, 0, 0, 0, 1, 0, 2, 10, 2, 0, 3, 0)
	f.Add([]byte{})
	f.Add(seed(0, 2, flow))
	f.Add(seed(1, 1, []byte{17, 'a', 'b', 0x11, 0, 0}))
	f.Add(seed(2, 1, []byte("BZh91AY&SY")))
	f.Add(seed(3, 2, append([]byte{0xf0, byte(len(flow) - 15)}, flow...)))
	f.Add(seed(4, 1, []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x58}))
	layout1 := make([]byte, header1Length+stat1Length)
	copy(layout1, []byte{0x0c, 0xa5, 1, 0})
	common := make([]byte, 52)
	common[0], common[2], common[6] = 10, 52, 1
	records := append([]byte{2, 0, 12, 0, 1, 0, 4, 0, 4, 0, 0, 0}, common...)
	f.Add(append(append(layout1, 2, 0, 0, 0, byte(len(records)), 0, 0, 0, 2, 0, 0, 0), records...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Open(bytes.NewReader(data), "fuzz", Options{})
		if err != nil {
			return
		}
		var b decoder.Batch
		rows, packets := uint64(0), uint64(0)
		for {
			b.Reset()
			n, err := r.Read(&b, 500)
			if n != b.Len() || n > 500 || n < 500 && err == nil {
				t.Fatalf("%d rows in a batch of %d, error %v", n, b.Len(), err)
			}
			for i := range n {
				packets += b.Packets[i]
				if b.Type[i] != decoder.TypeNfdump || b.SamplingRate[i] == 0 {
					t.Fatalf("row %d has type %d and sampling rate %d", i, b.Type[i], b.SamplingRate[i])
				}
			}
			rows += uint64(n)
			if err != nil {
				if totals := r.Totals(); totals.Records != rows || totals.Packets != packets {
					t.Fatalf("totals %+v, want %d rows and %d packets", totals, rows, packets)
				}
				if err == io.EOF && r.Offset() != int64(len(data)) {
					t.Fatalf("ends well at %d of %d octets", r.Offset(), len(data))
				}
				return
			}
		}
	})
}
