package flowtools

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/archive"
)

// Header is what the header of a file tells. Counters are those that the
// collector kept; they have a meaning only if Closed, and are 0 where a file
// has none.
type Header struct {
	StreamVersion int  // 1 or 3
	BigEndian     bool // byte order of the file
	Compressed    bool // the records are a zlib stream (RFC 1950)
	Version       int  // of the records: 1, 5, 6, 7, 8 or 1005
	Aggregation   int  // method of version 8: 1 to 14

	Closed    bool // the collector has closed the file
	Streaming bool // it was written to a pipe, where closing leaves no trace

	Exporter     decoder.Addr // zero if not told, which is the rule
	CaptureStart uint32       // Unix seconds, the collector's clock; 0 if not told
	CaptureEnd   uint32       // likewise
	Hostname     string       // of the collector, any octets
	Comments     string       // any octets

	Flows      uint32 // records written
	Lost       uint32 // flows missing by sequence numbers; of stream version 1, datagrams
	Misordered uint32 // likewise
	Corrupt    uint32 // datagrams
	Resets     uint32 // of sequence numbers

	hasEnd bool // CaptureEnd is in the header
}

const (
	magic0, magic1  = 0xcf, 0x10
	startLength     = 8       // magic, byte order, stream version, data offset
	header1Length   = 360     // of stream version 1, always
	maxHeaderLength = 1 << 20 // writers stay below 16 KiB

	flagDone      = 0x01
	flagCompress  = 0x02
	flagStreaming = 0x08

	littleEndian, bigEndian = 1, 2 // values of the byte order field
)

// A header field of stream version 3 is type (16 bits), length (16 bits) and
// value.
const (
	fieldVersion       = 2
	fieldAggregation   = 3 // version of the aggregation, 2
	fieldMethod        = 4
	fieldExporter      = 5
	fieldCaptureStart  = 6
	fieldCaptureEnd    = 7
	fieldFlags         = 8
	fieldFlows         = 10
	fieldLost          = 11
	fieldMisordered    = 12
	fieldCorrupt       = 13
	fieldResets        = 14
	fieldHostname      = 15
	fieldComments      = 16
	aggregationVersion = 2
)

// readHeader reads the header and finds the layout of the records that follow.
func (r *Reader) readHeader() error {
	var start [startLength]byte
	n, err := io.ReadFull(r.body.in, start[:4])
	switch {
	case n == 0 && err == io.EOF:
		return r.damage(archive.Empty, nil)
	case err == io.ErrUnexpectedEOF:
		return r.headerDamage(start[:n])
	case err != nil:
		return r.body.failure(err)
	case start[0] != magic0 || start[1] != magic1:
		return &archive.DamageError{Name: r.name, Reason: archive.Foreign, Err: errors.New("not flow-tools: " + archive.Sniff(start[:]))}
	}
	h := &r.header
	h.StreamVersion, h.BigEndian = int(start[3]), start[2] == bigEndian
	if start[2] != littleEndian && start[2] != bigEndian {
		r.warn("the header tells no byte order (%d), taken as little-endian", start[2])
	}
	var order binary.ByteOrder = binary.LittleEndian
	if h.BigEndian {
		order = binary.BigEndian
	}
	aggregation := 0
	switch h.StreamVersion {
	case 1:
		err = r.readHeader1(order)
	case 3:
		aggregation, err = r.readHeader3(order)
	default:
		return r.damage(archive.Unsupported, fmt.Errorf("stream version %d, known are 1 and 3", h.StreamVersion))
	}
	if err != nil {
		return err
	}
	return r.findLayout(aggregation)
}

// headerDamage tells of a file that ends in its first four octets.
func (r *Reader) headerDamage(head []byte) error {
	if head[0] != magic0 || len(head) > 1 && head[1] != magic1 {
		return &archive.DamageError{Name: r.name, Reason: archive.Foreign, Err: errors.New("not flow-tools: " + archive.Sniff(head))}
	}
	return r.damage(archive.Truncated, errors.New("in the header"))
}

// findLayout sets the layout of the header's record version.
func (r *Reader) findLayout(aggregation int) error {
	h := &r.header
	if h.Version == 8 && aggregation != aggregationVersion {
		return r.damage(archive.Unsupported, fmt.Errorf("version %d of aggregated records, known is %d", aggregation, aggregationVersion))
	}
	if r.layout = layoutOf(h); r.layout == nil {
		if h.Version == 8 {
			return r.damage(archive.Unsupported, fmt.Errorf("aggregation method %d, known are 1 to 14", h.Aggregation))
		}
		return r.damage(archive.Unsupported, fmt.Errorf("records of version %d, known are 1, 5, 6, 7, 8 and 1005", h.Version))
	}
	return nil
}

