package netflow

import (
	"encoding/binary"
	"slices"

	"github.com/nfstats/nfstats/decoder"
)

// execution is the memory that executing plans needs beside the batch. It is
// reused from one data set to the next.
type execution struct {
	batch *decoder.Batch
	body  []byte
	first int // row of the first record

	at      [][]uint32 // by slot: positions of each record's segment or value
	lengths [][]uint16 // by slot: lengths of variable-length values

	octets [8]byte   // of set
	zero   [1]uint32 // the position in octets

	sampler  []uint64 // scratch columns, one value for each record
	boot     []uint64
	hasBoot  bool
	duration []uint64
}

// locate finds the records of a data set body, at most limit of them, and the
// positions of their segments. It returns how many there are, whether the limit
// left some out, and whether what follows the last one is damaged.
func (x *execution) locate(p *plan, body []byte, limit int) (records int, more, bad bool) {
	records = len(body) / p.minLength // at most: the least length is at least 1
	if records > limit {
		records, more = limit, true
	}
	for len(x.at) < p.slots {
		x.at, x.lengths = append(x.at, nil), append(x.lengths, nil)
	}
	for slot := range p.slots {
		x.at[slot] = slices.Grow(x.at[slot][:0], records)[:records]
		x.lengths[slot] = slices.Grow(x.lengths[slot][:0], records)[:records]
	}
	x.body = body
	if p.walk == nil {
		position := uint32(0)
		for i := range x.at[0] {
			x.at[0][i] = position
			position += uint32(p.minLength)
		}
		return records, more, false
	}
	rest, position := len(body), 0
	for i := range records {
		if rest < p.minLength {
			return i, false, !allZero(body[position:])
		}
		next, ok := x.walk(p, i, position)
		if !ok {
			return i, false, !allZero(body[position:])
		}
		position, rest = next, len(body)-next
	}
	return records, more && rest >= p.minLength, false
}

// walk finds the segments of record i, which starts at position, and returns
// where the next one starts.
func (x *execution) walk(p *plan, i, position int) (next int, ok bool) {
	body := x.body
	if p.first >= 0 {
		x.at[p.first][i] = uint32(position)
	}
	for s := range p.walk {
		step := &p.walk[s]
		position += step.before
		if position >= len(body) {
			return 0, false
		}
		length := int(body[position])
		position++
		if length == 255 { // RFC 7011 §7: then the length is in the next two octets
			if position+2 > len(body) {
				return 0, false
			}
			length = int(body[position])<<8 | int(body[position+1])
			position += 2
		}
		if step.value >= 0 {
			x.at[step.value][i] = uint32(position)
			x.lengths[step.value][i] = uint16(length)
		}
		position += length
		if step.segment >= 0 {
			x.at[step.segment][i] = uint32(position)
		}
	}
	position += p.tail
	return position, position <= len(body)
}

func allZero(octets []byte) bool {
	for _, octet := range octets {
		if octet != 0 {
			return false
		}
	}
	return true
}

// run executes one op for the n records found, into the rows from row on.
func (x *execution) run(m *message, o *op, row, n int) {
	if o.length != variableLength {
		x.convert(m, o, row, x.at[o.slot][:n], int(o.offset), int(o.length))
		return
	}
	for i := range n {
		length, offset := int(x.lengths[o.slot][i]), 0
		if o.octet != 0 {
			if length < int(o.octet) {
				continue
			}
			length, offset = 1, length-int(o.octet)
		}
		if length == 0 || o.as == asAddr4 && length != 4 || (o.as == asAddr6 || o.as == asAddr6NonZero || o.as == asAddr6Of6) && length != 16 {
			continue
		}
		x.convert(m, o, row+i, x.at[o.slot][i:i+1], offset, length)
	}
}

// convert executes one op for records whose field has one length.
func (x *execution) convert(m *message, o *op, row int, at []uint32, offset, length int) {
	switch o.as {
	case asNumber:
		x.numbers(o.dest, row, at, offset, length)
	case asAddr4:
		scatterAddr4(x.addresses(o.dest)[row:], x.body, at, offset)
	case asAddr6:
		scatterAddr6(x.addresses(o.dest)[row:], x.body, at, offset)
	case asUptime, asSeconds, asNTP, asDeltaMicros:
		x.times(m, o, row, at, offset, length)
	default:
		for i := range at {
			x.seldom(o, row+i, x.body[int(at[i])+offset:][:length])
		}
	}
}

// seldom executes the conversions that few templates need.
func (x *execution) seldom(o *op, row int, octets []byte) {
	is6 := x.batch.EType[row] == ethernetTypeIPv6
	switch o.as {
	case asNumberLittle:
		x.set(o.dest, row, numberLittle(octets))
	case asMicros:
		x.set(o.dest, row, 1000*number(octets))
	case asNumberOf6:
		if is6 {
			x.set(o.dest, row, number(octets))
		}
	case asAddr6Of6:
		if is6 {
			x.addresses(o.dest)[row] = decoder.Addr(octets)
		}
	case asAddr6NonZero:
		if column := x.addresses(o.dest); !allZero(octets) || is6 && allZero(column[row][12:]) {
			column[row] = decoder.Addr(octets)
		}
	case asEtype:
		x.batch.EType[row] = etypeOf(octets[0])
	}
}

// set writes one number.
func (x *execution) set(d dest, row int, v uint64) {
	body := x.body
	binary.BigEndian.PutUint64(x.octets[:], v)
	x.body = x.octets[:]
	x.numbers(d, row, x.zero[:], 0, len(x.octets))
	x.body = body
}

// etypeOf returns the Ethernet type of an IP version, 0 where there is none.
func etypeOf(version byte) uint16 {
	switch version {
	case 4:
		return ethernetTypeIPv4
	case 6:
		return ethernetTypeIPv6
	}
	return 0
}
