package journal

import (
	"errors"
	"fmt"
	"time"
)

// Config says where a journal lies and how large it may become. Sizes are in
// bytes.
type Config struct {
	Dir          string        // made when it does not exist
	SegmentSize  int64         // of one file
	MaxSize      int64         // of all segments; the oldest goes when it is reached
	SyncInterval time.Duration // between two fsyncs, which is what a power cut may cost; 0: never
	MemoryBound  int64         // kept in memory while the disk takes no writes
	BlockSize    int64         // of the largest block
	BlockAge     time.Duration // age at which a block ends though it is not full
	RejectedSize int64         // of the blocks set aside; the oldest goes when it is reached
}

// Default returns what suits most collectors; Dir is left empty.
func Default() Config {
	return Config{
		SegmentSize:  64 << 20,
		MaxSize:      8 << 30,
		SyncInterval: time.Second,
		MemoryBound:  64 << 20,
		BlockSize:    5 << 20,
		BlockAge:     time.Second,
		RejectedSize: 1 << 30,
	}
}

const (
	// minSize of a segment and of a block: room for a header and the largest
	// record.
	minSize = 128 << 10
	// maxSegment keeps offsets within a segment in 32 bits.
	maxSegment = 1 << 31
	// minSegments is the least number of segments in a journal. Room is made by
	// whole segments, so few of them would mean large losses at once.
	minSegments = 4
	// memorySegments is the number of segments that MemoryBound is divided into.
	memorySegments = 4
)

// Validate reports every value that a journal cannot work with.
func (c Config) Validate() error {
	var problems []error
	check := func(ok bool, format string, arguments ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, arguments...))
		}
	}
	check(c.Dir != "", "the journal has no folder")
	check(c.SegmentSize >= minSize && c.SegmentSize <= maxSegment, "segment size %d is not between %d and %d bytes", c.SegmentSize, minSize, maxSegment)
	check(c.MaxSize >= minSegments*c.SegmentSize, "maximum size %d is less than %d segments of %d bytes", c.MaxSize, minSegments, c.SegmentSize)
	check(c.SyncInterval >= 0, "sync interval %s is negative", c.SyncInterval)
	check(c.MemoryBound >= memorySegments*minSize, "memory bound %d is less than %d bytes", c.MemoryBound, memorySegments*minSize)
	check(c.BlockSize >= minSize, "block size %d is less than %d bytes", c.BlockSize, minSize)
	check(c.BlockAge > 0, "block age %s is not positive", c.BlockAge)
	check(c.RejectedSize > 0, "size of rejected blocks %d is not positive", c.RejectedSize)
	return errors.Join(problems...)
}

// memorySegmentSize is the size of a segment kept in memory.
func (c Config) memorySegmentSize() int64 {
	return min(c.MemoryBound/memorySegments, c.SegmentSize)
}
