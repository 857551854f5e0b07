package simulator

import (
	"math"
	"net/netip"
	"slices"
	"time"
)

// connect makes the streams between a customer and the Internet.
func (n *Network) connect(c *customerSpec) {
	weights, sum := make([]float64, len(systems)), 0.0
	for i := range systems {
		weights[i] = 1 / math.Pow(float64(i+1), 0.9) // Zipf
		if systems[i].eyeballs != c.hosting {
			weights[i] *= 0.15 // people read content, and do not read each other
		}
		sum += weights[i]
	}
	for i := range systems {
		s, weight := &systems[i], weights[i]/sum
		v6 := s.v6Share
		if !c.v6.IsValid() || !s.v6.IsValid() {
			v6 = 0
		}
		left := 1.0
		for k := range s.apps {
			share := left
			if k < len(s.apps)-1 {
				share = 0.7 * left
			}
			left -= share
			for _, down := range []bool{true, false} {
				n.addStreams(c, s, &s.apps[k], down, false, weight*share*(1-v6))
				if v6 > 0 {
					n.addStreams(c, s, &s.apps[k], down, true, weight*share*v6)
				}
			}
		}
	}
}

// uploads is the share of the octets towards servers that is what users send
// there; the rest asks for and acknowledges what servers send.
const uploads = 0.7

// addStreams adds the streams of an application in one direction.
func (n *Network) addStreams(c *customerSpec, s *system, app *application, down, v6 bool, share float64) {
	if toClient := down != c.hosting; toClient {
		n.addStream(c, s, app, app.down, down, v6, share)
		return
	}
	n.addStream(c, s, app, app.up, down, v6, (1-uploads)*share)
	n.addStream(c, s, app, app.down, down, v6, uploads*share)
}

// addStream adds a stream with the given share of the customer's traffic in one
// direction.
func (n *Network) addStream(c *customerSpec, s *system, app *application, mix packetMix, down, v6 bool, share float64) {
	inside, outside := endpoint{network: c.v4}, endpoint{network: s.v4}
	if v6 {
		inside.network, outside.network = c.v6, s.v6
	}
	if !s.eyeballs {
		outside.servers = 32
	}
	if c.hosting {
		inside.servers = 24
	}
	stream := &stream{app: app, mix: mix, hops: n.path(c, s, down), rhythm: c.rhythm, drift: driftSize * n.random.NormFloat64(),
		toClient: down != c.hosting}
	stream.conversations = make([]*conversation, max(2, int(conversationsPerStream*n.config.Scale)))
	load := c.up
	stream.src, stream.srcAS, stream.dst, stream.dstAS = inside, c.asn, outside, s.asn
	if down {
		load = c.down
		stream.src, stream.srcAS, stream.dst, stream.dstAS = outside, s.asn, inside, c.asn
	}
	stream.packetRate = n.config.Scale * load * share * megabit / 8 / mix.mean()
	n.streams = append(n.streams, stream)
}

// path returns the routers between a system and a customer: towards the
// customer if down.
func (n *Network) path(c *customerSpec, s *system, down bool) []hop {
	home := c.router
	if home == "edge1.ham" {
		home = "core2.ams"
	}
	exit := home
	if s.asn%7 == 0 { // reached by the other core router only
		exit = map[string]string{"core1.fra": "core2.ams", "core2.ams": "core1.fra"}[home]
	}
	names := slices.Compact([]string{exit, home, c.router})
	hops := make([]hop, len(names))
	for i, name := range names {
		r := n.Router(name)
		hops[i].router = r
		if i == 0 {
			hops[i].in = r.external(s, down)
		} else {
			hops[i].in = r.link(names[i-1])
		}
		if i == len(names)-1 {
			hops[i].out = r.port(c.port)
		} else {
			hops[i].out = r.link(names[i+1])
		}
	}
	if down {
		return hops
	}
	slices.Reverse(hops)
	for i := range hops {
		hops[i].in, hops[i].out = hops[i].out, hops[i].in
	}
	return hops
}

// external returns the interface behind which a system is: routing is not always
// symmetric.
func (r *Router) external(s *system, down bool) *port {
	want := transit
	if s.peer {
		want = exchange
	}
	var found []*port
	for _, p := range r.ports {
		if p.spec.role == want {
			found = append(found, p)
		}
	}
	choice := int(s.asn / 2)
	if down {
		choice += int(s.asn / 32)
	}
	return found[choice%len(found)]
}

func (r *Router) link(to string) *port {
	for _, p := range r.ports {
		if p.spec.to == to {
			return p
		}
	}
	return nil
}

// Attacks: for some minutes, many systems send a customer the answers to
// questions that it never asked.
const (
	attackSources  = 16
	attackMegabits = 150 // to 450, times the scale
)

func (n *Network) planAttack() {
	if n.config.AttackEvery > 0 {
		n.nextAttack = n.now.Add(time.Duration((0.3 + 0.7*n.random.ExpFloat64()) * float64(n.config.AttackEvery)))
	}
}

// attack begins and ends attacks.
func (n *Network) attack() {
	n.streams = slices.DeleteFunc(n.streams, func(s *stream) bool { return s.attack && !n.now.Before(s.until) })
	if n.nextAttack.IsZero() || n.now.Before(n.nextAttack) {
		return
	}
	n.planAttack()
	r := n.random
	victim := &customers[r.IntN(5)]
	vector := &vectors[r.IntN(len(vectors))]
	until := n.now.Add(4*time.Minute + time.Duration(r.IntN(360))*time.Second)
	target := endpoint{network: victim.v4}.address(r)
	port := n.Router(victim.router).port(victim.port)
	total := min(n.config.Scale*attackMegabits*(1+2*r.Float64()), 0.4*float64(port.spec.speed)/megabit)
	first := len(n.streams)
	var weights []float64
	sum := 0.0
	for _, i := range r.Perm(len(systems))[:attackSources] {
		weights = append(weights, r.ExpFloat64())
		sum += weights[len(weights)-1]
		n.addStream(victim, &systems[i], vector, vector.down, true, false, 0)
	}
	for k, s := range n.streams[first:] {
		s.attack, s.until, s.rhythm, s.toClient = true, until, nil, true
		s.src.servers, s.dst.network = 0, netip.PrefixFrom(target, target.BitLen())
		s.conversations = make([]*conversation, amplifiersPerStream)
		s.packetRate = total * weights[k] / sum * megabit / 8 / s.mix.mean()
	}
	if n.config.Attacked != nil {
		n.config.Attacked(Attack{Start: n.now, End: until, Target: target, Port: vector.port, Megabits: total})
	}
}
