package journal

import (
	"errors"
	"os"
	"slices"
	"time"
)

// Append journals a burst of datagrams in their order, and keeps none of them.
// When it returns they have been written, so that they survive the death of
// the process. While the disk takes no writes they go to memory; what finds no
// room there, is longer than MaxPayload or comes after Close is counted in
// Status.Lost and in dropped. A reception time before that of the datagram before
// is raised to it.
func (j *Journal) Append(burst []Datagram) (dropped int) {
	j.appendMu.Lock()
	defer j.appendMu.Unlock()
	for len(burst) > 0 {
		if j.closed {
			return dropped + j.drop(MemoryFull, burst)
		}
		if len(burst[0].Payload) > MaxPayload {
			dropped += j.drop(TooLong, burst[:1])
			burst = burst[1:]
			continue
		}
		n, blockFrom := j.stage(burst)
		if n == 0 {
			if !j.roll() {
				return dropped + j.drop(MemoryFull, burst)
			}
			continue
		}
		if err := j.active.write(j.staging); err != nil {
			j.degrade(err)
			continue
		}
		j.publish(n, blockFrom)
		burst = burst[n:]
	}
	return dropped
}

// stage encodes as many datagrams as fit into one write and the active segment,
// and returns how many did and where the last one's block starts.
func (j *Journal) stage(burst []Datagram) (n int, blockFrom uint64) {
	s := j.active
	if s == nil || s.file == nil && !j.degraded {
		return 0, 0
	}
	buf := j.staging[:0]
	offset, index := s.end.Offset, uint32(s.end.Datagrams-s.base.Datagrams)
	room := min(int64(cap(buf)), s.capacity-s.size())
	blockFrom = j.blockFrom
	for ; n < len(burst); n++ {
		d := &burst[n]
		size := recordHeaderSize + len(d.Payload)
		if int64(len(buf)+size) > room || len(d.Payload) > MaxPayload {
			break
		}
		at := offset + uint64(len(buf))
		if at+uint64(size) > blockFrom+uint64(j.config.BlockSize) {
			blockFrom = at
		}
		// Clocks step back; the order of reception does not. Who asked StoredUntil
		// relies on it.
		d.ReceivedMs = max(d.ReceivedMs, j.received)
		j.received = d.ReceivedMs
		buf = s.appendRecord(buf, at, index+uint32(n), uint32(at-blockFrom), d)
	}
	j.staging = buf
	return n, blockFrom
}

// publish shows the staged records, which have been written, to Next.
func (j *Journal) publish(n int, blockFrom uint64) {
	j.mu.Lock()
	first := j.blockFrom == j.end.Offset || j.blockFrom != blockFrom
	if first {
		j.blockFrom, j.blockSince = blockFrom, time.Now()
	}
	j.end.Offset += uint64(len(j.staging))
	j.end.Datagrams += uint64(n)
	j.active.end = j.end
	j.mu.Unlock()
	if first {
		signal(j.wake)
	}
}

// signal leaves a token for whoever waits on c.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// drop counts datagrams that are not journaled.
func (j *Journal) drop(why Reason, burst []Datagram) int {
	l := Loss{Datagrams: uint64(len(burst))}
	for i := range burst {
		l.Bytes += uint64(recordHeaderSize + len(burst[i].Payload))
	}
	j.mu.Lock()
	j.lost[why].add(l)
	j.mu.Unlock()
	return len(burst)
}

// roll makes a new active segment: a file, or while the disk takes no writes a
// piece of memory. It reports false when there is no room for that either.
func (j *Journal) roll() bool {
	j.seal()
	if !j.degraded {
		s, err := createSegment(j.config.Dir, j.end, j.config.SegmentSize)
		if err == nil {
			j.activate(s)
			signal(j.rolled)
			return true
		}
		j.degrade(err)
	}
	size := j.config.memorySegmentSize()
	if j.memoryInUse()+size > j.config.MemoryBound {
		return false
	}
	j.activate(newMemorySegment(j.end, size))
	return true
}

func (j *Journal) activate(s *segment) {
	j.active = s
	j.mu.Lock()
	j.segments = append(j.segments, s)
	j.newNames = j.newNames || s.file != nil
	j.blockFrom = j.end.Offset // no block spans segments
	j.mu.Unlock()
}

// seal ends the active segment.
func (j *Journal) seal() {
	s := j.active
	if s == nil {
		return
	}
	j.active = nil
	j.mu.Lock()
	s.sealed = true
	if s.end == s.base {
		j.segments = j.segments[:len(j.segments)-1]
	}
	if s.file != nil {
		j.unsynced = append(j.unsynced, s.file)
	} else {
		s.memory = slices.Clone(s.memory[:s.size()]) // what is not used is free again
	}
	j.mu.Unlock()
	if s.end == s.base && s.file != nil {
		os.Remove(s.path)
	}
	signal(j.wake)
}

// degrade ends writing to disk until moveMemoryToDisk finds that it works
// again.
func (j *Journal) degrade(err error) {
	if s := j.active; s != nil && s.file != nil {
		// Cut what a failed write may have left. Reading ends at the next
		// segment's start in any case.
		s.file.Truncate(s.size())
	}
	j.seal()
	j.mu.Lock()
	j.degraded = true
	j.problems.set(problemWrite, err)
	j.mu.Unlock()
}

func isClosed(err error) bool { return errors.Is(err, os.ErrClosed) }
