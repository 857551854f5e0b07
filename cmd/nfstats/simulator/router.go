package simulator

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Router is a simulated router: its interfaces, flow cache and exporter.
type Router struct {
	config  *Config
	spec    *routerSpec
	address netip.Addr
	random  *rand.Rand
	mu      *sync.Mutex // the network's
	faults  Faults

	boot      time.Time // sysUpTime counts from here
	now       time.Time
	up        bool
	ports     []*port
	published []counters // as the agent tells them, in the order of ports
	refreshed time.Time
	cache     []*entry
	exporter  exporter
}

// A port is an interface at work.
type port struct {
	spec          *interfaceSpec
	index         uint32 // ifIndex
	counters      counters
	discontinuity time.Duration // sysUpTime at which the counters began anew
}

// counters are an interface's, 64 bits wide.
type counters struct {
	inOctets, outOctets   uint64 // with layer 2
	inPackets, outPackets uint64
	outDiscards           uint64
}

// discarded is the share of packets that a congested queue drops. They are few
// enough to be counted without being taken away.
const discarded = 2e-6

func newRouter(c *Config, spec *routerSpec, address netip.Addr, random *rand.Rand, mu *sync.Mutex) *Router {
	uptime := time.Duration(20+random.IntN(200))*24*time.Hour + time.Duration(random.IntN(86_400))*time.Second
	r := &Router{config: c, spec: spec, address: address, random: random, mu: mu, boot: c.Start.Add(-uptime), now: c.Start, up: true}
	for i := range spec.interfaces {
		p := &port{spec: &spec.interfaces[i], index: spec.firstIndex + uint32(i)}
		if p.spec.role != unused { // what it moved since it booted
			p.counters.inPackets = random.Uint64N(1 << 40)
			p.counters.outPackets = random.Uint64N(1 << 40)
			p.counters.inOctets, p.counters.outOctets = 800*p.counters.inPackets, 800*p.counters.outPackets
		}
		r.ports = append(r.ports, p)
	}
	r.publish()
	return r
}

// Name returns the router's sysName.
func (r *Router) Name() string { return r.spec.name }

// Description returns the router's sysDescr.
func (r *Router) Description() string { return r.spec.description }

// Address returns where the router's flows come from and its agent listens.
func (r *Router) Address() netip.Addr { return r.address }

func (r *Router) port(name string) *port {
	for _, p := range r.ports {
		if p.spec.name == name {
			return p
		}
	}
	return nil
}

// due reports whether what a fault does that long after the start falls into
// the span.
func (r *Router) due(after time.Duration, s span) bool {
	at := r.config.Start.Add(after)
	return after > 0 && !at.Before(s.start) && at.Before(s.end)
}

// begin lets happen what happens at the start of a step.
func (r *Router) begin(s span) {
	if r.due(r.faults.RebootAfter, s) {
		r.up, r.cache, r.exporter = false, nil, exporter{}
		for _, p := range r.ports {
			p.counters, p.discontinuity = counters{}, 0
		}
	}
	if !r.up && s.start.Sub(r.config.Start) >= r.faults.RebootAfter+RebootTime {
		r.up, r.boot = true, s.start
		if r.faults.Renumber {
			r.renumber()
		}
	}
	if r.due(r.faults.ResetAfter, s) {
		for _, p := range r.ports {
			p.counters, p.discontinuity = counters{}, s.start.Sub(r.boot)
		}
	}
}

// renumber gives each ifIndex to another interface.
func (r *Router) renumber() {
	first := r.ports[0].index
	for i, p := range r.ports[:len(r.ports)-1] {
		p.index = r.ports[i+1].index
	}
	r.ports[len(r.ports)-1].index = first
}

// forward moves the packets of a stream's step through the router, at hop number
// i. It reports false when they got no further.
func (r *Router) forward(random *rand.Rand, s *stream, i int, packets [3]uint64, span span) bool {
	if !r.up {
		return false
	}
	h := &s.hops[i]
	var total, octets uint64
	for class, n := range packets {
		total += n
		octets += n * s.mix[class].octets
	}
	h.in.counters.inPackets += total
	h.in.counters.inOctets += octets + total*h.in.spec.overhead
	h.out.counters.outPackets += total
	h.out.counters.outOctets += octets + total*h.out.spec.overhead
	h.out.counters.outDiscards += binomial(random, total, discarded)
	if r.config.Truth != nil {
		r.config.Truth(Traffic{Start: span.start, End: span.end, Router: r.spec.name, In: h.in.spec.name, Out: h.out.spec.name,
			InIf: h.in.index, OutIf: h.out.index, SrcAS: s.srcAS, DstAS: s.dstAS, Proto: s.app.proto, Packets: total, Octets: octets,
			SamplingRate: h.in.spec.rate, OverheadIn: h.in.spec.overhead, OverheadOut: h.out.spec.overhead, AttackTraffic: s.attack})
	}
	if h.in.spec.name != r.faults.SilentInput {
		r.sample(random, s, i, false, packets, span)
	}
	if r.faults.BothWays {
		r.sample(random, s, i, true, packets, span)
	}
	return true
}

// finish lets flows expire and be exported, and the agent see the counters.
func (r *Router) finish(s span) {
	r.now = s.end
	if !r.up {
		return
	}
	r.export(r.expire(s.end), s.end)
	if s.end.Sub(r.refreshed) >= r.faults.RefreshDelay {
		r.publish()
	}
}

func (r *Router) publish() {
	r.refreshed = r.now
	r.published = slices.Grow(r.published[:0], len(r.ports))
	for _, p := range r.ports {
		r.published = append(r.published, p.counters)
	}
}
