package journal_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/nfstats/nfstats/collector/journal"
)

// The oldest datagrams go when the journal is full. Every one is either
// delivered or counted.
func TestMaxSize(t *testing.T) {
	c := config(t.TempDir())
	c.MaxSize = 4 * c.SegmentSize
	core, logs := observer.New(zap.InfoLevel)
	j, err := journal.Open(c, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var delivered []uint64
	const total = 20000
	for i := uint64(0); i < total; i += 50 {
		j.Append(numbered(i, 50))
		j.Trim()
		if s := j.Status(); s.Bytes > c.MaxSize {
			t.Fatalf("the journal has %d bytes", s.Bytes)
		}
		if i == 500 { // the reader is in the middle of a segment when it goes
			b := nextNow(t, j)
			delivered = append(delivered, numbersOf(t, b)...)
			b.Release()
		}
	}
	j.Report(time.Now())
	rest, _ := drain(t, j)
	delivered = append(delivered, rest...)
	if !slices.IsSorted(delivered) || delivered[len(delivered)-1] != total-1 {
		t.Error("delivered out of order, or not up to the newest")
	}
	lost := j.Status().Lost
	if uint64(len(delivered))+lost[journal.Overflow].Datagrams != total || lost[journal.Overflow].Bytes == 0 || lost[journal.Damaged] != (journal.Loss{}) {
		t.Errorf("%d delivered of %d, lost %+v", len(delivered), total, lost)
	}
	if logs.FilterMessageSnippet("are lost").FilterField(zap.Stringer("reason", journal.Overflow)).Len() != 1 {
		t.Errorf("log: %v", logs.All())
	}
}

// nextNow returns what is there, as Next does when the block's age has come.
func nextNow(t *testing.T, j *journal.Journal) *journal.Block {
	t.Helper()
	j.Drain()
	b, err := j.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A block whose segment goes while it is read is lost, and not delivered as
// well.
func TestMaxSizeWhileReading(t *testing.T) {
	c := config(t.TempDir())
	c.SegmentSize = 4 * c.BlockSize
	c.MaxSize = 4 * c.SegmentSize
	j := open(t, c)
	const total = 20000
	j.Append(numbered(0, total))
	first := nextNow(t, j) // the file is open from now on
	delivered := uint64(first.Len())
	first.Release()
	if ok, err := j.NextWhile(j.Trim); ok || err != nil {
		t.Errorf("a block that is counted as lost is delivered: %v, %v", ok, err)
	}
	rest, _ := drain(t, j)
	delivered += uint64(len(rest))
	if lost := j.Status().Lost[journal.Overflow].Datagrams; lost == 0 || delivered+lost != total {
		t.Errorf("%d delivered, %d lost, want %d together", delivered, lost, total)
	}
}

// After a crash the checkpoint may lie before the oldest segment.
func TestMaxSizeThenCrash(t *testing.T) {
	c := config(t.TempDir())
	c.MaxSize = 4 * c.SegmentSize
	j := open(t, c)
	if err := j.Commit(context.Background(), journal.Position{}, []byte("state")); err != nil {
		t.Fatal(err)
	}
	for i := uint64(0); i < 10000; i += 50 {
		j.Append(numbered(i, 50))
		j.Trim()
	}
	crashed := copyDir(t, c.Dir)
	c.Dir = crashed
	j = open(t, c)
	numbers, _ := drain(t, j)
	if lost := j.Status().Lost[journal.Overflow].Datagrams; lost == 0 || uint64(len(numbers))+lost != 10000 {
		t.Errorf("%d delivered, %d lost, want 10000 together", len(numbers), lost)
	}
}

// Everything at once: several writers, a reader that stores out of order,
// checkpoints, a journal at its bound, syncing and looking.
func TestConcurrency(t *testing.T) {
	c := config(t.TempDir())
	c.MaxSize = 4 * c.SegmentSize
	c.BlockAge = time.Millisecond
	c.SyncInterval = time.Millisecond
	j := open(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	var background, writers sync.WaitGroup
	background.Go(func() { j.Run(ctx) })
	background.Go(func() {
		for ctx.Err() == nil {
			j.Status()
			journal.Inspect(c.Dir)
		}
	})
	const writerCount, each = 4, 20000
	for w := range uint64(writerCount) {
		writers.Go(func() {
			for i := uint64(0); i < each; i += 10 {
				j.Append(numbered(w<<32|i, 10))
			}
		})
	}
	go func() { writers.Wait(); j.Drain() }()

	last := map[uint64]uint64{}
	delivered := uint64(0)
	var stores sync.WaitGroup
	for {
		b, err := j.Next(ctx)
		if err != nil {
			break
		}
		for _, n := range numbersOf(t, b) {
			if previous, ok := last[n>>32]; ok && n <= previous {
				t.Fatalf("datagram %#x comes after %#x", n, previous)
			}
			last[n>>32] = n
			delivered++
		}
		r := b.Range
		b.Release()
		stores.Go(func() {
			j.Done(r)
			if err := j.Commit(ctx, r.To, nil); err != nil {
				t.Error(err)
			}
		})
	}
	stores.Wait()
	cancel()
	background.Wait()
	s := j.Status()
	if delivered+s.Lost[journal.Overflow].Datagrams != writerCount*each || s.Lost[journal.Damaged] != (journal.Loss{}) {
		t.Errorf("%d delivered, lost %+v", delivered, s.Lost)
	}
	if s.Done != s.Written || s.InFlight != 0 {
		t.Errorf("at the end: %+v", s)
	}
}