// readHeader1 reads the rest of a header of stream version 1.
func (r *Reader) readHeader1(order binary.ByteOrder) error {
	rest := make([]byte, header1Length)
	if err := r.readHeaderPart(rest[4:]); err != nil {
		return err
	}
	h := &r.header
	h.Version = int(order.Uint16(rest[4:]))
	if h.Version == 0xffff {
		h.Version = 1
	}
	h.CaptureStart, h.CaptureEnd, h.hasEnd = order.Uint32(rest[8:]), order.Uint32(rest[12:]), true
	h.setFlags(order.Uint32(rest[16:]))
	h.Flows, h.Lost, h.Misordered = order.Uint32(rest[24:]), order.Uint32(rest[28:]), order.Uint32(rest[32:])
	h.Hostname, h.Comments = text(rest[36:104]), text(rest[104:360])
	return nil
}

// readHeader3 reads the rest of a header of stream version 3 and returns the
// version of aggregation.
func (r *Reader) readHeader3(order binary.ByteOrder) (aggregation int, err error) {
	var start [4]byte
	if err := r.readHeaderPart(start[:]); err != nil {
		return 0, err
	}
	length := order.Uint32(start[:])
	if length < startLength || length > maxHeaderLength {
		return 0, r.damage(archive.Corrupt, fmt.Errorf("header of %d octets", length))
	}
	fields := make([]byte, length-startLength)
	if err := r.readHeaderPart(fields); err != nil {
		return 0, err
	}
	for len(fields) >= 4 {
		kind, size := order.Uint16(fields), int(order.Uint16(fields[2:]))
		if fields = fields[4:]; size > len(fields) {
			break
		}
		if kind == fieldAggregation && size >= 1 {
			aggregation = int(fields[0])
		}
		r.header.setField(kind, fields[:size], order)
		fields = fields[size:]
	}
	if r.header.Version == 0 {
		return 0, r.damage(archive.Corrupt, errors.New("the header does not tell the version of the records"))
	}
	return aggregation, nil
}

func (r *Reader) readHeaderPart(p []byte) error {
	switch _, err := io.ReadFull(r.body.in, p); err {
	case nil:
		return nil
	case io.EOF, io.ErrUnexpectedEOF:
		return r.damage(archive.Truncated, errors.New("in the header"))
	default:
		return r.body.failure(err)
	}
}

// setField takes a header field. One that is too short counts as absent, of
// repeated ones the last counts.
func (h *Header) setField(kind uint16, value []byte, order binary.ByteOrder) {
	switch kind {
	case fieldMethod:
		if len(value) >= 1 {
			h.Aggregation = int(value[0])
		}
	case fieldVersion:
		if len(value) >= 2 {
			h.Version = int(order.Uint16(value))
		}
	case fieldHostname:
		h.Hostname = text(value)
	case fieldComments:
		h.Comments = text(value)
	default:
		if len(value) >= 4 {
			h.setNumber(kind, order.Uint32(value))
		}
	}
}

func (h *Header) setNumber(kind uint16, v uint32) {
	switch kind {
	case fieldExporter:
		if v != 0 {
			var a [4]byte
			binary.BigEndian.PutUint32(a[:], v)
			h.Exporter = netip.AddrFrom4(a).As16()
		}
	case fieldCaptureStart:
		h.CaptureStart = v
	case fieldCaptureEnd:
		h.CaptureEnd, h.hasEnd = v, true
	case fieldFlags:
		h.setFlags(v)
	case fieldFlows:
		h.Flows = v
	case fieldLost:
		h.Lost = v
	case fieldMisordered:
		h.Misordered = v
	case fieldCorrupt:
		h.Corrupt = v
	case fieldResets:
		h.Resets = v
	}
}

func (h *Header) setFlags(v uint32) {
	h.Closed, h.Compressed, h.Streaming = v&flagDone != 0, v&flagCompress != 0, v&flagStreaming != 0
}

// unfinished reports whether the collector has begun the file and not closed
// it. Tools that write no capture times do not mark the end either.
func (h *Header) unfinished() bool {
	return !h.Closed && !h.Streaming && h.CaptureStart != 0 && h.hasEnd && h.CaptureEnd == 0
}

// text returns the octets before the first NUL.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
