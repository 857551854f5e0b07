package nfdump

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/nfstats/nfstats/decoder/archive"
)

// Compression is how the blocks of a file are compressed.
type Compression uint8

// The compressions, with the numbers of layout 2.
const (
	None Compression = iota
	LZO
	BZ2
	LZ4
	ZSTD
)

var compressionNames = [...]string{"none", "LZO", "bzip2", "LZ4", "zstd"}

// String returns the name of the compression, "LZ4".
func (c Compression) String() string {
	if int(c) < len(compressionNames) {
		return compressionNames[c]
	}
	return fmt.Sprintf("compression %d", uint8(c))
}

// Header is what the header of a file tells.
type Header struct {
	Layout      int // 1 or 2
	Compression Compression
	Blocks      uint32 // with those of the appendix; 0 while the writer has the file open
	Ident       string // of layout 1, the name of the source, any octets
}

var le = binary.LittleEndian

const (
	magic         = 0xa50c
	magicSwapped  = 0x0ca5
	header1Length = 140
	stat1Length   = 136 // follows the header of layout 1, repeats what the flows tell
	header2Length = 40

	flag1LZO = 0x01
	flag1BZ2 = 0x08
	flag1LZ4 = 0x10
)

func (r *Reader) readHeader() error {
	var start [4]byte
	n, err := io.ReadFull(r.in, start[:])
	switch {
	case n == 0 && err == io.EOF:
		return r.damage(archive.Empty, nil)
	case err == io.ErrUnexpectedEOF:
		return r.damage(archive.Truncated, errors.New("in the header"))
	case err != nil:
		return r.failure(err)
	}
	switch le.Uint16(start[:]) {
	case magic:
	case magicSwapped:
		return r.damage(archive.Unsupported, errors.New("written by nfdump on a big-endian machine: convert it there with nfdump -r FILE -o csv"))
	default:
		return &archive.DamageError{Name: r.name, Reason: archive.Foreign, Err: errors.New("not nfdump: " + archive.Sniff(start[:]))}
	}
	switch layout := le.Uint16(start[2:]); layout {
	case 1:
		return r.readHeader1()
	case 2:
		return r.readHeader2()
	case 3:
		return r.damage(archive.Unsupported, errors.New("layout 3 of nfdump 1.8, known are 1 and 2"))
	default:
		return r.damage(archive.Unsupported, fmt.Errorf("layout %d, known are 1 and 2", layout))
	}
}

func (r *Reader) readHeader1() error {
	var h [header1Length + stat1Length]byte
	if err := r.readFull(h[4:], "the header"); err != nil {
		return err
	}
	r.header = Header{Layout: 1, Blocks: le.Uint32(h[8:])}
	switch flags := le.Uint32(h[4:]); {
	case flags&flag1LZO != 0:
		r.header.Compression = LZO
	case flags&flag1BZ2 != 0:
		r.header.Compression = BZ2
	case flags&flag1LZ4 != 0:
		r.header.Compression = LZ4
	}
	ident, _, _ := bytes.Cut(h[12:header1Length], []byte{0})
	r.header.Ident = string(ident)
	return nil
}

func (r *Reader) readHeader2() error {
	var h [header2Length]byte
	if err := r.readFull(h[4:], "the header"); err != nil {
		return err
	}
	if h[17] != 0 {
		return r.damage(archive.Unsupported, fmt.Errorf("encryption %d", h[17]))
	}
	r.header = Header{Layout: 2, Compression: Compression(h[16])}
	if r.header.Compression > ZSTD {
		return r.damage(archive.Unsupported, fmt.Errorf("%v", r.header.Compression))
	}
	r.header.Blocks = le.Uint32(h[36:]) + uint32(le.Uint16(h[18:]))
	return nil
}
