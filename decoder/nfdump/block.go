package nfdump

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/anchore/go-lzo"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/nfstats/nfstats/decoder/archive"
)

const (
	// maxBlock is the size of nfdump's own buffers, compressed and not.
	maxBlock = 5 << 20

	blockHeaderLength  = 12
	blockOldLayout     = 1 // nfdump 1.5
	blockFlows1        = 2 // layout 1, accepted in layout 2
	blockFlows2        = 3 // of layout 1: histograms
	blockFlag2RawBlock = 1 // layout 2: not compressed although the file is
)

// A codec inflates blocks into its buffer.
type codec struct {
	out  []byte
	zstd *zstd.Decoder
}

// nextBlock reads blocks until one has records and makes them r.records. It
// returns io.EOF where the file ends well.
func (r *Reader) nextBlock() error {
	for r.left = 0; r.left == 0; {
		var h [blockHeaderLength]byte
		at := r.offset()
		switch _, err := io.ReadFull(r.in, h[:]); {
		case err == io.EOF:
			return r.end()
		case err == io.ErrUnexpectedEOF:
			return r.damageAt(at, archive.Truncated, errors.New("in the header of a block"))
		case err != nil:
			return r.failure(err)
		}
		records, size, kind, flags := le.Uint32(h[:]), le.Uint32(h[4:]), le.Uint16(h[8:]), le.Uint16(h[10:])
		if size == 0 || size > maxBlock {
			return r.damageAt(at, archive.Corrupt, fmt.Errorf("block %d of %d octets", r.blocks+1, size))
		}
		if cap(r.raw) < int(size) {
			r.raw = make([]byte, min(size+size/4, maxBlock))
		}
		r.raw = r.raw[:size]
		if err := r.readFull(r.raw, fmt.Sprintf("block %d", r.blocks+1)); err != nil {
			return err
		}
		r.blocks++
		r.blockAt = at
		if kind == blockOldLayout || kind != blockFlows1 && !(kind == blockFlows2 && r.header.Layout == 2) {
			r.skippedBlocks++
			continue
		}
		compression := r.header.Compression
		if r.header.Layout == 2 && flags&blockFlag2RawBlock != 0 {
			compression = None
		}
		content, err := r.codec.inflate(compression, r.raw)
		if err != nil {
			return r.damageAt(at, archive.Corrupt, fmt.Errorf("block %d: %v: %w", r.blocks, compression, err))
		}
		if int64(records)*4 > int64(len(content)) {
			return r.damageAt(at, archive.Corrupt, fmt.Errorf("block %d tells %d records in %d octets", r.blocks, records, len(content)))
		}
		r.left, r.content = int(records), content
	}
	return nil
}

// end checks what the header tells against what was read.
func (r *Reader) end() error {
	switch {
	case r.header.Blocks == 0 && (r.blocks > 0 || r.header.Layout == 2):
		return r.damage(archive.Unfinished, fmt.Errorf("%d whole blocks were read", r.blocks))
	case r.blocks < r.header.Blocks:
		return r.damage(archive.Truncated, fmt.Errorf("%d of %d blocks", r.blocks, r.header.Blocks))
	}
	return io.EOF
}

// inflate returns the content of a block, which the next call overwrites. Most
// blocks need far less than the largest buffer, which is made when one does.
func (c *codec) inflate(compression Compression, raw []byte) ([]byte, error) {
	if compression == None {
		return raw, nil
	}
	switch likely := min(4*len(raw)+4096, maxBlock); {
	case c.out == nil:
		c.out = make([]byte, likely)
	case len(c.out) < likely:
		c.out = make([]byte, maxBlock)
	}
	content, err := c.inflateInto(compression, raw)
	if err != nil && len(c.out) < maxBlock {
		c.out = make([]byte, maxBlock)
		content, err = c.inflateInto(compression, raw)
	}
	return content, err
}

// inflateInto is inflate with a buffer that may be too small.
func (c *codec) inflateInto(compression Compression, raw []byte) ([]byte, error) {
	switch compression {
	case LZO:
		n, err := lzo.Decompress(raw, c.out)
		return c.out[:max(0, min(n, len(c.out)))], err
	case LZ4:
		n, err := lz4.UncompressBlock(raw, c.out)
		return c.out[:max(n, 0)], err
	case BZ2:
		return c.readAll(bzip2.NewReader(bytes.NewReader(raw)))
	}
	return c.inflateZSTD(raw)
}

// readAll reads all of in, which may be no more than the buffer holds.
func (c *codec) readAll(in io.Reader) ([]byte, error) {
	n := 0
	for n < len(c.out) {
		k, err := in.Read(c.out[n:])
		n += k
		if err == io.EOF {
			return c.out[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%d octets or more", len(c.out))
}

func (c *codec) inflateZSTD(raw []byte) ([]byte, error) {
	if c.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecoderMaxWindow(maxBlock+3<<20))
		if err != nil {
			return nil, err
		}
		c.zstd = d
	}
	return c.zstd.DecodeAll(raw, c.out[:0])
}
