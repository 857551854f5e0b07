package journal_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfstats/nfstats/collector/journal"
)

func TestAppendAndRead(t *testing.T) {
	j := open(t, config(t.TempDir()))
	if dropped := j.Append(numbered(0, 3000)); dropped != 0 {
		t.Fatalf("%d datagrams dropped", dropped)
	}
	if s := j.Status(); s.Segments < 4 || s.Written.Datagrams != 3000 || s.Oldest.UnixMilli() != 1_700_000_000_000 {
		t.Errorf("status before reading: %+v", s)
	}
	numbers, ranges := drain(t, j)
	if diff := cmp.Diff(sequence(0, 3000), numbers); diff != "" {
		t.Error(diff)
	}
	for i, r := range ranges {
		if i > 0 && r.From != ranges[i-1].To {
			t.Errorf("block %d starts at %v, the one before ends at %v", i, r.From, ranges[i-1].To)
		}
		if size := r.To.Offset - r.From.Offset; size > 128<<10 {
			t.Errorf("block %d has %d bytes", i, size)
		}
	}
	if s := j.Status(); s.Read != s.Written || s.InFlight != len(ranges) || !s.Oldest.IsZero() || s.Err != nil {
		t.Errorf("status after reading: %+v", s)
	}
}

func TestReopenDeliversTheSameBlocks(t *testing.T) {
	c := config(t.TempDir())
	c.SegmentSize = 1 << 20
	c.BlockAge = time.Millisecond
	j := open(t, c)
	ctx := context.Background()
	var ranges []journal.Range
	var blocks [][]uint64
	for i := range uint64(20) { // every block ends by age, at a place that only the journal tells
		j.Append(numbered(i*10, 1+i%7))
		b, err := j.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ranges, blocks = append(ranges, b.Range), append(blocks, numbersOf(t, b))
		b.Release()
	}
	j.Append(numbered(1000, 5)) // not delivered
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	j = open(t, c)
	for i, want := range ranges {
		b, err := j.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if b.Range != want || b.Token() != want.Token() || !b.Recovered {
			t.Errorf("block %d is %+v, recovered %v, want %+v", i, b.Range, b.Recovered, want)
		}
		if diff := cmp.Diff(blocks[i], numbersOf(t, b)); diff != "" {
			t.Errorf("block %d: %s", i, diff)
		}
		again, err := j.ReadRange(want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(blocks[i], numbersOf(t, again)); diff != "" || again.Range != want {
			t.Errorf("block %d read again: %v %s", i, again.Range, diff)
		}
		again.Release()
		b.Release()
	}
	if numbers, _ := drain(t, j); !slices.Equal(numbers, sequence(1000, 1005)) {
		t.Errorf("what was not delivered: %v", numbers)
	}
}

func TestBlocksEndBySizeWhileTheReaderIsAway(t *testing.T) {
	c := config(t.TempDir())
	c.SegmentSize = 8 << 20
	c.BlockSize = 256 << 10
	c.BlockAge = time.Nanosecond
	j := open(t, c)
	for i := range uint64(10000) {
		j.Append(numbered(i, 1))
	}
	numbers, ranges := drain(t, j)
	if !slices.Equal(numbers, sequence(0, 10000)) {
		t.Error("datagrams are missing")
	}
	total := ranges[len(ranges)-1].To.Offset
	if want := int(total/(256<<10)) + 1; len(ranges) != want {
		t.Errorf("%d bytes came in %d blocks, want %d", total, len(ranges), want)
	}
}

func TestNextWaitsForData(t *testing.T) {
	c := config(t.TempDir())
	c.BlockAge = 10 * time.Millisecond
	j := open(t, c)
	blocks := make(chan []uint64)
	go func() {
		defer close(blocks)
		b, err := j.Next(context.Background())
		if err != nil {
			t.Error(err)
			return
		}
		blocks <- numbersOf(t, b)
	}()
	j.Append(numbered(0, 1))
	if got := <-blocks; !slices.Equal(got, []uint64{0}) {
		t.Errorf("got %v", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := j.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next when the context ends: %v", err)
	}
	j.Append(numbered(1, 1))
	if _, err := j.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next with an ended context: %v", err)
	}
}

func TestCommit(t *testing.T) {
	c := config(t.TempDir())
	j := open(t, c)
	j.Append(numbered(0, 3000))
	_, ranges := drain(t, j)
	third := ranges[2]

	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.Commit(ended, third.To, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a checkpoint behind a block that is not done: %v", err)
	}
	committed := make(chan error)
	go func() { committed <- j.Commit(context.Background(), third.To, []byte("templates")) }()
	j.Done(ranges[2])
	j.Done(ranges[0])
	j.Done(ranges[4])
	if s := j.Status(); s.Done != ranges[0].To {
		t.Errorf("done up to %v with the second block under way, want %v", s.Done, ranges[0].To)
	}
	before := len(segmentFiles(t, c.Dir))
	j.Done(ranges[1])
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
	if after := len(segmentFiles(t, c.Dir)); after >= before {
		t.Errorf("%d segments before the checkpoint, %d after it", before, after)
	}
	if s := j.Status(); s.Done != third.To || s.Checkpoint != third.To || s.InFlight != len(ranges)-3 {
		t.Errorf("status: %+v", s)
	}
	j.Close()

	j = open(t, c)
	if string(j.State()) != "templates" {
		t.Errorf("state is %q", j.State())
	}
	numbers, again := drain(t, j)
	if diff := cmp.Diff(ranges[3:], again); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(numbers, sequence(ranges[3].From.Datagrams, 3000)) {
		t.Error("datagrams behind the checkpoint are missing")
	}
}

// Checkpoints may be made by several goroutines; the latest position wins.
func TestCommitOutOfOrder(t *testing.T) {
	c := config(t.TempDir())
	j := open(t, c)
	j.Append(numbered(0, 3000))
	_, ranges := drain(t, j)
	j.Done(ranges[0])
	j.Done(ranges[1])
	for _, i := range []int{1, 0} {
		if err := j.Commit(context.Background(), ranges[i].To, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
	j = open(t, c)
	if s := j.Status(); s.Checkpoint != ranges[1].To || string(j.State()) != "\x01" {
		t.Errorf("goes on at %v with state %v", s.Checkpoint, j.State())
	}
}

func TestCommitGrowingState(t *testing.T) {
	c := config(t.TempDir())
	for i := range 5 {
		j := open(t, c)
		if i > 0 && len(j.State()) != (i-1)<<20 {
			t.Fatalf("opening %d: %d bytes of state", i, len(j.State()))
		}
		if err := j.Commit(context.Background(), journal.Position{}, make([]byte, i<<20)); err != nil {
			t.Fatal(err)
		}
		j.Close()
	}
}

func TestPositionsGoOnWhenEverythingIsStored(t *testing.T) {
	c := config(t.TempDir())
	var tokens []string
	var end journal.Position
	for i := range uint64(4) {
		j := open(t, c)
		j.Append(numbered(i, 1))
		numbers, ranges := drain(t, j)
		if !slices.Equal(numbers, []uint64{i}) || ranges[0].From != end {
			t.Fatalf("opening %d: numbers %v at %v, want a start at %v", i, numbers, ranges[0].From, end)
		}
		tokens, end = append(tokens, ranges[0].Token()), ranges[0].To
		j.Done(ranges[0])
		if err := j.Commit(context.Background(), end, nil); err != nil {
			t.Fatal(err)
		}
		j.Close()
	}
	if slices.Sort(tokens); len(slices.Compact(tokens)) != 4 {
		t.Errorf("tokens repeat: %v", tokens)
	}
}

// A power cut may take records that were stored already, and a checkpoint that
// was made durable before them.
func TestLostTailIsNotReused(t *testing.T) {
	c := config(t.TempDir())
	j := open(t, c)
	j.Append(numbered(0, 10))
	_, ranges := drain(t, j)
	j.Done(ranges[0])
	if err := j.Commit(context.Background(), ranges[0].To, nil); err != nil {
		t.Fatal(err)
	}
	j.Close()
	if err := os.Truncate(segmentFiles(t, c.Dir)[0], 200); err != nil {
		t.Fatal(err)
	}
	j = open(t, c)
	j.Append(numbered(10, 10))
	numbers, again := drain(t, j)
	if !slices.Equal(numbers, sequence(10, 20)) || again[0].From.Before(ranges[0].To) || again[0].Token() == ranges[0].Token() {
		t.Errorf("numbers %v in %+v", numbers, again)
	}
	if lost := j.Status().Lost[journal.Damaged]; lost != (journal.Loss{}) {
		t.Errorf("what was stored counts as lost: %+v", lost)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	c := config(t.TempDir())
	open(t, c)
	_, err := journal.Open(c, nil)
	if err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("opening an open journal: %v", err)
	}
}

func TestTooLongDatagrams(t *testing.T) {
	j := open(t, config(t.TempDir()))
	burst := numbered(0, 3)
	burst[1].Payload = make([]byte, journal.MaxPayload+1)
	if dropped := j.Append(burst); dropped != 1 {
		t.Errorf("%d dropped, want 1", dropped)
	}
	if numbers, _ := drain(t, j); !slices.Equal(numbers, []uint64{0, 2}) {
		t.Errorf("got %v", numbers)
	}
	if lost := j.Status().Lost[journal.TooLong].Datagrams; lost != 1 {
		t.Errorf("%d counted, want 1", lost)
	}
	burst[1].Payload = burst[1].Payload[:journal.MaxPayload]
	j = open(t, config(t.TempDir()))
	if dropped := j.Append(burst[1:2]); dropped != 0 {
		t.Error("the longest payload is dropped")
	}
}

func TestConfig(t *testing.T) {
	good := journal.Default()
	good.Dir = t.TempDir()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*journal.Config){
		"no folder":        func(c *journal.Config) { c.Dir = "" },
		"small segments":   func(c *journal.Config) { c.SegmentSize = 1000 },
		"large segments":   func(c *journal.Config) { c.SegmentSize, c.MaxSize = 4<<30, 64<<30 },
		"few segments":     func(c *journal.Config) { c.MaxSize = c.SegmentSize },
		"negative syncing": func(c *journal.Config) { c.SyncInterval = -1 },
		"no memory":        func(c *journal.Config) { c.MemoryBound = 0 },
		"small blocks":     func(c *journal.Config) { c.BlockSize = 1 },
		"no age":           func(c *journal.Config) { c.BlockAge = 0 },
		"no rejected":      func(c *journal.Config) { c.RejectedSize = 0 },
	} {
		c := good
		spoil(&c)
		if _, err := journal.Open(c, nil); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}
