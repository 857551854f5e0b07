package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// Open opens the journal in a folder, or makes one. It goes on where the last
// checkpoint says, behind whatever was journaled. It refuses a journal that
// another process has open, and leaves alone one of another format version
// (ErrVersion).
func Open(config Config, logger *zap.Logger) (*Journal, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	if logger == nil {
		logger = zap.NewNop()
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the journal's folder: %w", err)
	}
	lock, err := takeLock(config.Dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{config: config, logger: logger, lock: lock,
		blocks: make(chan *Block, spareBlocks), wake: make(chan struct{}, 1), rolled: make(chan struct{}, 1),
		staging: make([]byte, 0, stagingSize), progress: make(chan struct{})}
	if err := j.load(); err != nil {
		lock.Close()
		return nil, err
	}
	return j, nil
}

// takeLock keeps other processes out. The kernel gives the lock back when the
// process ends, however it ends.
func takeLock(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the journal: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			holder, _ := os.ReadFile(path)
			return nil, fmt.Errorf("the journal in %s is in use by process %s", dir, strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := lock.Truncate(0); err == nil {
		fmt.Fprintf(lock, "%d\n", os.Getpid())
	}
	return lock, nil
}

// load finds out what the journal holds and where to go on. Until it knows that
// it can read everything it changes nothing.
func (j *Journal) load() error {
	dir := j.config.Dir
	segments, err := listSegments(dir)
	if err != nil {
		return err
	}
	saved, damaged, err := loadCheckpoint(dir)
	if err != nil {
		return err
	}
	if n := len(segments); n > 0 {
		last := segments[n-1]
		if j.received, err = countLast(last); err != nil {
			j.logger.Error("the journal's last segment cannot be read to its end", zap.Error(err))
		}
		j.end = last.end
	}
	if damaged > 0 {
		j.logger.Warn("a checkpoint of the journal was not finished or is damaged; an earlier one is used", zap.Uint64("number", saved.number))
	}
	// Records behind the last fsync may be gone after a power cut, though they
	// were stored. Their positions are not used again.
	j.end.Offset = max(j.end.Offset, saved.pos.Offset)
	j.end.Datagrams = max(j.end.Datagrams, saved.pos.Datagrams)
	j.blockFrom = j.end.Offset
	j.synced = j.end
	j.startAt(saved, segments)
	if j.slots, err = openSlots(dir, saved.number); err != nil {
		return err
	}
	j.removeLeftovers(segments)
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	waiting := j.end.since(j.read)
	j.logger.Info("journal opened", zap.String("dir", dir), zap.Int("segments", len(j.segments)),
		zap.Uint64("waiting_datagrams", waiting.Datagrams), zap.Uint64("waiting_bytes", waiting.Bytes))
	return nil
}

// startAt sets the reader to the checkpoint, or to the oldest segment.
func (j *Journal) startAt(saved checkpoint, segments []*segment) {
	j.read, j.saved, j.state = saved.pos, saved.pos, saved.state
	if len(segments) > 0 {
		oldest := segments[0].base
		switch {
		case saved.number == 0:
			j.read = oldest
			if oldest.Offset > 0 {
				j.logger.Error("the journal has no checkpoint; it is read from its oldest segment, and decoding starts without templates")
			}
		case j.read.Before(oldest): // trim went past it before a crash
			j.lost[Overflow].add(oldest.since(j.read))
			j.read = oldest
		}
	}
	j.done = j.read
}

// countLast finds the number of datagrams in the last segment. A damaged or
// unfinished end counts as one, and so does what an error hides. received is the
// time of the newest.
func countLast(s *segment) (received int64, err error) {
	s.end.Datagrams = s.base.Datagrams + 1
	file, err := os.Open(s.path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	c := scan{header: &s.header, source: file, limit: s.end.Offset, offset: s.base.Offset}
	next := s.base.Datagrams
	for {
		r, ok, err := c.next()
		if err != nil {
			return received, err
		}
		if !ok {
			break
		}
		next = r.number + 1
		s.end.Datagrams = next + 1
		var d Datagram
		parseDatagram(c.buf[c.parsed:c.parsed+r.length], &d)
		received = max(received, d.ReceivedMs)
		c.skip(r.length)
	}
	if !c.trailing {
		s.end.Datagrams = next
	}
	return received, nil
}

// removeLeftovers removes segments that the checkpoint has passed, or that hold
// nothing, and unfinished files. The others are the journal's.
func (j *Journal) removeLeftovers(segments []*segment) {
	var removed []string
	for _, s := range segments {
		if s.end.Offset == s.base.Offset || !j.read.Before(s.end) {
			removed = append(removed, s.path)
		} else {
			j.segments = append(j.segments, s)
		}
	}
	unfinished, _ := filesWithSuffix(j.config.Dir, temporarySuffix) // listing has worked before
	j.remove(append(removed, unfinished...))
}

// State returns the pipeline's state at the checkpoint where Open went on; nil
// when there was none.
func (j *Journal) State() []byte { return j.state }
