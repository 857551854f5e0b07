package archive

import "math"

// Totals count what a reader has returned.
type Totals struct {
	Records uint64 // rows
	Flows   uint64 // that the records stand for: an aggregated one for several
	Packets uint64 // as in the rows
	Bytes   uint64 // octets, as in the rows

	// Counters that are stored beside those of the rows: of the opposite
	// direction, or of the same packets on their way out. nfdump only.
	OutPackets, OutBytes uint64

	Scaled  uint64 // records whose counters the writer had multiplied by the sampling rate
	Dropped uint64 // malformed records, which gave no row

	// The earliest start and the latest end of a flow, Unix milliseconds;
	// math.MaxInt64 and math.MinInt64 while there are no records.
	FirstMs, LastMs int64
}

// NewTotals returns the totals of no records.
func NewTotals() Totals {
	return Totals{FirstMs: math.MaxInt64, LastMs: math.MinInt64}
}

// AddRows adds rows whose counters and times are in these columns of equal
// length. Flows are not counted: only the reader knows them.
func (t *Totals) AddRows(packets, bytes []uint64, start, end []int64) {
	t.Records += uint64(len(packets))
	first, last := t.FirstMs, t.LastMs
	bytes, start, end = bytes[:len(packets)], start[:len(packets)], end[:len(packets)]
	for i := range packets {
		t.Packets += packets[i]
		t.Bytes += bytes[i]
		first, last = min(first, start[i]), max(last, end[i])
	}
	t.FirstMs, t.LastMs = first, last
}
