package decoder

import (
	"math"
	"math/bits"
)

// Counters that no network can have carried come from broken memory, broken
// templates and forgers. One of them would be all that a chart shows, and sums of
// them would wrap, so such records are marked.
const (
	// MostOctets is what a record may tell at most, multiplied by its sampling rate,
	// and what all records may that come from one exporter in a minute: 1.2 Pbit/s.
	// A Float64 holds each whole number up to it, and a UInt64 the sum of 2,048 such
	// minutes, where no row of the rollups has flows of more than 135.
	MostOctets = 1 << 53

	// leastPacket is what a packet has at least: the octets of an IPv4 header (RFC 791 §3.1).
	leastPacket = 20

	// fastest and slowest are the speeds in bits/s that are taken where an interface
	// tells none, and where it tells less: speeds may be set by hand.
	fastest = 1_600_000_000_000
	slowest = 1_000_000_000

	// lifetimeSlackMs is added to the lifetime of a flow: the longest active timeout
	// that routers come with. Of a flow with one sampled packet, and of some exporters'
	// flows, no other time is known.
	lifetimeSlackMs = 30 * 60 * 1000
	// timesFaster is how much more than an interface can carry is plausible:
	// estimates from a few sampled packets vary.
	timesFaster = 4

	// alwaysPlausible is what the slowest interface may carry in no time, in octets.
	alwaysPlausible = timesFaster * slowest / 8 * lifetimeSlackMs / 1000

	// minutesKept bounds the minutes of exporters that are remembered.
	minutesKept = 1 << 16
)

// An Interface is one of an exporter.
type Interface struct {
	Exporter Addr
	IfIndex  uint32
}

// Speeds are the speeds of interfaces in bits/s.
type Speeds map[Interface]uint64

// Plausibility tells implausible records. The zero value knows no interfaces. It
// is for one goroutine.
type Plausibility struct {
	// Speeds returns the speeds of interfaces, as far as they are known; nil: none are.
	Speeds func() Speeds

	carried map[exporterMinute]uint64 // octets of plausible records, multiplied by the sampling rate
	now     exporterMinute            // that carried lacks
	sum     uint64                    // of it
}

type exporterMinute struct {
	exporter Addr
	minute   int64 // of reception, since 1970
}

// Mark marks the implausible ones of the rows from first on, whose counters,
// sampling rates and times of reception are complete, and returns how many it marked.
//
// A record is implausible if its octets, or those that its packets have at
// least, multiplied by the sampling rate are more than MostOctets, more than four
// times what the slower of its interfaces can carry in its lifetime and half an hour,
// or, with all that the exporter sent in the same minute, more than MostOctets.
func (p *Plausibility) Mark(b *Batch, first int) (marked int) {
	n := b.Len()
	octets, packets, rates := b.Bytes[first:n], b.Packets[first:n], b.SamplingRate[first:n]
	received, exporters := b.TimeReceived[first:n], b.ExporterAddr[first:n]
	for i := range octets {
		if at := (exporterMinute{exporters[i], received[i] / 60_000}); at != p.now {
			p.turn(at)
		}
		carried := carriedOf(octets[i], packets[i], rates[i])
		if carried > alwaysPlausible && carried > p.most(b, first+i) || carried > MostOctets-p.sum {
			b.MarkImplausible(first + i)
			marked++
			continue
		}
		p.sum += carried
	}
	return marked
}

// carriedOf returns the octets that a record stands for, MaxUint64 where they are more
// than MostOctets by far.
func carriedOf(octets, packets uint64, rate uint32) uint64 {
	if octets > MostOctets || packets > MostOctets {
		return math.MaxUint64
	}
	high, low := bits.Mul64(max(octets, packets*leastPacket), uint64(rate))
	if high != 0 {
		return math.MaxUint64
	}
	return low
}

// most returns the octets that a row may stand for by itself.
func (p *Plausibility) most(b *Batch, row int) uint64 {
	speed := uint64(0)
	if p.Speeds != nil {
		known := p.Speeds()
		for _, ifIndex := range [2]uint32{b.InIf[row], b.OutIf[row]} {
			told := known[Interface{b.ExporterAddr[row], ifIndex}]
			if told != 0 && (speed == 0 || told < speed) {
				speed = max(told, slowest)
			}
		}
	}
	if speed == 0 {
		speed = fastest
	}
	lifetimeMs := max(0, b.TimeFlowEnd[row]-b.TimeFlowStart[row]) + lifetimeSlackMs
	return uint64(min(MostOctets, timesFaster*float64(speed)/8*float64(lifetimeMs)/1000))
}

// turn goes on with another exporter or minute.
func (p *Plausibility) turn(at exporterMinute) {
	if len(p.carried) >= minutesKept {
		clear(p.carried)
	}
	if p.carried == nil {
		p.carried = map[exporterMinute]uint64{}
	} else {
		p.carried[p.now] = p.sum
	}
	p.now, p.sum = at, p.carried[at]
}
