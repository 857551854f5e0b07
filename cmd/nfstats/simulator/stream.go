package simulator

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"
)

// A stream is all traffic of one application from one network to another, in one
// direction and one IP version.
type stream struct {
	srcAS, dstAS uint32
	src, dst     endpoint
	app          *application
	toClient     bool // from the server to the client
	mix          packetMix
	hops         []hop
	packetRate   float64 // packets/s in the busiest hour
	rhythm       *[24]float64
	drift        float64 // logarithm of the slow deviation from the rhythm
	until        time.Time
	attack       bool

	conversations []*conversation // the busiest first
}

// A hop is a router that a stream crosses.
type hop struct {
	router  *Router
	in, out *port
}

// An endpoint is where the addresses of a stream's one side come from.
type endpoint struct {
	network netip.Prefix
	servers uint64 // how many addresses there are; 0: any of the network
}

// A conversation is a pair of sockets that sends for a while.
type conversation struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16
	until            time.Time
	entries          []*entry // in the flow caches: for each hop, at ingress and egress
}

const (
	// driftTime and driftSize describe the slow deviation of a stream from its
	// rhythm, an Ornstein-Uhlenbeck process.
	driftTime = 10 * time.Minute
	driftSize = 0.25

	conversationsPerStream = 5 // times the scale
	amplifiersPerStream    = 64
)

// move sends the packets of one step along the stream's hops.
func (s *stream) move(n *Network, span span) {
	r := n.random
	x := span.seconds() / driftTime.Seconds()
	s.drift += -s.drift*x + driftSize*math.Sqrt(2*x)*r.NormFloat64()
	mean := s.packetRate * span.seconds() * math.Exp(s.drift)
	if s.rhythm != nil {
		mean *= at(s.rhythm, span.start)
	}
	var packets [3]uint64
	for i, class := range s.mix {
		if class.share > 0 {
			packets[i] = poisson(r, mean*class.share)
		}
	}
	if packets == [3]uint64{} {
		return
	}
	for i := range s.hops {
		if !s.hops[i].router.forward(r, s, i, packets, span) {
			return
		}
	}
}

// at interpolates a rhythm.
func at(rhythm *[24]float64, t time.Time) float64 {
	t = t.UTC()
	hour, part := t.Hour(), float64(t.Minute()*60+t.Second())/3600
	return rhythm[hour]*(1-part) + rhythm[(hour+1)%24]*part
}

// pick returns the conversation that sends next: the k-th one with a
// probability of about 1/k, a new one where the old one is over.
func (s *stream) pick(r *rand.Rand, now time.Time) *conversation {
	last := len(s.conversations) - 1
	k := min(int(math.Pow(float64(last+2), r.Float64()))-1, last)
	c := s.conversations[k]
	if c == nil || now.After(c.until) {
		c = s.talk(r, now)
		s.conversations[k] = c
	}
	return c
}

func (s *stream) talk(r *rand.Rand, now time.Time) *conversation {
	lifetime := time.Duration(s.app.lifetime * (0.2 + r.ExpFloat64()) * float64(time.Second))
	c := &conversation{src: s.src.address(r), dst: s.dst.address(r), until: now.Add(lifetime), entries: make([]*entry, 2*len(s.hops))}
	client := uint16(32768 + r.IntN(28232))
	c.srcPort, c.dstPort = s.app.port, client
	if !s.toClient {
		c.srcPort, c.dstPort = client, s.app.port
	}
	return c
}

// address draws an address: some servers are more popular than others, clients
// are all alike.
func (e endpoint) address(r *rand.Rand) netip.Addr {
	host := r.Uint64()
	if e.servers > 0 {
		host = uint64(math.Pow(float64(e.servers), r.Float64())) * 0x9e3779b97f4a7c15 // spread over the network
	}
	a := e.network.Addr().AsSlice()
	bits := e.network.Bits()
	for i := range a {
		keep := min(max(bits-8*i, 0), 8)
		if len(a) == 16 && i >= 7 || len(a) == 4 { // of IPv6: 256 subnets at most
			a[i] |= byte(host>>(8*(i%8))) & (0xff >> keep)
		}
	}
	address, _ := netip.AddrFromSlice(a)
	return address
}
