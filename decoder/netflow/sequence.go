package netflow

// A stream is one run of sequence numbers: of one observation domain of an
// exporting process, which a UDP port stands for. v5 counts flows, v9 export
// packets (RFC 3954 §5.1), IPFIX data records (RFC 7011 §3.1), modulo 2³².
type stream struct {
	port     uint16
	exact    bool   // next is known for sure
	last     uint32 // sequence number of the last datagram
	next     uint32 // expected sequence number
	other    uint32 // the one that would follow the last unexpected one
	uptimeMs uint32
	lastMs   int64 // receive time
	gaps     [4]gap
}

// A gap is a range of sequence numbers that have not come yet.
type gap struct{ from, to uint32 }

// numbers returns what a state keeps of the stream beside its times.
func (s *stream) numbers() []*uint32 {
	all := []*uint32{&s.last, &s.next, &s.other, &s.uptimeMs}
	for i := range s.gaps {
		all = append(all, &s.gaps[i].from, &s.gaps[i].to)
	}
	return all
}

const (
	maxStreams  = 64      // of a domain; the least recently used makes room
	maxLate     = 8192    // records or flows that a late datagram may be behind
	maxLateV9   = 256     // the same in export packets
	maxGap      = 1 << 24 // a larger step is a restart
	maxGapV9    = 1 << 20
	restartedMs = 60_000 // sysUptime going back by more is a restart
)

// observe compares a sequence number with the expected one. count is by how
// much it grows with this datagram, exact whether that is known.
func (d *domain) observe(m *message, sequence, count uint32, exact bool) {
	s := d.stream(m)
	counters := &m.exporter.counters
	restarted := m.version != 10 && int32(m.uptimeMs-s.uptimeMs) < -restartedMs
	late, far := uint32(maxLate), uint32(maxGap)
	if m.version == 9 {
		late, far = maxLateV9, maxGapV9
	}
	ahead, behind := sequence-s.next, s.next-sequence
	switch {
	case !s.exact || ahead == 0 || sequence == s.last+count:
		// The first one, or as expected. softflowd numbers a message by the
		// records up to its end instead of those before it.
	case !restarted && ahead < far:
		counters.SequenceMissing += uint64(ahead)
		copy(s.gaps[1:], s.gaps[:])
		s.gaps[0] = gap{s.next, sequence}
	case !restarted && behind < late && sequence != s.other:
		counters.SequenceLate += uint64(s.fillGap(sequence, count))
		s.other, s.lastMs = sequence+count, m.receivedMs
		return // what is expected next stays the same
	default:
		counters.SequenceResets++
		s.gaps = [4]gap{}
	}
	s.last, s.next, s.other = sequence, sequence+count, sequence+count
	s.exact, s.lastMs, s.uptimeMs = exact, m.receivedMs, m.uptimeMs
}

// fillGap takes a late datagram's numbers out of the gap they were missing
// from, and returns how many they are.
func (s *stream) fillGap(sequence, count uint32) uint32 {
	for i := range s.gaps {
		g := &s.gaps[i]
		if sequence-g.from >= g.to-g.from {
			continue
		}
		filled := min(count, g.to-sequence)
		if sequence == g.from {
			g.from += filled
		} else {
			g.to = sequence // what lay behind in the gap is no longer looked for
		}
		return filled
	}
	return 0
}

// stream returns the stream of the datagram, made if it is new.
func (d *domain) stream(m *message) *stream {
	oldest := 0
	for i := range d.streams {
		if d.streams[i].port == m.source.Port() {
			return &d.streams[i]
		}
		if d.streams[i].lastMs < d.streams[oldest].lastMs {
			oldest = i
		}
	}
	if len(d.streams) < maxStreams {
		d.streams = append(d.streams, stream{port: m.source.Port()})
		return &d.streams[len(d.streams)-1]
	}
	d.streams[oldest] = stream{port: m.source.Port()}
	return &d.streams[oldest]
}
