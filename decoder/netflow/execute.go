package netflow

import (
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
	one     [1]op      // for runVariable

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
			return i, false, false // padding
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

// run executes ops for the n located records, into the rows from row on.
func (x *execution) run(m *message, ops []op, row, n int) {
	for i := range ops {
		o := &ops[i]
		if o.length == variableLength {
			x.runVariable(m, o, row, n)
			continue
		}
		p, at, length := x.body[o.offset:], x.at[o.slot][:n], int(o.length)
		switch o.as {
		case as8:
			scatter(x.columns8(o.dest)[row:], p, at, length)
		case as16:
			scatter(x.columns16(o.dest)[row:], p, at, length)
		case as32:
			scatter(x.columns32(o.dest)[row:], p, at, length)
		case as64:
			scatter(x.columns64(o.dest)[row:], p, at, length)
		case asTime:
			scatter(x.timeColumn(o.dest)[row:], p, at, length)
		case asScratch:
			scatter(x.scratchColumn(o.dest)[row-x.first:], p, at, length)
		case asAddr4:
			scatterAddr4(x.addresses(o.dest)[row:], p, at)
		case asAddr6:
			scatterAddr6(x.addresses(o.dest)[row:], p, at)
		case asUptime, asSeconds, asNTP, asDeltaMicros:
			x.times(m, o, row, p, at, length)
		default:
			for i := range at {
				x.seldom(o, row+i, p[at[i]:][:length])
			}
		}
	}
}

// runVariable executes an op for a field of variable length, record by record
// as a field of fixed length. Where it is empty or cannot be a value of its
// kind, the row keeps what it has.
func (x *execution) runVariable(m *message, o *op, row, n int) {
	lengths, positions := x.lengths[o.slot], x.at[o.slot]
	for i := range n {
		length, offset := int(lengths[i]), 0
		if o.octet != 0 {
			if length < int(o.octet) {
				continue
			}
			length, offset = 1, length-int(o.octet)
		}
		if length == 0 || length == variableLength || !o.as.fits(length) {
			continue
		}
		x.at[o.slot] = positions[i : i+1]
		x.one[0] = op{dest: o.dest, as: o.as, slot: o.slot, offset: uint16(offset), length: uint16(length)}
		x.run(m, x.one[:], row+i, 1)
	}
	x.at[o.slot] = positions
}

// seldom executes the conversions that few templates need.
func (x *execution) seldom(o *op, row int, octets []byte) {
	is6 := x.batch.EType[row] == ethernetTypeIPv6
	switch o.as {
	case asLittle32:
		x.columns32(o.dest)[row] = uint32(numberLittle(octets))
	case asMicros:
		x.scratchColumn(o.dest)[row-x.first] = 1000 * number(octets)
	case as8Of6:
		if is6 {
			x.columns8(o.dest)[row] = uint8(number(octets))
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
