package journal

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// readChunk is the number of bytes read at once.
const readChunk = 256 << 10

// A scan goes over the records of a segment and steps over what is damaged.
//
// buf[:kept] are the records that the caller wants, buf[parsed:] is read but
// not looked at yet, and what lies between them is done with.
type scan struct {
	header *header
	source io.ReaderAt // the segment from its header on
	limit  uint64      // offset at which to stop

	buf          []byte
	kept, parsed int
	offset       uint64 // journal offset of buf[parsed]
	damaged      uint64 // bytes stepped over
	trailing     bool   // the last bytes stepped over follow the last record
}

// next finds the next intact record, which starts at buf[parsed], and reports
// false at the limit.
func (s *scan) next() (record, bool, error) {
	s.trailing = false
	for {
		rest := s.buf[s.parsed:]
		unread := s.offset+uint64(len(rest)) < s.limit
		r, v := s.header.parse(rest, s.offset)
		switch {
		case v == intact:
			return r, true, nil
		case v == short && unread:
			if err := s.fill(); err != nil {
				return record{}, false, err
			}
			continue
		case len(rest) == 0:
			return record{}, false, nil
		}
		s.trailing = true
		skip := toNextMark(rest, unread)
		s.damaged += uint64(skip)
		s.skip(skip)
	}
}

// toNextMark returns how far behind the start of b a record may start. The last
// bytes may be the first of a mark when more follow.
func toNextMark(b []byte, moreFollow bool) int {
	if i := bytes.Index(b[1:], recordMark); i >= 0 {
		return 1 + i
	}
	if moreFollow {
		return max(1, len(b)-(len(recordMark)-1))
	}
	return len(b)
}

// skip leaves the next n bytes.
func (s *scan) skip(n int) {
	s.parsed += n
	s.offset += uint64(n)
}

// keep takes the next n bytes for the caller.
func (s *scan) keep(n int) {
	if s.kept != s.parsed {
		copy(s.buf[s.kept:], s.buf[s.parsed:s.parsed+n])
	}
	s.kept += n
	s.skip(n)
}

// fill reads the next chunk behind what is not looked at yet.
func (s *scan) fill() error {
	if s.kept != s.parsed {
		n := copy(s.buf[s.kept:], s.buf[s.parsed:])
		s.buf, s.parsed = s.buf[:s.kept+n], s.kept
	}
	have := len(s.buf)
	at := s.offset + uint64(have-s.parsed)
	want := int(min(readChunk, s.limit-at))
	s.buf = slices.Grow(s.buf, want)[:have+want]
	n, err := s.source.ReadAt(s.buf[have:], s.header.fileOffset(at))
	s.buf = s.buf[:have+n]
	if n == want {
		return nil
	}
	if errors.Is(err, io.EOF) { // somebody cut the file
		s.limit = at + uint64(n)
		return nil
	}
	return err
}
