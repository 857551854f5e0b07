package simulator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Config says which network to simulate.
type Config struct {
	Seed  uint64
	Start time.Time     // simulated time begins here
	Step  time.Duration // resolution of simulated time, at most; one second when zero

	Scale       float64       // multiplies all traffic; one when zero
	AttackEvery time.Duration // mean time between two attacks; zero: none

	ActiveTimeout   time.Duration // of the flow caches; one minute when zero
	InactiveTimeout time.Duration // 15 s when zero

	FirstAddress netip.Addr        // of the first router, the others follow; 127.0.2.1 when zero
	Faults       map[string]Faults // by the name of the router

	// Send takes a datagram that a router exports. Nil: they are thrown away.
	Send func(r *Router, at time.Time, datagram []byte)
	// Attacked, where set, is told each attack as it begins.
	Attacked func(Attack)
	// Truth, where set, is told all traffic as it enters a router.
	Truth func(Traffic)
}

// Traffic is what one stream truly moved through one router in one step.
type Traffic struct {
	Start, End    time.Time
	Router        string
	In, Out       string // names of interfaces
	InIf, OutIf   uint32 // their ifIndexes at the time
	SrcAS, DstAS  uint32
	Proto         uint8
	Packets       uint64
	Octets        uint64 // of layer 3
	SamplingRate  uint32 // true one, of the interface where it entered
	OverheadIn    uint64 // octets of layer 2 a packet, as the counters of In have them
	OverheadOut   uint64
	AttackTraffic bool
}

// An Attack is the answers of many systems to questions that a customer's address
// never asked.
type Attack struct {
	Start, End time.Time
	Target     netip.Addr
	Port       uint16  // of the service that answers, UDP
	Megabits   float64 // Mbit/s of layer 3
}

// Network is a simulated provider. Advance has one caller; Snapshot of its
// routers may be called at any time.
type Network struct {
	config Config
	random *rand.Rand

	mu         sync.Mutex // guards all below, and the routers
	now        time.Time
	routers    []*Router
	streams    []*stream
	nextAttack time.Time
}

// New builds the network. It fails when the configuration names what is not
// there.
func New(c Config) (*Network, error) {
	if c.Start.IsZero() {
		return nil, errors.New("simulate a network: no start time")
	}
	if c.Step == 0 {
		c.Step = time.Second
	}
	if c.Scale == 0 {
		c.Scale = 1
	}
	if c.ActiveTimeout == 0 {
		c.ActiveTimeout = time.Minute
	}
	if c.InactiveTimeout == 0 {
		c.InactiveTimeout = 15 * time.Second
	}
	if !c.FirstAddress.IsValid() {
		c.FirstAddress = netip.AddrFrom4([4]byte{127, 0, 2, 1})
	}
	n := &Network{config: c, random: rand.New(rand.NewPCG(c.Seed, 0x6e667374617473)), now: c.Start}
	address := c.FirstAddress
	for i := range routers {
		n.routers = append(n.routers, newRouter(&n.config, &routers[i], address, n.random, &n.mu))
		address = address.Next()
	}
	for name, f := range c.Faults {
		r := n.Router(name)
		if r == nil {
			return nil, fmt.Errorf("simulate faults: no router %s", name)
		}
		if f.SilentInput != "" && r.port(f.SilentInput) == nil {
			return nil, fmt.Errorf("simulate faults: %s has no interface %s", name, f.SilentInput)
		}
		r.faults = f
	}
	for i := range customers {
		n.connect(&customers[i])
		n.connectTail(&customers[i], i)
	}
	n.planAttack()
	return n, nil
}

// Routers returns the routers; the slice is not to be changed.
func (n *Network) Routers() []*Router { return n.routers }

// Router returns the router of that name, or nil.
func (n *Network) Router(name string) *Router {
	for _, r := range n.routers {
		if r.spec.name == name {
			return r
		}
	}
	return nil
}

// Now returns the simulated time.
func (n *Network) Now() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now
}

// Advance lets simulated time pass until to. Datagrams are handed to
// Config.Send as the routers export them, from within.
func (n *Network) Advance(to time.Time) {
	for {
		n.mu.Lock()
		step := min(to.Sub(n.now), n.config.Step)
		if step <= 0 {
			n.mu.Unlock()
			return
		}
		n.step(step)
		n.mu.Unlock()
	}
}

func (n *Network) step(length time.Duration) {
	span := span{start: n.now, end: n.now.Add(length)}
	for _, r := range n.routers {
		r.begin(span)
	}
	n.attack()
	for _, s := range n.streams {
		s.move(n, span)
	}
	n.now = span.end
	for _, r := range n.routers {
		r.finish(span)
	}
}

// A span is a step of simulated time.
type span struct{ start, end time.Time }

func (s span) seconds() float64 { return s.end.Sub(s.start).Seconds() }

// Announce lets all routers send their templates and options with the next
// datagrams, for a collector that has not heard them.
func (n *Network) Announce() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.routers {
		r.exporter.announced = time.Time{}
	}
}

// Drain lets all routers export what is in their flow caches.
func (n *Network) Drain() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.routers {
		if r.up {
			r.export(r.expire(n.now.Add(n.config.ActiveTimeout)), n.now)
		}
	}
}
