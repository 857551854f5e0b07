package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"time"
)

// A flight is a delivered block.
type flight struct {
	to       Position
	received int64 // of its first datagram, Unix milliseconds
	done     bool
}

// Done tells that a block is stored, or set aside, and need not be delivered
// again. Blocks may be done in any order.
func (j *Journal) Done(r Range) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.flights {
		if j.flights[i].to.Offset == r.To.Offset {
			j.flights[i].done = true
			break
		}
	}
	before := j.done
	for len(j.flights) > 0 && j.flights[0].done {
		j.done, j.doneUntil = j.flights[0].to, j.flights[0].received
		j.flights = j.flights[1:]
	}
	if before.Before(j.done) {
		close(j.progress)
		j.progress = make(chan struct{})
	}
}

// Commit waits until every block before pos is done, or ctx ends. Then it makes
// durable that a restart goes on there with this state, and removes the
// segments before. pos is the To of a delivered block, and state is what the
// pipeline has after decoding that block and before decoding the next. When a
// later position was committed meanwhile, nothing is left to do.
//
// After an error the last checkpoint is still good; a later Commit may succeed.
func (j *Journal) Commit(ctx context.Context, pos Position, state []byte) error {
	if err := j.waitDone(ctx, pos); err != nil {
		return fmt.Errorf("wait with the journal's checkpoint until its blocks are stored: %w", err)
	}
	j.commitMu.Lock()
	defer j.commitMu.Unlock()
	j.mu.Lock()
	superseded := pos.Before(j.saved)
	j.mu.Unlock()
	if superseded {
		return nil
	}
	err := j.slots.write(pos, state)
	var removed []string
	j.mu.Lock()
	j.problems.set(problemCheckpoint, err)
	if err == nil {
		j.saved = pos
		for len(j.segments) > 0 && j.segments[0].sealed && !pos.Before(j.segments[0].end) {
			if s := j.segments[0]; s.path != "" {
				removed = append(removed, s.path)
			}
			j.segments = j.segments[1:]
		}
	}
	j.mu.Unlock()
	j.remove(removed)
	return err
}

func (j *Journal) waitDone(ctx context.Context, pos Position) error {
	for {
		j.mu.Lock()
		isDone, progress := !j.done.Before(pos), j.progress
		j.mu.Unlock()
		if isDone {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-progress:
		}
	}
}

// slots are the two checkpoint files, written in turn and in place. A write that
// a crash interrupts leaves the other one, and a full disk does not hinder
// writing, because the room is taken beforehand: only a checkpoint gives disk
// space back.
type slots struct {
	files  [2]*os.File
	number uint64 // of the last checkpoint; its file is number modulo 2
	buffer []byte
}

// slotUnit is what the files grow by, in bytes.
const slotUnit = 1 << 20

func slotPath(dir string, i int) string {
	return filepath.Join(dir, fmt.Sprintf("checkpoint.%d", i))
}

func openSlots(dir string, number uint64) (*slots, error) {
	s := &slots{number: number}
	for i := range s.files {
		file, err := os.OpenFile(slotPath(dir, i), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("open the journal's checkpoint: %w", err)
		}
		s.files[i] = file
		reserve(file, slotUnit)
	}
	return s, nil
}

// reserve lengthens a file with written zeros. Without room for them the file
// stays as it is.
func reserve(file *os.File, size int64) {
	info, err := file.Stat()
	if err != nil || info.Size() >= size {
		return
	}
	if _, err := file.WriteAt(make([]byte, size-info.Size()), info.Size()); err != nil {
		file.Truncate(info.Size())
	}
}

func (s *slots) close() {
	for _, f := range s.files {
		if f != nil {
			f.Close()
		}
	}
}

func (s *slots) write(pos Position, state []byte) error {
	s.number++
	file := s.files[s.number%2]
	size := headerSize + len(state)
	reserve(file, (2*int64(size)/slotUnit+1)*slotUnit)
	s.buffer = append(s.buffer[:0], make([]byte, headerSize)...)
	b := append(s.buffer, state...)
	s.buffer = b
	putPreamble(b, checkpointMagic)
	binary.LittleEndian.PutUint64(b[16:], s.number)
	binary.LittleEndian.PutUint64(b[24:], pos.Offset)
	binary.LittleEndian.PutUint64(b[32:], pos.Datagrams)
	binary.LittleEndian.PutUint64(b[40:], uint64(len(state)))
	binary.LittleEndian.PutUint64(b[48:], uint64(time.Now().UnixMilli()))
	crc := crc32.Update(crc32.Checksum(b[:60], castagnoli), castagnoli, state)
	binary.LittleEndian.PutUint32(b[60:], crc)
	_, err := file.WriteAt(b, 0)
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		s.number-- // the other file holds the last good checkpoint: spare it
		return fmt.Errorf("write the journal's checkpoint: %w", err)
	}
	return nil
}

// A checkpoint is what Commit has written.
type checkpoint struct {
	number    uint64 // 0: there is none
	pos       Position
	createdMs int64 // Unix milliseconds
	state     []byte
}

// loadCheckpoint returns the newest intact checkpoint of a folder, and how many
// damaged ones it saw. Another format version is an error.
func loadCheckpoint(dir string) (newest checkpoint, damaged int, err error) {
	for i := range 2 {
		c, err := loadSlot(slotPath(dir, i))
		switch {
		case errors.Is(err, os.ErrNotExist):
		case errors.Is(err, ErrVersion):
			return newest, damaged, fmt.Errorf("journal checkpoint %s has an %w; it is left alone: use the release of nfstats that wrote it, or move the journal away", slotPath(dir, i), err)
		case errors.Is(err, errDamaged):
			damaged++
		case err != nil:
			return newest, damaged, fmt.Errorf("read the journal's checkpoint: %w", err)
		case c.number > newest.number:
			newest = c
		}
	}
	return newest, damaged, nil
}

// loadSlot returns an empty checkpoint for a file that was never used.
func loadSlot(path string) (c checkpoint, err error) {
	file, err := os.Open(path)
	if err != nil {
		return c, err
	}
	defer file.Close()
	var head [headerSize]byte
	n, err := io.ReadFull(file, head[:])
	if head == [headerSize]byte{} {
		return c, nil
	}
	if err := checkPreamble(head[:n], checkpointMagic); err != nil {
		return c, err
	}
	if err != nil {
		return c, errDamaged
	}
	info, err := file.Stat()
	if err != nil {
		return c, err
	}
	length := binary.LittleEndian.Uint64(head[40:])
	if length > uint64(max(0, info.Size()-headerSize)) {
		return c, errDamaged
	}
	state := make([]byte, length)
	if _, err := io.ReadFull(file, state); err != nil {
		return c, err
	}
	if crc32.Update(crc32.Checksum(head[:60], castagnoli), castagnoli, state) != binary.LittleEndian.Uint32(head[60:]) {
		return c, errDamaged
	}
	return checkpoint{
		number:    binary.LittleEndian.Uint64(head[16:]),
		pos:       Position{binary.LittleEndian.Uint64(head[24:]), binary.LittleEndian.Uint64(head[32:])},
		createdMs: int64(binary.LittleEndian.Uint64(head[48:])),
		state:     state,
	}, nil
}
