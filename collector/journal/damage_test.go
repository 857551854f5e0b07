package journal_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/journal"
)

// smallJournal makes a closed journal of one segment with n datagrams, and
// returns its folder, its segment, and the file offset at which each record
// ends.
func smallJournal(t *testing.T, n uint64) (dir, path string, ends []int) {
	t.Helper()
	dir = t.TempDir()
	j := open(t, config(dir))
	end := journal.HeaderSize
	for i := range n {
		burst := numbered(i, 1)
		j.Append(burst)
		end += journal.RecordHeaderSize + len(burst[0].Payload)
		ends = append(ends, end)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	path = segmentFiles(t, dir)[0]
	if size := len(readFile(t, path)); size != end {
		t.Fatalf("the segment has %d bytes, want %d", size, end)
	}
	return dir, path, ends
}

func TestEveryTruncation(t *testing.T) {
	dir, path, ends := smallJournal(t, 5)
	content := readFile(t, path)
	for length := range len(content) {
		writeFile(t, path, content[:length])
		os.Remove(filepath.Join(dir, "checkpoint.0"))
		os.Remove(filepath.Join(dir, "checkpoint.1"))
		whole := 0
		for whole < len(ends) && ends[whole] <= length {
			whole++
		}
		j := open(t, config(dir))
		j.Append(numbered(100, 3))
		numbers, _ := drain(t, j)
		if want := append(sequence(0, uint64(whole)), 100, 101, 102); !slices.Equal(numbers, want) {
			t.Errorf("cut at %d: got %v, want %v", length, numbers, want)
		}
		atBorder := length <= journal.HeaderSize || slices.Contains(ends, length)
		lost := j.Status().Lost[journal.Damaged]
		if atBorder && lost != (journal.Loss{}) || !atBorder && (lost.Datagrams != 1 || lost.Bytes == 0) {
			t.Errorf("cut at %d: lost %+v", length, lost)
		}
		j.Close()
		for _, p := range segmentFiles(t, dir) {
			os.Remove(p)
		}
	}
}

func TestEveryBitFlip(t *testing.T) {
	dir, path, ends := smallJournal(t, 3)
	content := readFile(t, path)
	for at := range content {
		for bit := range 8 {
			flipped := slices.Clone(content)
			flipped[at] ^= 1 << bit
			writeFile(t, path, flipped)
			want, lost := sequence(0, 3), uint64(0)
			if at >= journal.HeaderSize {
				hit, _ := slices.BinarySearch(ends, at+1)
				want, lost = slices.Delete(want, hit, hit+1), 1
			}
			j := open(t, config(dir))
			numbers, _ := drain(t, j)
			if !slices.Equal(numbers, want) {
				t.Errorf("bit %d of byte %d: got %v, want %v", bit, at, numbers, want)
			}
			if got := j.Status().Lost[journal.Damaged]; got.Datagrams != lost || lost > 0 && got.Bytes == 0 {
				t.Errorf("bit %d of byte %d: lost %+v, want %d", bit, at, got, lost)
			}
			j.Close()
		}
	}
}

// Damage in a file before the last: the rest of the journal is delivered, and
// the loss is counted to the datagram.
func TestDamagedMiddleSegment(t *testing.T) {
	original := t.TempDir()
	j := open(t, config(original))
	j.Append(numbered(0, 3000))
	j.Close()
	names := segmentFiles(t, original)
	if len(names) < 4 {
		t.Fatalf("%d segments", len(names))
	}
	name := filepath.Base(names[1])
	for what, damage := range map[string]func(path string, content []byte) []byte{
		"removed": func(path string, _ []byte) []byte { os.Remove(path); return nil },
		"emptied": func(_ string, _ []byte) []byte { return []byte{} },
		"cut":     func(_ string, c []byte) []byte { return c[:len(c)/2] },
		"zeroed":  func(_ string, c []byte) []byte { return make([]byte, len(c)) },
		"hole":    func(_ string, c []byte) []byte { clear(c[1000:50000]); return c },
		"grown":   func(_ string, c []byte) []byte { return append(c, c...) },
		"marks": func(_ string, c []byte) []byte {
			for i := 100; i < 9000; i += 4 {
				copy(c[i:], "\xd1NF\n")
			}
			return c
		},
		"pasted": func(_ string, c []byte) []byte { copy(c[40000:80000], c[1000:]); return c },
	} {
		dir := copyDir(t, original)
		path := filepath.Join(dir, name)
		if changed := damage(path, readFile(t, path)); changed != nil {
			writeFile(t, path, changed)
		}
		j := open(t, config(dir))
		numbers, _ := drain(t, j)
		if !slices.IsSorted(numbers) || len(slices.Compact(slices.Clone(numbers))) != len(numbers) {
			t.Errorf("%s: out of order or twice", what)
		}
		lost := j.Status().Lost[journal.Damaged]
		if got := uint64(len(numbers)) + lost.Datagrams; got != 3000 {
			t.Errorf("%s: %d delivered, %d lost: together %d, want 3000", what, len(numbers), lost.Datagrams, got)
		}
		if what != "grown" && lost.Datagrams == 0 || what == "grown" && lost.Datagrams > 0 {
			t.Errorf("%s: lost %+v", what, lost)
		}
	}
}

// A segment that cannot be read at all is given up after some attempts.
func TestUnreadableSegment(t *testing.T) {
	c := config(t.TempDir())
	j := open(t, c)
	j.Append(numbered(0, 3000))
	j.Close()
	path := segmentFiles(t, c.Dir)[1]
	os.Remove(path)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	j = open(t, c)
	j.Drain()
	failures, delivered := 0, 0
	for {
		b, err := j.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			failures++
			continue
		}
		delivered += len(numbersOf(t, b))
		b.Release()
	}
	lost := j.Status().Lost[journal.Damaged].Datagrams
	if failures == 0 || lost == 0 || uint64(delivered)+lost != 3000 {
		t.Errorf("%d delivered, %d lost, %d errors", delivered, lost, failures)
	}
}

