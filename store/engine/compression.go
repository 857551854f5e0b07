package engine

import (
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// An encoding compresses the body of an answer.
type encoding struct {
	name   string // for Content-Encoding; "" for ClickHouse's own blocks
	writer func(io.Writer) (io.WriteCloser, error)
}

// httpEncodings are the codings of HTTP that answers may have, the preferred one
// first.
var httpEncodings = []encoding{
	{"zstd", func(w io.Writer) (io.WriteCloser, error) {
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(1<<20))
	}},
	{"lz4", func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil }},
	{"gzip", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestSpeed) }},
}

// answerEncoding returns what the request wants its answer compressed with, nil
// for nothing: compress=1 asks for blocks in ClickHouse's own form, and
// enable_http_compression=1 for one of Accept-Encoding.
func answerEncoding(r *http.Request, values url.Values) *encoding {
	if enabled(values, "compress") {
		method := compress.LZ4
		if strings.EqualFold(values.Get("network_compression_method"), "ZSTD") {
			method = compress.ZSTD
		}
		return &encoding{writer: func(w io.Writer) (io.WriteCloser, error) {
			return &blockWriter{out: w, blocks: compress.NewWriter(compress.LevelZero, method)}, nil
		}}
	}
	if !enabled(values, "enable_http_compression") {
		return nil
	}
	var accepted []string
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(part, ";")
		if strings.TrimSpace(quality) != "q=0" {
			accepted = append(accepted, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	for i, e := range httpEncodings {
		if slices.Contains(accepted, e.name) {
			return &httpEncodings[i]
		}
	}
	return nil
}

// blockWriter writes blocks of ClickHouse's compressed form: checksum, method,
// sizes, data.
type blockWriter struct {
	out    io.Writer
	blocks *compress.Writer
}

// maxBlock is the most that one compressed block holds, in bytes.
const maxBlock = 1 << 20

// Write writes p as one block or more.
func (b *blockWriter) Write(p []byte) (int, error) {
	for piece := range slices.Chunk(p, maxBlock) {
		if err := b.blocks.Compress(piece); err != nil {
			return 0, fmt.Errorf("compress the answer: %w", err)
		}
		if _, err := b.out.Write(b.blocks.Data); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Close does nothing: blocks are complete as they are written.
func (b *blockWriter) Close() error { return nil }

// maxWindow is the most memory that the decompression of a body may need, in
// bytes: the window that zstd's decoders must support (RFC 8878 section 3.1.1.1.2).
const maxWindow = 8 << 20

// plainBody returns the request's body as its sender had it before compression.
// ClickHouse's own blocks may be larger than maxWindow where no stranger sends
// them.
func plainBody(r *http.Request, values url.Values, stranger bool) (io.Reader, error) {
	var body io.Reader = r.Body
	var err error
	switch coding := strings.ToLower(r.Header.Get("Content-Encoding")); coding {
	case "", "identity":
	case "gzip":
		body, err = gzip.NewReader(body)
	case "deflate":
		body, err = zlib.NewReader(body)
	case "zstd":
		var decoder *zstd.Decoder
		decoder, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow),
			zstd.WithDecoderLowmem(true))
		if err == nil {
			body = decoder.IOReadCloser()
		}
	case "lz4":
		body = lz4.NewReader(body)
	default:
		return nil, newException(codeUnknownCompression, "Content-Encoding %q is not known: use gzip, deflate, zstd or lz4. (UNKNOWN_COMPRESSION_METHOD)", coding)
	}
	if err != nil {
		return nil, newException(codeUnknownCompression, "the body is not in the form that Content-Encoding names: %v. (UNKNOWN_COMPRESSION_METHOD)", err)
	}
	if enabled(values, "decompress") {
		if stranger {
			body = &boundedBlocks{in: body}
		}
		body = blockReader{compress.NewReader(body)}
	}
	return body, nil
}

// boundedBlocks passes ClickHouse's compressed blocks on, as long as their headers
// promise no more than maxWindow bytes of data.
type boundedBlocks struct {
	in     io.Reader
	header []byte // read, not passed on
	left   int    // bytes of the block behind its header
}

// A block's header: a checksum of 16 bytes, the method, and the sizes with the
// last 9 bytes of the header, and of the data, in little-endian order.
const (
	blockHeader     = 25
	blockPackedSize = 17
	blockPlainSize  = 21
	blockSizesCount = 9
)

// Read reads on.
func (b *boundedBlocks) Read(p []byte) (int, error) {
	if b.left == 0 && len(b.header) == 0 {
		header := make([]byte, blockHeader)
		if n, err := io.ReadFull(b.in, header); err != nil {
			b.header = header[:n]
			if n == 0 {
				return 0, io.EOF
			}
		} else {
			packed := int64(binary.LittleEndian.Uint32(header[blockPackedSize:]))
			if plain := binary.LittleEndian.Uint32(header[blockPlainSize:]); plain > maxWindow || packed > 2*maxWindow {
				return 0, newException(codeQueryTooLarge,
					"a compressed block is larger than %d bytes. (QUERY_IS_TOO_LARGE)", maxWindow)
			}
			b.header, b.left = header, max(0, int(packed)-blockSizesCount)
		}
	}
	if len(b.header) > 0 {
		n := copy(p, b.header)
		b.header = b.header[n:]
		return n, nil
	}
	n, err := b.in.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// blockReader ends with a bare io.EOF, as readers must.
type blockReader struct{ blocks *compress.Reader }

func (b blockReader) Read(p []byte) (int, error) {
	n, err := b.blocks.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return n, err
}

func enabled(values url.Values, name string) bool {
	v := values.Get(name)
	return v == "1" || strings.EqualFold(v, "true")
}
