package journal_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/journal"
)

// config returns the settings of a small journal in dir. Blocks end by size or
// by Drain, not by age, unless a test says so.
func config(dir string) journal.Config {
	c := journal.Default()
	c.Dir = dir
	c.SegmentSize = 128 << 10
	c.MaxSize = 64 << 20
	c.MemoryBound = 1 << 20
	c.BlockSize = 128 << 10
	c.BlockAge = time.Hour
	return c
}

func open(t testing.TB, c journal.Config) *journal.Journal {
	t.Helper()
	j, err := journal.Open(c, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// numbered returns datagrams that tell their number; everything else in them
// follows from it.
func numbered(from, n uint64) []journal.Datagram {
	burst := make([]journal.Datagram, n)
	for i := range burst {
		burst[i] = datagram(from + uint64(i))
	}
	return burst
}

func datagram(number uint64) journal.Datagram {
	payload := make([]byte, 8+number*7%300)
	binary.BigEndian.PutUint64(payload, number)
	for i := range payload[8:] {
		payload[8+i] = byte(number*31 + uint64(i)*17)
	}
	source := netip.AddrFrom4([4]byte{10, byte(number >> 16), byte(number >> 8), byte(number)})
	if number%3 == 0 {
		source = netip.MustParseAddr("2001:db8::1")
	}
	return journal.Datagram{
		ReceivedMs: 1_700_000_000_000 + int64(number),
		Source:     netip.AddrPortFrom(source, uint16(number)),
		LocalPort:  uint16(2055 + number%2),
		Payload:    payload,
	}
}

// numberOf returns the number of a datagram, and fails the test unless the
// datagram is the one that was made with it.
func numberOf(t testing.TB, d *journal.Datagram) uint64 {
	t.Helper()
	if len(d.Payload) < 8 {
		t.Fatalf("a payload of %d octets was never appended", len(d.Payload))
	}
	number := binary.BigEndian.Uint64(d.Payload)
	if want := datagram(number); d.ReceivedMs < want.ReceivedMs || // raised where the order of numbers is another
		d.Source != want.Source || d.LocalPort != want.LocalPort || string(d.Payload) != string(want.Payload) {
		t.Fatalf("datagram %d is not what was appended: %v", number, *d)
	}
	return number
}

// numbersOf returns the numbers in a block.
func numbersOf(t testing.TB, b *journal.Block) []uint64 {
	t.Helper()
	var numbers []uint64
	var d journal.Datagram
	for c := b.Cursor(); c.Next(&d); {
		numbers = append(numbers, numberOf(t, &d))
	}
	if len(numbers) != b.Len() {
		t.Fatalf("a block of %d datagrams yields %d", b.Len(), len(numbers))
	}
	return numbers
}

// drain reads all that is left, and returns the numbers and the blocks' ranges.
func drain(t testing.TB, j *journal.Journal) (numbers []uint64, ranges []journal.Range) {
	t.Helper()
	j.Drain()
	for {
		b, err := j.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return numbers, ranges
		}
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, numbersOf(t, b)...)
		ranges = append(ranges, b.Range)
		b.Release()
	}
}

// sequence returns from, from+1, ... to-1.
func sequence(from, to uint64) []uint64 {
	var s []uint64
	for ; from < to; from++ {
		s = append(s, from)
	}
	return s
}

// segmentFiles returns the paths of the segments in dir, oldest first.
func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.nfj"))
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(paths)
	return paths
}

// copyDir copies the files of a folder to a new one.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// timesOf returns the reception times of a block's datagrams.
func timesOf(b *journal.Block) (times []int64) {
	var d journal.Datagram
	for cursor := b.Cursor(); cursor.Next(&d); {
		times = append(times, d.ReceivedMs)
	}
	return times
}
