package journal

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A segment is one file of records, or what will become one when the disk has
// room again.
type segment struct {
	header
	capacity  int64    // bytes of the file, header included
	recovered bool     // written before this process opened the journal
	file      *os.File // for writing; used under Journal.appendMu

	// Under Journal.mu:
	path   string // empty: in memory
	memory []byte // the whole file; nil: on disk
	end    Position
	sealed bool // takes no more records
}

// size returns the number of bytes in use, header included.
func (s *segment) size() int64 { return s.fileOffset(s.end.Offset) }

// newHeader returns the header of a new segment that starts at base.
func newHeader(base Position) header {
	var id [8]byte
	rand.Read(id[:]) // never fails, see its documentation
	return header{binary.LittleEndian.Uint64(id[:]), base, time.Now().UnixMilli()}
}

// createSegment makes a file. What goes wrong leaves none behind.
func createSegment(dir string, base Position, capacity int64) (*segment, error) {
	s := &segment{header: newHeader(base), capacity: capacity, end: base}
	s.path = filepath.Join(dir, s.name())
	file, err := os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a journal segment: %w", err)
	}
	var head [headerSize]byte
	s.put(head[:])
	if _, err := file.WriteAt(head[:], 0); err != nil {
		file.Close()
		os.Remove(s.path)
		return nil, fmt.Errorf("make a journal segment: %w", err)
	}
	s.file = file
	return s, nil
}

func newMemorySegment(base Position, capacity int64) *segment {
	s := &segment{header: newHeader(base), capacity: capacity, end: base, memory: make([]byte, capacity)}
	s.put(s.memory)
	return s
}

// write appends records. Readers see them when Journal.publish has moved the
// end, so a write that fails halfway leaves no trace.
func (s *segment) write(records []byte) error {
	at := s.size()
	if s.file == nil {
		copy(s.memory[at:], records)
		return nil
	}
	if _, err := s.file.WriteAt(records, at); err != nil {
		return fmt.Errorf("write to the journal: %w", err)
	}
	return nil
}

// moveToDisk writes a sealed memory segment to a file, all or nothing, and
// returns its path.
func (s *segment) moveToDisk(dir string) (string, error) {
	path := filepath.Join(dir, s.name())
	if err := writeFile(path, s.memory[:s.size()]); err != nil {
		return "", fmt.Errorf("write what the journal keeps in memory: %w", err)
	}
	return path, nil
}

const temporarySuffix = ".tmp"

// writeFile makes a file that is there as a whole, and durable, or not at all.
func writeFile(path string, content []byte) (err error) {
	temporary := path + temporarySuffix
	defer func() {
		if err != nil {
			os.Remove(temporary)
		}
	}()
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// A source reads a segment. Removing the segment meanwhile does no harm.
type source struct {
	io.ReaderAt
	file *os.File // to close; nil for one in memory
}

func (s *source) close() {
	if s.file != nil {
		s.file.Close()
	}
	*s = source{}
}

// open opens a segment for reading.
func (j *Journal) openSource(s *segment) (source, error) {
	j.mu.Lock()
	path, memory := s.path, s.memory
	j.mu.Unlock()
	if memory != nil {
		return source{ReaderAt: bytes.NewReader(memory)}, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return source{}, fmt.Errorf("read the journal: %w", err)
	}
	return source{file, file}, nil
}

// listSegments returns the segments in a folder, oldest first, with their ends
// as the files' sizes and the next segments' starts tell; that of the last one
// lacks its number of datagrams. A file of another format version is an error.
func listSegments(dir string) ([]*segment, error) {
	paths, err := filesWithSuffix(dir, segmentSuffix)
	if err != nil {
		return nil, fmt.Errorf("list journal segments: %w", err)
	}
	var list []*segment
	for _, path := range paths {
		s, err := statSegment(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed since; the journal may be open elsewhere
		}
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(a.base.Offset, b.base.Offset), cmp.Compare(a.base.Datagrams, b.base.Datagrams))
	})
	for i, s := range list[:max(0, len(list)-1)] {
		next := list[i+1].base
		s.end.Offset = min(s.end.Offset, next.Offset)
		s.end.Datagrams = next.Datagrams
	}
	return list, nil
}

// filesWithSuffix returns the paths of what ends so in a folder.
func filesWithSuffix(dir, suffix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}

// statSegment looks at a segment's name, header and size.
func statSegment(path string) (*segment, error) {
	named, nameOK := parseName(filepath.Base(path))
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("look at the journal: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the journal: %w", err)
	}
	var head [headerSize]byte
	n, _ := file.ReadAt(head[:], 0) // a header that cannot be read is a damaged one
	h, err := parseHeader(head[:n])
	switch {
	case errors.Is(err, ErrVersion):
		return nil, fmt.Errorf("journal segment %s has an %w; it is left alone: use the release of nfstats that wrote it, or move the journal away", path, err)
	case err == nil && nameOK && h.name() != named.name(), err != nil && !nameOK:
		return nil, fmt.Errorf("journal segment %s is not where it was made: its name does not fit its contents; move it away", path)
	case err != nil: // damaged, but the name says it all
		h = named
	}
	s := &segment{header: h, path: path, capacity: info.Size(), recovered: true, sealed: true, end: h.base}
	s.end.Offset += uint64(max(0, info.Size()-headerSize))
	return s, nil
}
