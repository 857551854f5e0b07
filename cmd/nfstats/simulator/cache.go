package simulator

import (
	"math/rand/v2"
	"time"

	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// An entry of a flow cache counts the sampled packets of a conversation at one
// hop.
type entry struct {
	stream          *stream
	conversation    *conversation
	slot            int // of conversation.entries
	in, out         *port
	egress          bool
	packets, octets uint64
	first, last     time.Time // packet
}

// sample lets each packet into the flow cache with a probability of one in the
// sampling rate.
func (r *Router) sample(random *rand.Rand, s *stream, i int, egress bool, packets [3]uint64, span span) {
	h := &s.hops[i]
	rate := h.in.spec.rate
	if egress {
		rate = h.out.spec.rate
	}
	for class, n := range packets {
		sampled := binomial(random, n, 1/float64(rate))
		for sampled > 0 {
			burst := min(sampled, 1+sampled/8) // of one conversation: unsampled traffic is not worth a draw a packet
			sampled -= burst
			r.count(random, s, i, egress, burst, burst*s.mix[class].octets, span)
		}
	}
}

func (r *Router) count(random *rand.Rand, s *stream, i int, egress bool, packets, octets uint64, span span) {
	c := s.pick(random, span.start)
	slot := 2 * i
	if egress {
		slot++
	}
	e := c.entries[slot]
	at := span.start.Add(time.Duration(random.Int64N(int64(span.end.Sub(span.start)))))
	if e == nil {
		e = &entry{stream: s, conversation: c, slot: slot, in: s.hops[i].in, out: s.hops[i].out, egress: egress, first: at, last: at}
		c.entries[slot] = e
		r.cache = append(r.cache, e)
	}
	e.packets += packets
	e.octets += octets
	if at.Before(e.first) {
		e.first = at
	}
	if at.After(e.last) {
		e.last = at
	}
}

// expire takes the flows out of the cache that have lasted for the active
// timeout or been silent for the inactive one.
func (r *Router) expire(now time.Time) []generate.Flow {
	var flows []generate.Flow
	kept := r.cache[:0]
	for _, e := range r.cache {
		if now.Sub(e.first) < r.config.ActiveTimeout && now.Sub(e.last) < r.config.InactiveTimeout {
			kept = append(kept, e)
			continue
		}
		e.conversation.entries[e.slot] = nil
		flows = append(flows, r.flow(e))
	}
	clear(r.cache[len(kept):])
	r.cache = kept
	return flows
}

func (r *Router) flow(e *entry) generate.Flow {
	f := generate.Flow{Src: e.conversation.src, Dst: e.conversation.dst, SrcPort: e.conversation.srcPort, DstPort: e.conversation.dstPort,
		Proto: e.stream.app.proto, Bytes: e.octets, Packets: e.packets, Start: e.first, End: e.last,
		InIf: e.in.index, OutIf: e.out.index, SrcAS: e.stream.srcAS, DstAS: e.stream.dstAS,
		SrcNet: uint8(e.stream.src.network.Bits()), DstNet: uint8(e.stream.dst.network.Bits()), Sampler: sampler(e.in)}
	if f.Proto == 6 {
		f.TCPFlags = 0x18 // PSH, ACK
	}
	if e.egress {
		f.Direction, f.Sampler = 1, sampler(e.out)
	}
	return f
}
