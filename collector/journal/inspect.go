package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Info describes the journal in a folder, as its files tell.
type Info struct {
	Segments     []SegmentInfo
	Checkpoint   Position  // a restart goes on here
	CheckpointAt time.Time // zero: there is none
	StateBytes   int       // of the pipeline's state in the checkpoint
	Rejected     []Rejected
}

// SegmentInfo describes a segment file.
type SegmentInfo struct {
	Path    string
	ID      uint64
	Bytes   int64
	Created time.Time // zero: the header is damaged
	Base    Position
	End     Position // Datagrams is 0 for the newest segment, which may be growing
}

// Inspect describes the journal in a folder. It changes nothing, takes no lock,
// and may run beside the daemon.
func Inspect(dir string) (Info, error) {
	segments, err := listSegments(dir)
	if err != nil {
		return Info{}, err
	}
	saved, _, err := loadCheckpoint(dir)
	if err != nil {
		return Info{}, err
	}
	info := Info{Checkpoint: saved.pos, StateBytes: len(saved.state)}
	if saved.number > 0 {
		info.CheckpointAt = time.UnixMilli(saved.createdMs)
	}
	for _, s := range segments {
		one := SegmentInfo{Path: s.path, ID: s.id, Bytes: s.capacity, Base: s.base, End: s.end}
		if s.createdMs != 0 {
			one.Created = time.UnixMilli(s.createdMs)
		}
		info.Segments = append(info.Segments, one)
	}
	info.Rejected, err = ListRejected(dir)
	return info, err
}

// A SegmentReader reads the blocks of one segment file, whoever writes to it.
type SegmentReader struct {
	header header
	file   *os.File
	pos    Position
	limit  uint64
	damage Loss
}

// OpenSegment opens a segment file. A file of another format version is an
// error that wraps ErrVersion.
func OpenSegment(path string) (*SegmentReader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read journal segment: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("read journal segment: %w", err)
	}
	var head [headerSize]byte
	n, err := file.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		file.Close()
		return nil, fmt.Errorf("read journal segment %s: %w", path, err)
	}
	h, err := parseHeader(head[:n])
	if errors.Is(err, errDamaged) {
		if named, ok := parseName(info.Name()); ok {
			h, err = named, nil
		}
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("read journal segment %s: %w", path, err)
	}
	return &SegmentReader{header: h, file: file, pos: h.base, limit: h.base.Offset + uint64(max(0, info.Size()-headerSize))}, nil
}

// Next returns the next block, or io.EOF.
func (r *SegmentReader) Next() (*Block, error) {
	b := new(Block)
	damage, err := b.read(r.file, &r.header, r.pos, r.limit)
	if err != nil {
		return nil, fmt.Errorf("read journal segment %s: %w", r.file.Name(), err)
	}
	r.damage.add(damage)
	r.pos = b.To
	if b.Len() == 0 {
		return nil, io.EOF
	}
	b.Recovered = true
	return b, nil
}

// Damage returns what Next could not read so far. Datagrams missing at the end
// of the file are not known.
func (r *SegmentReader) Damage() Loss { return r.damage }

// Close closes the file.
func (r *SegmentReader) Close() error { return r.file.Close() }
