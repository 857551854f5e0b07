package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
)

// The layout of all files stands in doc.go.
const (
	formatVersion    = 1
	preambleSize     = 16
	headerSize       = 64
	recordHeaderSize = 48

	segmentMagic    = "nfstatsj"
	checkpointMagic = "nfstatsc"
)

// recordMark starts every record, so that reading can go on behind damage.
var recordMark = []byte{0xd1, 'N', 'F', '\n'}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrVersion is in the chain of errors about files of another format version.
var ErrVersion = errors.New("unknown format version")

// errDamaged is a header whose checksum is wrong.
var errDamaged = errors.New("the header is damaged")

// putPreamble writes what starts a file of any version: magic, version and
// their checksum.
func putPreamble(b []byte, magic string) {
	copy(b, magic)
	binary.LittleEndian.PutUint16(b[8:], formatVersion)
	binary.LittleEndian.PutUint16(b[10:], 0)
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[:12], castagnoli))
}

// checkPreamble returns errDamaged, or ErrVersion for an intact preamble of
// another version.
func checkPreamble(b []byte, magic string) error {
	if len(b) < preambleSize || string(b[:8]) != magic || crc32.Checksum(b[:12], castagnoli) != binary.LittleEndian.Uint32(b[12:]) {
		return errDamaged
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != formatVersion {
		return fmt.Errorf("%w %d, this nfstats knows version %d", ErrVersion, v, formatVersion)
	}
	return nil
}

// A header identifies a segment. It stands in the file and, against damage,
// once more in the file's name.
type header struct {
	id        uint64   // random
	base      Position // of the first record
	createdMs int64    // Unix milliseconds; not in the name
}

const segmentSuffix = ".nfj"

func (h *header) name() string {
	return fmt.Sprintf("%016x-%016x-%016x%s", h.base.Offset, h.base.Datagrams, h.id, segmentSuffix)
}

// parseName reads what name wrote.
func parseName(name string) (h header, ok bool) {
	if _, err := fmt.Sscanf(name, "%016x-%016x-%016x"+segmentSuffix, &h.base.Offset, &h.base.Datagrams, &h.id); err != nil {
		return h, false
	}
	return h, h.name() == name
}

func (h *header) put(b []byte) {
	clear(b[:headerSize])
	putPreamble(b, segmentMagic)
	binary.LittleEndian.PutUint64(b[16:], h.id)
	binary.LittleEndian.PutUint64(b[24:], h.base.Offset)
	binary.LittleEndian.PutUint64(b[32:], h.base.Datagrams)
	binary.LittleEndian.PutUint64(b[40:], uint64(h.createdMs))
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

func parseHeader(b []byte) (h header, err error) {
	if err := checkPreamble(b, segmentMagic); err != nil {
		return h, err
	}
	if len(b) < headerSize || crc32.Checksum(b[:60], castagnoli) != binary.LittleEndian.Uint32(b[60:]) {
		return h, errDamaged
	}
	return header{
		id:        binary.LittleEndian.Uint64(b[16:]),
		base:      Position{binary.LittleEndian.Uint64(b[24:]), binary.LittleEndian.Uint64(b[32:])},
		createdMs: int64(binary.LittleEndian.Uint64(b[40:])),
	}, nil
}

// fileOffset returns where in the file the record at a journal offset starts.
func (h *header) fileOffset(offset uint64) int64 { return headerSize + int64(offset-h.base.Offset) }

// seed starts the checksum of the record at a journal offset. Datagrams cannot
// hold valid records of their own, because exporters do not know the id, and a
// record that turns up in the wrong place is not valid there.
func (h *header) seed(offset uint64) uint32 {
	x := h.id ^ offset
	return uint32(x) ^ uint32(x>>32)
}

// appendRecord appends to dst, which must have room, the record of a datagram
// at a journal offset. index counts the segment's records, and blockOffset is
// the distance from the start of the record's block.
func (h *header) appendRecord(dst []byte, offset uint64, index, blockOffset uint32, d *Datagram) []byte {
	end := len(dst) + recordHeaderSize + len(d.Payload)
	r := dst[len(dst):end]
	copy(r, recordMark)
	binary.LittleEndian.PutUint16(r[8:], uint16(len(d.Payload)))
	binary.LittleEndian.PutUint16(r[10:], d.LocalPort)
	binary.LittleEndian.PutUint32(r[12:], index)
	binary.LittleEndian.PutUint32(r[16:], blockOffset)
	binary.LittleEndian.PutUint16(r[20:], d.Source.Port())
	binary.LittleEndian.PutUint16(r[22:], 0)
	binary.LittleEndian.PutUint64(r[24:], uint64(d.ReceivedMs))
	address := d.Source.Addr().As16()
	copy(r[32:], address[:])
	copy(r[recordHeaderSize:], d.Payload)
	binary.LittleEndian.PutUint32(r[4:], crc32.Update(h.seed(offset), castagnoli, r[8:]))
	return dst[:end]
}

// recordLength returns the length of the record at the start of b, which must
// be intact.
func recordLength(b []byte) int {
	return recordHeaderSize + int(binary.LittleEndian.Uint16(b[8:]))
}

// parseDatagram fills d from an intact record. The payload points into it.
func parseDatagram(record []byte, d *Datagram) {
	d.ReceivedMs = int64(binary.LittleEndian.Uint64(record[24:]))
	d.Source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(record[32:48])).Unmap(), binary.LittleEndian.Uint16(record[20:]))
	d.LocalPort = binary.LittleEndian.Uint16(record[10:])
	d.Payload = record[recordHeaderSize:len(record):len(record)]
}

// A record is an intact record that a scan has found.
type record struct {
	length     int
	number     uint64 // datagrams journaled before it
	blockStart uint64 // offset at which its block starts
}

type verdict uint8

const (
	bad   verdict = iota // no record starts here
	short                // more bytes are needed to tell
	intact
)

// parse looks for the record at a journal offset at the start of b.
func (h *header) parse(b []byte, offset uint64) (record, verdict) {
	if len(b) < recordHeaderSize {
		return record{}, short
	}
	if !bytes.Equal(b[:4], recordMark) {
		return record{}, bad
	}
	length := recordLength(b)
	if len(b) < length {
		return record{}, short
	}
	blockOffset := uint64(binary.LittleEndian.Uint32(b[16:]))
	if blockOffset > offset-h.base.Offset ||
		crc32.Update(h.seed(offset), castagnoli, b[8:length]) != binary.LittleEndian.Uint32(b[4:]) {
		return record{}, bad
	}
	return record{length, h.base.Datagrams + uint64(binary.LittleEndian.Uint32(b[12:])), offset - blockOffset}, intact
}
