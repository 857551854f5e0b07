package journal

import (
	"io"
)

// A Block is a run of journaled datagrams that are inserted together. It may be
// read by several goroutines at once.
type Block struct {
	Range
	// Recovered is set for blocks journaled before this process opened the
	// journal. They may have been delivered, and inserted, before.
	Recovered bool

	records   []byte // intact records, back to back
	datagrams int
	owner     *Journal // takes the memory back; may be nil
}

// Len returns the number of datagrams.
func (b *Block) Len() int { return b.datagrams }

// Size returns the number of bytes that the records take.
func (b *Block) Size() int { return len(b.records) }

// Cursor returns a cursor before the first datagram.
func (b *Block) Cursor() Cursor { return Cursor{b.records} }

// Release gives the block's memory back for reuse. Nobody may read the block or
// the payloads any more; its Range stays good.
func (b *Block) Release() {
	if b.owner != nil {
		b.owner.recycle(b)
	}
}

// A Cursor goes over the datagrams of a block in the order of reception.
type Cursor struct {
	rest []byte
}

// Next fills d with the next datagram and reports whether there was one. The
// payload is valid until the block is released.
func (c *Cursor) Next(d *Datagram) bool {
	if len(c.rest) == 0 {
		return false
	}
	length := recordLength(c.rest)
	parseDatagram(c.rest[:length], d)
	c.rest = c.rest[length:]
	return true
}

// read fills b with the block at a position: the intact records from there that
// start in the same block, up to an offset. b.To is where the next intact
// record starts, or the limit. Without any record, b.Len is 0.
//
// It returns what cannot be read before b.To. An error is one of the source.
func (b *Block) read(source io.ReaderAt, h *header, from Position, limit uint64) (damage Loss, err error) {
	s := scan{header: h, source: source, limit: limit, buf: b.records[:0], offset: from.Offset}
	b.Range, b.datagrams = Range{h.id, from, from}, 0
	next := from.Datagrams // the number expected
	for {
		r, ok, err := s.next()
		if err != nil {
			b.records = s.buf[:0]
			return Loss{}, err
		}
		if ok && r.number > next {
			damage.Datagrams += r.number - next
			next = r.number
		}
		if !ok || b.datagrams > 0 && r.blockStart != b.From.Offset {
			break
		}
		if b.datagrams == 0 {
			b.From = Position{r.blockStart, r.number}
		}
		s.keep(r.length)
		b.datagrams++
		next = max(next, r.number+1)
	}
	b.To = Position{s.offset, next}
	b.records = s.buf[:s.kept]
	damage.Bytes = s.damaged
	return damage, nil
}
