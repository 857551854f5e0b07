package journal_test

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nfstats/nfstats/collector/journal"
)

// FuzzSegment reads arbitrary bytes as a segment file.
func FuzzSegment(f *testing.F) {
	dir := f.TempDir()
	j := open(f, config(dir))
	j.Append(numbered(0, 4))
	j.Append([]journal.Datagram{{Source: netip.MustParseAddrPort("[2001:db8::1]:4739")}})
	j.Close()
	segment := readFile(f, segmentFiles(f, dir)[0])
	f.Add(segment)
	f.Add(segment[:journal.HeaderSize])
	f.Add(segment[:len(segment)-1])
	f.Add(slices.Concat(segment, segment[journal.HeaderSize:]))
	f.Add(slices.Concat(segment[:100], segment))
	f.Add([]byte("nfstatsj"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		for _, name := range []string{"any.nfj", "0000000000000000-0000000000000000-0000000000000001.nfj"} {
			path := filepath.Join(dir, name)
			writeFile(t, path, content)
			readAnything(t, path, len(content))
		}
		os.Remove(filepath.Join(dir, "any.nfj"))
		j, err := journal.Open(config(dir), nil)
		if err != nil {
			return // renamed, or of another version
		}
		drainAnything(t, j, len(content))
		j.Close()
	})
}

func readAnything(t *testing.T, path string, size int) {
	r, err := journal.OpenSegment(path)
	if err != nil {
		return
	}
	defer r.Close()
	total := journal.HeaderSize
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		total += checkBlock(t, b)
	}
	if total > max(size, journal.HeaderSize) {
		t.Fatalf("%d bytes yield records of %d", size, total)
	}
}

func drainAnything(t *testing.T, j *journal.Journal, size int) {
	total := journal.HeaderSize
	j.Drain()
	for {
		b, err := j.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		total += checkBlock(t, b)
		r := b.Range
		b.Release()
		if _, err := j.ReadRange(r); err != nil {
			t.Fatal(err)
		}
		j.Done(r)
	}
	if s := j.Status(); total > max(size, journal.HeaderSize) || s.Read.Before(s.Written) {
		t.Fatalf("%d bytes yield records of %d: %+v", size, total, s)
	}
	if err := j.Commit(t.Context(), j.Status().Done, nil); err != nil {
		t.Fatal(err)
	}
}

func checkBlock(t *testing.T, b *journal.Block) (size int) {
	var d journal.Datagram
	n := 0
	for c := b.Cursor(); c.Next(&d); n++ {
		size += journal.RecordHeaderSize + len(d.Payload)
	}
	if n == 0 || n != b.Len() || size != b.Size() {
		t.Fatalf("a block of %d datagrams in %d bytes yields %d in %d", b.Len(), b.Size(), n, size)
	}
	return size
}
