package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"time"

	"go.uber.org/zap"
)

// readAttempts is how often a segment that cannot be read is tried before it is
// given up.
const readAttempts = 5

// Next returns the next block as soon as it has ended: because it reached
// BlockSize, or because its first datagram is BlockAge old. Blocks are as small
// as BlockAge makes them while Next keeps up, and up to BlockSize when it does
// not. The caller releases the block after decoding it, and tells with Done when
// it is stored.
//
// Next returns ctx.Err() when ctx ends and io.EOF when Drain was called and
// nothing is left. Other errors tell that a segment cannot be read now; the next
// call tries again, and gives the segment up as damaged in the end.
func (j *Journal) Next(ctx context.Context) (*Block, error) {
	b := j.spareBlock()
	for {
		ok, err := j.tryNext(ctx, b)
		if ok {
			return b, nil
		}
		if err != nil {
			b.Release()
			return nil, err
		}
	}
}

// tryNext reads the block that is due into b, or waits until there may be one.
func (j *Journal) tryNext(ctx context.Context, b *Block) (ok bool, err error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	d, err := j.due()
	if err != nil {
		return false, err
	}
	if d.segment != nil {
		return j.readNext(b, d)
	}
	timer := time.NewTimer(d.wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-j.wake:
	case <-timer.C:
	}
	return false, nil
}

// Drain tells that nothing more will be appended: Next returns what is left at
// once, and then io.EOF.
func (j *Journal) Drain() {
	j.mu.Lock()
	j.draining = true
	j.mu.Unlock()
	signal(j.wake)
}

// due is what Next should do: read the segment from a position up to an offset,
// or wait.
type due struct {
	segment  *segment
	from     Position
	limit    uint64
	endBlock bool // end the open block first; it sets the limit
	wait     time.Duration
}

func (j *Journal) due() (due, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := sort.Search(len(j.segments), func(i int) bool { return j.read.Before(j.segments[i].end) })
	if i == len(j.segments) {
		j.skipTo(j.end)
		if j.draining {
			return due{}, io.EOF
		}
		return due{wait: time.Hour}, nil // until Append wakes us
	}
	s := j.segments[i]
	if j.read.Before(s.base) {
		j.skipTo(s.base)
	}
	d := due{segment: s, from: j.read, limit: s.end.Offset}
	switch {
	case s.sealed:
		return d, nil
	case j.read.Offset < j.blockFrom:
		d.limit = j.blockFrom
		return d, nil
	}
	if age := time.Since(j.blockSince); age < j.config.BlockAge && !j.draining {
		return due{wait: j.config.BlockAge - age}, nil
	}
	d.endBlock = true
	return d, nil
}

// skipTo moves the reader over what is not there.
func (j *Journal) skipTo(p Position) {
	j.lost[Damaged].add(p.since(j.read))
	j.read = p
}

// endBlock makes the next record start a new block, and returns where the
// segment's last one ends.
func (j *Journal) endBlock(s *segment) uint64 {
	j.appendMu.Lock()
	defer j.appendMu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if s == j.active {
		j.blockFrom = j.end.Offset
	}
	return s.end.Offset
}

// readNext reads the block that is due and reports whether there was one.
func (j *Journal) readNext(b *Block, d due) (bool, error) {
	if d.endBlock {
		d.limit = j.endBlock(d.segment)
	}
	if j.readingFrom != d.segment {
		j.reading.close()
		j.readingFrom = nil
	}
	var err error
	var damage Loss
	if j.reading.ReaderAt == nil {
		j.reading, err = j.openSource(d.segment)
	}
	if err == nil {
		j.readingFrom = d.segment
		damage, err = b.read(j.reading, &d.segment.header, d.from, d.limit)
	}
	if err != nil {
		return false, j.readFailed(d, err)
	}
	j.readErrors = 0
	return j.deliver(b, d, damage), nil
}

