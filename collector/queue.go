package collector

import (
	"context"
	"sync"
	"time"
)

// queue holds received datagrams until the workers take them, in blocks.
//
// It is the seam where durable storage of received datagrams can take its place.
type queue struct {
	maxBytes  int64
	blockSize int
	blockAge  time.Duration
	free      sync.Pool // of *block

	mu     sync.Mutex
	open   *block
	full   []*block
	bytes  int64 // in open, full and blocks not released yet
	count  uint64
	closed bool

	changed chan struct{} // one token: something to look at
}

func newQueue(maxBytes int64, blockSize int, blockAge time.Duration) *queue {
	q := &queue{maxBytes: maxBytes, blockSize: blockSize, blockAge: blockAge, changed: make(chan struct{}, 1)}
	q.free.New = func() any { return &block{records: make([]byte, 0, blockSize)} }
	q.open = q.free.Get().(*block)
	return q
}

// append adds a burst of datagrams and returns how many did not fit.
func (q *queue) append(burst []datagram) (dropped int) {
	q.mu.Lock()
	wasEmpty := len(q.open.records) == 0
	for i, d := range burst {
		size := recordHeader + len(d.payload)
		if q.bytes+int64(size) > q.maxBytes {
			dropped = len(burst) - i
			break
		}
		if len(q.open.records)+size > q.blockSize {
			q.full = append(q.full, q.open)
			q.open = q.free.Get().(*block)
		}
		q.open.append(d)
		q.bytes += int64(size)
	}
	wake := wasEmpty || len(q.full) > 0
	q.mu.Unlock()
	if wake {
		q.wake()
	}
	return dropped
}

func (q *queue) wake() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// next returns the oldest block as soon as it is full or its first datagram is
// blockAge old, and nil when the queue is closed and empty or ctx has ended.
// The caller gives the block back with release.
func (q *queue) next(ctx context.Context) *block {
	for {
		b, wait := q.take()
		if b != nil {
			return b
		}
		if wait == 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-q.changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// take returns a block that is due, or how long to wait for the next one: 0
// when there will be none.
func (q *queue) take() (b *block, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.full) > 0:
		b = q.full[0]
		q.full = q.full[1:]
	case len(q.open.records) > 0:
		age := time.Since(time.UnixMilli(q.open.oldestMs))
		if age < q.blockAge && !q.closed {
			return nil, q.blockAge - max(age, 0)
		}
		b = q.open
		q.open = q.free.Get().(*block)
	case q.closed:
		return nil, 0
	default:
		return nil, time.Hour // until append wakes us
	}
	q.count++
	b.number = q.count
	return b, 0
}

// release takes back the memory of a block whose flows are stored.
func (q *queue) release(b *block) {
	q.mu.Lock()
	q.bytes -= int64(len(b.records))
	q.mu.Unlock()
	b.records = b.records[:0]
	q.free.Put(b)
}

// close makes next return what is left at once, and then nil.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
}

// size returns the bytes of datagrams whose flows are not stored yet.
func (q *queue) size() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}