// Somebody cuts and removes files of an open journal.
func TestDamageWhileOpen(t *testing.T) {
	c := config(t.TempDir())
	j := open(t, c)
	j.Append(numbered(0, 3000))
	paths := segmentFiles(t, c.Dir)
	if err := errors.Join(os.Truncate(paths[0], 5000), os.Truncate(paths[1], 0), os.Remove(paths[2]), os.Truncate(paths[len(paths)-1], 1000)); err != nil {
		t.Fatal(err)
	}
	numbers, _ := drain(t, j)
	j.Append(numbered(3000, 10))
	after, _ := drain(t, j)
	if len(numbers) == 0 || !slices.IsSorted(numbers) || !slices.Equal(after, sequence(3000, 3010)) {
		t.Errorf("%d datagrams, then %v", len(numbers), after)
	}
	if lost := j.Status().Lost[journal.Damaged].Datagrams; uint64(len(numbers))+lost != 3000 {
		t.Errorf("%d delivered, %d lost, want 3000 together", len(numbers), lost)
	}
}

func TestUnknownVersionIsLeftAlone(t *testing.T) {
	raise := func(content []byte) {
		binary.LittleEndian.PutUint16(content[8:], 2)
		binary.LittleEndian.PutUint32(content[12:], crc32.Checksum(content[:12], crc32.MakeTable(crc32.Castagnoli)))
	}
	original, _, _ := smallJournal(t, 5)
	j := open(t, config(original))
	if err := j.Commit(context.Background(), journal.Position{}, nil); err != nil {
		t.Fatal(err)
	}
	j.Close()
	for _, pattern := range []string{"*.nfj", "checkpoint.1"} {
		dir := copyDir(t, original)
		paths, _ := filepath.Glob(filepath.Join(dir, pattern))
		content := readFile(t, paths[0])
		raise(content)
		writeFile(t, paths[0], content)
		leftover := filepath.Join(dir, "x.tmp")
		writeFile(t, leftover, nil)
		before := listing(t, dir)

		_, err := journal.Open(config(dir), zap.NewNop())
		if !errors.Is(err, journal.ErrVersion) || !strings.Contains(err.Error(), "format version 2") || !strings.Contains(err.Error(), paths[0]) {
			t.Errorf("%s of version 2: %v", pattern, err)
		}
		if after := listing(t, dir); after != before {
			t.Errorf("%s of version 2: files changed from\n%s\nto\n%s", pattern, before, after)
		}
		if _, err := journal.Inspect(dir); !errors.Is(err, journal.ErrVersion) {
			t.Errorf("inspecting %s of version 2: %v", pattern, err)
		}
	}
}

// listing returns the names and contents in a folder, but for the lock.
func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		if e.Name() != "lock" {
			fmt.Fprintf(&b, "%s %08x\n", e.Name(), crc32.ChecksumIEEE(readFile(t, filepath.Join(dir, e.Name()))))
		}
	}
	return b.String()
}

func TestForeignFileIsRefused(t *testing.T) {
	dir, path, _ := smallJournal(t, 5)
	if err := os.Rename(path, filepath.Join(dir, "0000000000000000-0000000000000000-0000000000000001.nfj")); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Open(config(dir), nil); err == nil || !strings.Contains(err.Error(), "its name does not fit") {
		t.Errorf("a renamed segment: %v", err)
	}
}

// Whatever happens to one checkpoint file, the other one or the newer state is
// used.
func TestDamagedCheckpoint(t *testing.T) {
	original, _, _ := smallJournal(t, 5)
	j := open(t, config(original))
	_, ranges := drain(t, j)
	j.Done(ranges[0])
	for i, state := range []string{"older", "newer"} {
		pos := []journal.Position{ranges[0].From, ranges[0].To}[i]
		if err := j.Commit(context.Background(), pos, []byte(state)); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
	for _, slot := range []string{"checkpoint.0", "checkpoint.1"} {
		content := readFile(t, filepath.Join(original, slot))
		used := journal.HeaderSize + len("older")
		for at := range used {
			dir := copyDir(t, original)
			flipped := slices.Clone(content)
			flipped[at] ^= 0x10
			writeFile(t, filepath.Join(dir, slot), flipped)
			j := open(t, config(dir))
			want := map[string]string{"checkpoint.0": "older", "checkpoint.1": "newer"}[slot]
			if string(j.State()) != want {
				t.Errorf("byte %d of %s: state %q, want %q", at, slot, j.State(), want)
			}
			// The next two checkpoints work as ever.
			for _, state := range []string{"next", "one more"} {
				if err := j.Commit(context.Background(), j.Status().Checkpoint, []byte(state)); err != nil {
					t.Fatal(err)
				}
				j.Close()
				j = open(t, config(dir))
				if string(j.State()) != state {
					t.Errorf("byte %d of %s: state %q after a further checkpoint, want %q", at, slot, j.State(), state)
				}
			}
			j.Close()
			os.RemoveAll(dir)
		}
	}
}

func TestLostCheckpointReadsEverything(t *testing.T) {
	dir, _, _ := smallJournal(t, 5)
	for _, slot := range []string{"checkpoint.0", "checkpoint.1"} {
		writeFile(t, filepath.Join(dir, slot), []byte("nfstatsc is damaged"))
	}
	j := open(t, config(dir))
	if numbers, _ := drain(t, j); !slices.Equal(numbers, sequence(0, 5)) || j.State() != nil {
		t.Errorf("got %v and state %q", numbers, j.State())
	}
}