// deliver moves the reader behind a block and reports whether it is one.
func (j *Journal) deliver(b *Block, d due, damage Loss) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.read != d.from {
		return false // trim has counted it as lost
	}
	j.lost[Damaged].add(damage)
	if damage != (Loss{}) {
		j.problems.damagedAt = fmt.Sprintf("%s, behind offset %d", d.segment.name(), d.from.Offset)
	}
	j.read = b.To
	if b.Len() == 0 { // nothing is left before the limit, though the file may be shorter
		j.skipTo(Position{d.limit, b.To.Datagrams})
	}
	if s := d.segment; s.sealed && !j.read.Before(s.end) {
		j.skipTo(s.end)
	}
	b.Recovered = d.segment.recovered
	if b.Len() == 0 {
		return false
	}
	j.flights = append(j.flights, flight{to: b.To, received: b.received()})
	return true
}

// readFailed gives a segment up that is gone, or that could not be read several
// times.
func (j *Journal) readFailed(d due, err error) error {
	j.reading.close()
	j.readErrors++
	gone := errors.Is(err, os.ErrNotExist)
	if !gone && j.readErrors < readAttempts {
		return fmt.Errorf("read journal segment %s: %w", d.segment.name(), err)
	}
	j.readErrors = 0
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.read != d.from {
		return nil // trim was faster
	}
	j.logger.Error("a journal segment cannot be read and is given up", zap.String("segment", d.segment.name()), zap.Error(err))
	j.skipTo(d.segment.end)
	return nil
}

// ReadRange reads a block again that Next has returned, now or before a
// restart. A segment that is gone is an error that wraps os.ErrNotExist.
func (j *Journal) ReadRange(r Range) (*Block, error) {
	j.mu.Lock()
	var found *segment
	for _, s := range j.segments {
		if s.id == r.Segment {
			found = s
			break
		}
	}
	j.mu.Unlock()
	if found == nil {
		return nil, fmt.Errorf("read block %s: its journal segment is gone: %w", r.Token(), os.ErrNotExist)
	}
	from, err := j.openSource(found)
	if err != nil {
		return nil, err
	}
	defer from.close()
	b := j.spareBlock()
	if _, err := b.read(from, &found.header, r.From, r.To.Offset); err != nil {
		b.Release()
		return nil, fmt.Errorf("read block %s: %w", r.Token(), err)
	}
	b.Range = r
	b.Recovered = found.recovered
	return b, nil
}

// Again gives what the pipeline had decoded before a block that is delivered and
// not done: restore gets the state of the last checkpoint (nil: there is none),
// then visit each datagram between it and the block. Nothing of a datagram may be
// kept.
func (j *Journal) Again(before Range, restore func(state []byte) error, visit func(*Datagram)) error {
	saved, _, err := loadCheckpoint(j.config.Dir)
	if err != nil {
		return err
	}
	j.mu.Lock()
	segments := slices.Clone(j.segments)
	j.mu.Unlock()
	if err := restore(saved.state); err != nil {
		return err
	}
	b := j.spareBlock()
	defer b.Release()
	for _, s := range segments {
		at := later(saved.pos, s.base)
		j.mu.Lock()
		limit := min(s.end.Offset, before.From.Offset)
		j.mu.Unlock()
		if at.Offset >= limit {
			continue
		}
		from, err := j.openSource(s)
		if err != nil {
			return err
		}
		err = b.each(from, &s.header, at, limit, visit)
		from.close()
		if err != nil {
			return fmt.Errorf("read journal segment %s: %w", s.name(), err)
		}
	}
	return nil
}

// each visits the datagrams of one segment between two places.
func (b *Block) each(source io.ReaderAt, h *header, from Position, limit uint64, visit func(*Datagram)) error {
	for {
		if _, err := b.read(source, h, from, limit); err != nil || b.Len() == 0 {
			return err
		}
		var d Datagram
		for cursor := b.Cursor(); cursor.Next(&d); {
			visit(&d)
		}
		from = b.To
	}
}

// spareBlock returns a block to read into.
func (j *Journal) spareBlock() *Block {
	select {
	case b := <-j.blocks:
		return b
	default:
		return &Block{owner: j}
	}
}

func (j *Journal) recycle(b *Block) {
	spare := &Block{owner: j, records: b.records[:0]} // b keeps its Range
	b.records, b.owner = nil, nil
	select {
	case j.blocks <- spare:
	default:
	}
}
