package journal_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/nfstats/nfstats/collector/journal"
)

// smallDisk mounts a file system of 4 MiB.
func smallDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("mount a small disk: %v (needs root)", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk takes all room but so many bytes, until the file is removed.
func fillDisk(t *testing.T, dir string, leave int64) (ballast string) {
	t.Helper()
	ballast = filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); errors.Is(err, unix.ENOSPC) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(info.Size() - leave); err != nil {
		t.Fatal(err)
	}
	return ballast
}

// appendUntilDropped appends until memory is full too, and returns how many
// datagrams were taken.
func appendUntilDropped(t *testing.T, j *journal.Journal, from uint64) (taken uint64) {
	t.Helper()
	for range 1_000_000 {
		dropped := j.Append(numbered(from+taken, 10))
		taken += uint64(10 - dropped)
		if dropped > 0 {
			return taken
		}
	}
	t.Fatal("nothing was dropped")
	return 0
}

// The disk is full: datagrams go to memory, then are dropped. It has room again:
// what memory holds is written in order, and survives.
func TestDiskFull(t *testing.T) {
	dir := smallDisk(t)
	c := config(filepath.Join(dir, "journal"))
	core, logs := observer.New(zap.InfoLevel)
	j, err := journal.Open(c, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	ballast := fillDisk(t, dir, 200<<10)
	taken := appendUntilDropped(t, j, 0)
	j.Report(time.Now())

	s := j.Status()
	if !s.Degraded || s.Err == nil || s.MemoryBytes == 0 || s.MemoryBytes > c.MemoryBound {
		t.Errorf("on the full disk: %+v", s)
	}
	if s.Lost[journal.MemoryFull].Datagrams == 0 || s.Written.Datagrams != taken {
		t.Errorf("taken %d: %+v", taken, s)
	}
	j.MoveMemoryToDisk() // in vain
	if s := j.Status(); !s.Degraded || !errors.Is(s.Err, unix.ENOSPC) {
		t.Errorf("the disk is still full: %+v", s)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	j.MoveMemoryToDisk()
	j.Append(numbered(taken, 10))
	j.Report(time.Now())
	if s := j.Status(); s.Degraded || s.Err != nil || s.MemoryBytes != 0 {
		t.Errorf("with room again: %+v", s)
	}
	if logs.FilterMessageSnippet("cannot be written").Len() != 1 || logs.FilterMessageSnippet("works again").Len() != 1 {
		t.Errorf("log: %v", logs.All())
	}
	j.Close()

	j = open(t, c)
	numbers, _ := drain(t, j)
	if !slices.Equal(numbers, sequence(0, taken+10)) {
		t.Errorf("%d datagrams after a restart, want %d in order", len(numbers), taken+10)
	}
	if lost := j.Status().Lost[journal.Damaged]; lost != (journal.Loss{}) {
		t.Errorf("damage: %+v", lost)
	}
}

// While the disk is full, reading, checkpoints and removing segments go on, so
// that a journal that filled the disk itself gets out of it.
func TestDiskFullOfJournal(t *testing.T) {
	dir := smallDisk(t)
	c := config(filepath.Join(dir, "journal"))
	c.MaxSize = 1 << 30
	j := open(t, c)
	taken := appendUntilDropped(t, j, 0)
	var numbers []uint64
	for state := make([]byte, 300<<10); uint64(len(numbers)) < taken; {
		j.Drain()
		b, err := j.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, numbersOf(t, b)...)
		r := b.Range
		b.Release()
		j.Done(r)
		if err := j.Commit(context.Background(), r.To, state); err != nil {
			t.Fatal(err)
		}
		j.MoveMemoryToDisk()
	}
	if !slices.Equal(numbers, sequence(0, taken)) {
		t.Error("datagrams are missing or out of order")
	}
	if s := j.Status(); s.Degraded || s.Err != nil || s.Read != s.Written {
		t.Errorf("afterwards: %+v", s)
	}
	if dropped := j.Append(numbered(taken, 100)); dropped != 0 {
		t.Errorf("%d dropped afterwards", dropped)
	}
}

// What was read from memory and committed is not written to disk any more, and
// its positions are not used again after a crash.
func TestDiskFullButStoreWorks(t *testing.T) {
	dir := smallDisk(t)
	c := config(filepath.Join(dir, "journal"))
	j := open(t, c)
	ballast := fillDisk(t, dir, 50<<10)
	taken := appendUntilDropped(t, j, 0)
	numbers, ranges := drain(t, j)
	if !slices.Equal(numbers, sequence(0, taken)) {
		t.Fatal("memory is not read in order")
	}
	for _, r := range ranges {
		j.Done(r)
	}
	last := ranges[len(ranges)-1]
	j.Append(numbered(taken, 1)) // begins a new segment
	if err := j.Commit(context.Background(), last.To, nil); err != nil {
		t.Fatal(err)
	}
	crashed := copyDir(t, c.Dir)
	os.Remove(ballast)
	j.Close()

	j = open(t, config(crashed))
	j.Append(numbered(1000, 1))
	numbers, again := drain(t, j)
	if !slices.Equal(numbers, []uint64{1000}) || again[0].From.Before(last.To) {
		t.Errorf("after a crash: %v at %+v, want a start at or behind %v", numbers, again, last.To)
	}
	if s := j.Status(); s.Lost[journal.Damaged] != (journal.Loss{}) {
		t.Errorf("after a crash: %+v", s)
	}
}

// A journal opens on a full disk, because reception must not depend on it. What
// it took then is on disk soon after there is room.
func TestOpenOnFullDisk(t *testing.T) {
	dir := smallDisk(t)
	c := config(filepath.Join(dir, "journal"))
	open(t, c).Close()
	ballast := fillDisk(t, dir, 0)
	j := open(t, c)
	for i := range uint64(20) {
		if dropped := j.Append(numbered(i*10, 10)); dropped != 0 {
			t.Errorf("%d dropped", dropped)
		}
		j.MoveMemoryToDisk() // once a second, in vain, which must not eat up the memory
	}
	if s := j.Status(); !s.Degraded || s.MemoryBytes > 200*(journal.RecordHeaderSize+308) {
		t.Errorf("on the full disk: %+v", s)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	j.MoveMemoryToDisk()
	j.Append(numbered(200, 10))
	crashed := copyDir(t, c.Dir)
	if numbers, _ := drain(t, j); !slices.Equal(numbers, sequence(0, 210)) {
		t.Errorf("got %v", numbers)
	}
	j = open(t, config(crashed))
	if numbers, _ := drain(t, j); !slices.Equal(numbers, sequence(0, 210)) {
		t.Errorf("after a crash: %v", numbers)
	}
}

// Checkpoints that find no room do no harm to the last good one.
func TestCheckpointsThatFail(t *testing.T) {
	dir := smallDisk(t)
	c := config(filepath.Join(dir, "journal"))
	j := open(t, c)
	if err := j.Commit(context.Background(), journal.Position{}, []byte("good")); err != nil {
		t.Fatal(err)
	}
	ballast := fillDisk(t, dir, 300<<10)
	for range 3 {
		if err := j.Commit(context.Background(), journal.Position{}, make([]byte, 3<<20)); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("a large checkpoint on the full disk: %v", err)
		}
	}
	if err := j.Status().Err; !errors.Is(err, unix.ENOSPC) {
		t.Errorf("status: %v", err)
	}
	crashed := open(t, config(copyDir(t, c.Dir)))
	if string(crashed.State()) != "good" {
		t.Errorf("after a crash: %d bytes of state", len(crashed.State()))
	}
	os.Remove(ballast)
	if err := j.Commit(context.Background(), journal.Position{}, []byte("better")); err != nil || j.Status().Err != nil {
		t.Errorf("with room again: %v, %v", err, j.Status().Err)
	}
}
