package flowtools

import (
	"bytes"
	"io"
	"testing"

	"github.com/nfstats/nfstats/decoder"
)

// FuzzReader reads whatever comes: it ends, returns no more rows than the
// octets can hold, and the totals are those of the rows.
func FuzzReader(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0xcf, 0x10, 1, 3, 24, 0, 0, 0, 2, 0, 2, 0, 5, 0, 8, 0, 4, 0, 0, 0, 0, 0, 0, 0})
	f.Add(append([]byte{0xcf, 0x10, 2, 3, 0, 0, 0, 24, 0, 2, 0, 2, 0, 5, 0, 8, 0, 4, 0, 0, 0, 2, 0, 0}, 0x78, 0x9c, 3, 0, 0, 0, 0, 1))
	f.Add(append([]byte{0xcf, 0x10, 2, 3, 0, 0, 0, 14, 0, 2, 0, 2, 3, 0xed}, make([]byte, 200)...))
	f.Add(append([]byte{0xcf, 0x10, 1, 1, 5, 0}, make([]byte, 500)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Open(bytes.NewReader(data), "fuzz", Options{})
		if err != nil {
			return
		}
		var b decoder.Batch
		rows, packets := uint64(0), uint64(0)
		for rows < 1<<20 {
			b.Reset()
			n, err := r.Read(&b, 500)
			if n != b.Len() || n > 500 || n < 500 && err == nil {
				t.Fatalf("%d rows in a batch of %d, error %v", n, b.Len(), err)
			}
			for _, p := range b.Packets[:n] {
				packets += p
			}
			rows += uint64(n)
			if err != nil {
				if !r.Header().Compressed && rows*48 > uint64(len(data)) {
					t.Fatalf("%d rows of %d octets", rows, len(data))
				}
				if err == io.EOF && (r.Totals().Records != rows || r.Totals().Packets != packets) {
					t.Fatalf("totals %+v, want %d rows and %d packets", r.Totals(), rows, packets)
				}
				return
			}
		}
	})
}
