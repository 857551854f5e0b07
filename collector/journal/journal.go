package journal

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

const (
	// stagingSize bounds one write(2). It holds a burst of 64 datagrams of
	// Ethernet size.
	stagingSize = 256 << 10

	// keepInterval is the time between two looks at size, memory and errors.
	keepInterval = time.Second

	// spareBlocks is the number of released blocks whose memory is kept.
	spareBlocks = 4
)

// A Journal is the durable queue of received datagrams. Append may be called
// by many goroutines, Next by one; all else by any.
type Journal struct {
	config Config
	logger *zap.Logger
	lock   *os.File // its flock is held while the journal is open
	slots  *slots
	blocks chan *Block   // free ones
	wake   chan struct{} // one token: there is something for Next to look at
	rolled chan struct{} // one token: a segment was made

	// appendMu serializes writers and is held over write(2). It is taken before mu.
	appendMu sync.Mutex
	active   *segment // takes the next record; nil: Append makes one
	staging  []byte
	closed   bool
	received int64 // Unix milliseconds; no datagram to come is earlier

	reading     source // of the segment that Next read last; used by Next alone
	readingFrom *segment
	readErrors  int // in a row

	commitMu sync.Mutex // serializes Commit

	// mu guards what follows. It is never held over I/O.
	mu         sync.Mutex
	segments   []*segment // in the order of their positions; the active one is the last
	unsynced   []*os.File // of sealed segments; sync closes them
	synced     Position   // everything before is durable
	newNames   bool       // files were made since
	end        Position   // where the next record goes; changed under appendMu too
	blockFrom  uint64     // offset where the open block starts; changed under appendMu too
	blockSince time.Time  // when its first record came
	degraded   bool       // the disk takes no writes; changed under appendMu too
	draining   bool
	read       Position // Next goes on here
	done       Position // every block before is done
	doneUntil  int64    // Unix milliseconds: everything received before is done
	flights    []flight // delivered blocks that are not, or follow one that is not
	progress   chan struct{}
	saved      Position // of the checkpoint
	state      []byte   // of the checkpoint at opening
	lost       [reasons]Loss
	problems   problems
}

// Run makes the journal durable at intervals, keeps it within its size, moves
// to disk what had to stay in memory, and logs losses and errors, until ctx
// ends.
func (j *Journal) Run(ctx context.Context) error {
	var loops errgroup.Group
	loops.Go(func() error { j.keep(ctx); return nil })
	if j.config.SyncInterval > 0 {
		loops.Go(func() error { j.keepSynced(ctx); return nil })
	}
	return loops.Wait()
}

func (j *Journal) keep(ctx context.Context) {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			j.report(time.Now())
			return
		case <-j.rolled:
			j.closeSealed()
			j.trim()
		case <-ticker.C:
			j.moveMemoryToDisk()
			j.trim()
			j.report(time.Now())
		}
	}
}

func (j *Journal) keepSynced(ctx context.Context) {
	ticker := time.NewTicker(j.config.SyncInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			j.sync()
		}
	}
}

// Close makes the journal durable and gives it up. Nobody may be in Next any
// more; what is appended from now on is refused.
func (j *Journal) Close() error {
	j.moveMemoryToDisk()
	j.appendMu.Lock()
	defer j.appendMu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	j.seal()
	err := j.sync()
	j.reading.close()
	j.slots.close()
	j.lock.Close()
	return err
}

// sync makes everything appended so far durable.
func (j *Journal) sync() error {
	j.mu.Lock()
	end, files := j.end, j.unsynced
	newNames := j.newNames
	j.unsynced, j.newNames = nil, false
	var active *os.File
	if n := len(j.segments); n > 0 && !j.segments[n-1].sealed {
		active = j.segments[n-1].file
	}
	idle := len(files) == 0 && !j.synced.Before(end)
	j.mu.Unlock()
	if idle {
		return nil
	}

	var failed error
	for _, f := range files {
		if err := f.Sync(); err != nil {
			failed = err
		}
		f.Close()
	}
	if active != nil {
		// It may have been sealed, and even synced and closed, meanwhile.
		if err := active.Sync(); err != nil && !isClosed(err) {
			failed = err
		}
	}
	if newNames {
		if err := syncDir(j.config.Dir); err != nil {
			failed = err
		}
	}
	if failed != nil {
		failed = fmt.Errorf("make the journal durable: %w", failed)
	}
	j.mu.Lock()
	j.synced = end
	j.problems.set(problemSync, failed)
	j.mu.Unlock()
	return failed
}

// closeSealed closes the files of sealed segments where nobody syncs them.
func (j *Journal) closeSealed() {
	if j.config.SyncInterval > 0 {
		return
	}
	j.mu.Lock()
	files := j.unsynced
	j.unsynced = nil
	j.mu.Unlock()
	for _, f := range files {
		f.Close()
	}
}

// trim removes the oldest segments until another whole one fits into MaxSize.
// What Next has not read of them is lost.
func (j *Journal) trim() {
	var removed []string
	j.mu.Lock()
	total := j.config.SegmentSize
	for _, s := range j.segments {
		if s.path != "" && s.sealed {
			total += s.size()
		}
	}
	for len(j.segments) > 1 && total > j.config.MaxSize {
		s := j.segments[0]
		if s.path == "" || !s.sealed {
			break
		}
		total -= s.size()
		removed = append(removed, s.path)
		j.segments = j.segments[1:]
		if j.read.Before(s.end) {
			j.lost[Overflow].add(s.end.since(later(j.read, s.base)))
			j.read = s.end
		}
	}
	j.mu.Unlock()
	j.remove(removed)
}

func later(p, q Position) Position {
	if p.Before(q) {
		return q
	}
	return p
}

// remove deletes segments that nobody needs any more.
func (j *Journal) remove(paths []string) {
	var failed error
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			failed = fmt.Errorf("remove a journal segment: %w", err)
		}
	}
	if len(paths) > 0 {
		j.mu.Lock()
		j.problems.set(problemRemove, failed)
		j.mu.Unlock()
	}
}
