package flowtools

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/adler32"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/nfstats/nfstats/decoder/archive"
)

// A body gives the octets of a file's records, inflated if they are
// compressed.
type body struct {
	name   string
	source source
	in     *bufio.Reader // of source

	inflate io.Reader // nil if the records are not compressed
	sum     hash.Hash32
}

// inputBuffer is how much of a file is read at once.
const inputBuffer = 64 << 10

func newBody(name string, r io.Reader) *body {
	b := &body{name: name, source: source{r: r}}
	b.in = bufio.NewReaderSize(&b.source, inputBuffer)
	return b
}

// A source counts what is read and keeps a failure of its reader, which
// decompression must not take for damage.
type source struct {
	r   io.Reader
	n   int64
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// offset is the number of octets of the file that have been used.
func (b *body) offset() int64 { return b.source.n - int64(b.in.Buffered()) }

func (b *body) failure(err error) error {
	return fmt.Errorf("read %s at octet %d: %w", b.name, b.offset(), err)
}

func (b *body) damage(reason archive.Reason, err error) error {
	return &archive.DamageError{Name: b.name, Offset: b.offset(), Reason: reason, Err: err}
}

// startInflating reads the header of the zlib stream (RFC 1950 §2.2).
func (b *body) startInflating() error {
	var h [2]byte
	if n, err := io.ReadFull(b.in, h[:]); err != nil {
		if b.source.err != nil {
			return b.failure(b.source.err)
		}
		return b.damage(archive.Truncated, fmt.Errorf("%d octets of compressed records", n))
	}
	const methodDeflate, presetDictionary = 8, 0x20
	if h[0]&0x0f != methodDeflate || h[0]>>4 > 7 || binary.BigEndian.Uint16(h[:])%31 != 0 || h[1]&presetDictionary != 0 {
		return b.damage(archive.Corrupt, fmt.Errorf("% x is no beginning of compressed records", h))
	}
	b.inflate, b.sum = flate.NewReader(b.in), adler32.New()
	return nil
}

// Read reads records. The end is io.EOF only where the file ends well.
func (b *body) Read(p []byte) (int, error) {
	if b.inflate == nil {
		n, err := b.in.Read(p)
		if err != nil && err != io.EOF {
			err = b.failure(err)
		}
		return n, err
	}
	n, err := b.inflate.Read(p)
	b.sum.Write(p[:n])
	switch {
	case err == nil:
		return n, nil
	case b.source.err != nil:
		return n, b.failure(b.source.err)
	case err == io.EOF:
		return n, b.finish()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, b.damage(archive.Truncated, errors.New("in the compressed records"))
	}
	return n, b.damage(archive.Corrupt, err)
}

// finish checks what follows the compressed records: their checksum, and
// nothing else. It returns io.EOF if all is well.
func (b *body) finish() error {
	var sum [4]byte
	if _, err := io.ReadFull(b.in, sum[:]); err != nil {
		if b.source.err != nil {
			return b.failure(b.source.err)
		}
		return b.damage(archive.Truncated, errors.New("in the checksum of the compressed records"))
	}
	if told, is := binary.BigEndian.Uint32(sum[:]), b.sum.Sum32(); told != is {
		return b.damage(archive.Checksum, fmt.Errorf("%08x, the records have %08x", told, is))
	}
	if _, err := b.in.ReadByte(); err == io.EOF {
		return io.EOF
	} else if err != nil {
		return b.failure(err)
	}
	at := b.offset() - 1
	rest, err := io.Copy(io.Discard, b.in)
	if err != nil {
		return b.failure(err)
	}
	return &archive.DamageError{Name: b.name, Offset: at, Reason: archive.Trailing, Err: fmt.Errorf("%d octets after the compressed records", rest+1)}
}
