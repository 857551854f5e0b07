package simulator

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
)

var start = time.Date(2026, 3, 4, 19, 0, 0, 0, time.UTC)

// A run is a simulated network with what it did and what a decoder understood
// of what it said about that.
type run struct {
	network  *Network
	decoder  *netflow.Decoder
	traffic  []Traffic
	batch    decoder.Batch
	sent     int // datagrams
	received map[string]int
	attacks  []Attack
}

func newRun(t *testing.T, c Config) *run {
	t.Helper()
	d, err := netflow.New(netflow.Default())
	if err != nil {
		t.Fatal(err)
	}
	r := &run{decoder: d, received: map[string]int{}}
	if c.Start.IsZero() {
		c.Start = start
	}
	c.Truth = func(traffic Traffic) { r.traffic = append(r.traffic, traffic) }
	c.Attacked = func(a Attack) { r.attacks = append(r.attacks, a) }
	c.Send = func(router *Router, at time.Time, datagram []byte) {
		if len(datagram) > payload {
			t.Errorf("%s sends a datagram of %d octets", router.Name(), len(datagram))
		}
		r.sent++
		r.received[router.Name()]++
		if err := d.Decode(at.UnixMilli(), netip.AddrPortFrom(router.Address(), 9995), datagram, &r.batch); err != nil {
			t.Errorf("%s: %v", router.Name(), err)
		}
	}
	if r.network, err = New(c); err != nil {
		t.Fatal(err)
	}
	return r
}

// An estimate is the octets of a slice by truth and by flows.
type estimate struct {
	truth, flows float64
	variance     float64 // of flows
}

// slices compares truth and flows by any key.
func (r *run) slices(ofTruth func(Traffic) any, ofFlow func(b *decoder.Batch, row int) any) map[any]*estimate {
	found := map[any]*estimate{}
	at := func(key any) *estimate {
		if found[key] == nil {
			found[key] = &estimate{}
		}
		return found[key]
	}
	for _, traffic := range r.traffic {
		at(ofTruth(traffic)).truth += float64(traffic.Octets)
	}
	b := &r.batch
	for i := range b.Len() {
		octets, rate := float64(b.Bytes[i]), float64(b.SamplingRate[i])
		e := at(ofFlow(b, i))
		e.flows += octets * rate
		e.variance += rate * (rate - 1) * octets * octets / float64(b.Packets[i])
	}
	return found
}

type slice struct {
	router   netip.Addr
	value    uint32
	protocol uint8
}

// byRouter tells slices apart by the router alone.
func (r *run) byRouter() map[any]*estimate {
	return r.slices(func(t Traffic) any { return r.network.Router(t.Router).Address() },
		func(b *decoder.Batch, i int) any { return netip.AddrFrom16(b.ExporterAddr[i]).Unmap() })
}

func TestFlowsEstimateTruth(t *testing.T) {
	r := newRun(t, Config{Seed: 1, Step: 5 * time.Second, AttackEvery: 5 * time.Minute})
	r.network.Advance(start.Add(15 * time.Minute))
	r.network.Drain()
	for router, e := range r.byRouter() {
		if e.truth == 0 || math.Abs(e.flows-e.truth) > 4*math.Sqrt(e.variance)+1e-9*e.truth {
			t.Errorf("%v: flows tell %.4g octets, the truth is %.4g, standard error %.2g", router, e.flows, e.truth, math.Sqrt(e.variance))
		}
	}
	// Of the slices, 95 % lie within their error bars.
	within, all := 0, 0
	for key, e := range r.slices(func(t Traffic) any {
		return slice{r.network.Router(t.Router).Address(), as16(t.SrcAS), t.Proto}
	}, func(b *decoder.Batch, i int) any {
		return slice{netip.AddrFrom16(b.ExporterAddr[i]).Unmap(), as16(b.SrcAS[i]), b.Proto[i]}
	}) {
		if key.(slice).router == r.network.Router("edge1.ham").Address() {
			if e.flows != e.truth {
				t.Errorf("unsampled %v: flows tell %.0f octets, the truth is %.0f", key, e.flows, e.truth)
			}
			continue
		}
		if e.variance < 20*1000*1000*1400*1400 {
			continue // less than twenty packets: not normally distributed
		}
		if all++; math.Abs(e.flows-e.truth) <= 1.96*math.Sqrt(e.variance) {
			within++
		}
	}
	if all < 40 || within < all*88/100 {
		t.Errorf("%d of %d slices are within their error bars", within, all)
	}
	attacked := map[string]uint64{}
	for _, traffic := range r.traffic {
		if traffic.AttackTraffic {
			attacked[traffic.Out] += traffic.Octets
		}
	}
	if len(attacked) == 0 || len(r.attacks) == 0 {
		t.Errorf("no attack in a quarter of an hour: %v, %v", attacked, r.attacks)
	}
	if total := r.decoder.Total(); len(r.received) != len(routers) || total.Lost() != 0 || total.TimesClamped != 0 || total.Dropped != (netflow.Dropped{}) {
		t.Errorf("datagrams: %v, %+v", r.received, total)
	}
	t.Logf("%d flows in %d datagrams; %d of %d slices within their error bars", r.batch.Len(), r.sent, within, all)
}

func TestFlowsAreExportedLate(t *testing.T) {
	r := newRun(t, Config{Seed: 2})
	r.network.Advance(start.Add(5 * time.Minute))
	b, late := &r.batch, 0
	for i := range b.Len() {
		delay := b.TimeReceived[i] - b.TimeFlowStart[i]
		if delay < 0 || delay > 62_000 || b.TimeFlowEnd[i] < b.TimeFlowStart[i] {
			t.Fatalf("a flow from %d to %d is exported at %d", b.TimeFlowStart[i], b.TimeFlowEnd[i], b.TimeReceived[i])
		}
		if delay > 30_000 {
			late++
		}
	}
	if late < b.Len()/20 {
		t.Errorf("%d of %d flows are exported more than half a minute after they began", late, b.Len())
	}
}

func TestFlowsOfAllKinds(t *testing.T) {
	r := newRun(t, Config{Seed: 3})
	r.network.Advance(start.Add(3 * time.Minute))
	b := &r.batch
	v6, names, rates := 0, map[string]int{}, map[uint32]int{}
	for i := range b.Len() {
		if b.EType[i] == 0x86dd {
			v6++
		}
		rates[b.SamplingRate[i]]++
	}
	for _, exporter := range r.decoder.Names() {
		for _, i := range exporter.Interfaces {
			names[i.Name]++
		}
	}
	if v6 < b.Len()/20 || v6 > b.Len()/2 {
		t.Errorf("%d of %d flows are IPv6", v6, b.Len())
	}
	for _, rate := range []uint32{1, 100, 500, 1000} {
		if rates[rate] == 0 {
			t.Errorf("no flow is sampled one in %d: %v", rate, rates)
		}
	}
	if want := len(routers[0].interfaces) + len(routers[1].interfaces); len(names) != want {
		t.Errorf("options name %d interfaces, want %d: %v", len(names), want, slices.Sorted(maps.Keys(names)))
	}
}

func TestSameSeedSameTraffic(t *testing.T) {
	one, two := newRun(t, Config{Seed: 4}), newRun(t, Config{Seed: 4})
	for _, r := range []*run{one, two} {
		r.network.Advance(start.Add(2 * time.Minute))
	}
	if len(one.traffic) != len(two.traffic) || !slices.Equal(one.batch.Bytes[:one.batch.Len()], two.batch.Bytes[:two.batch.Len()]) {
		t.Error("two runs with the same seed differ")
	}
}

func TestFaultsOfFlows(t *testing.T) {
	core1, core2, edge1 := netip.MustParseAddr("127.0.2.1"), netip.MustParseAddr("127.0.2.2"), netip.MustParseAddr("127.0.2.3")
	faults := map[string]Faults{}
	for _, text := range []string{"core1:announced=100", "core2.ams:unannounced", "edge1:bothways"} {
		if err := ParseFault(text, faults); err != nil {
			t.Fatal(err)
		}
	}
	r := newRun(t, Config{Seed: 5, Step: 5 * time.Second, Faults: faults})
	r.network.Advance(start.Add(5 * time.Minute))
	r.network.Drain()
	found := r.byRouter()
	for router, want := range map[netip.Addr][2]float64{core1: {0.09, 0.11}, core2: {0.001, 0.0025}, edge1: {2, 2}} {
		e := found[router]
		if coverage := e.flows / e.truth; coverage < want[0] || coverage > want[1] {
			t.Errorf("%v: flows cover %.4f of the truth, want %v", router, coverage, want)
		}
	}

	r = newRun(t, Config{Seed: 5, Step: 5 * time.Second, Faults: map[string]Faults{"edge1.ham": {Loss: 0.2, SilentInput: "GigabitEthernet0/1"}}})
	r.network.Advance(start.Add(5 * time.Minute))
	r.network.Drain()
	byInput := r.slices(func(t Traffic) any { return slice{router: r.network.Router(t.Router).Address(), value: t.InIf} },
		func(b *decoder.Batch, i int) any {
			return slice{router: netip.AddrFrom16(b.ExporterAddr[i]).Unmap(), value: b.InIf[i]}
		})
	if e := byInput[slice{router: edge1, value: 2}]; e.flows != 0 || e.truth == 0 {
		t.Errorf("the unsampled interface has flows: %+v", e)
	}
	if e := byInput[slice{router: edge1, value: 1}]; math.Abs(e.flows/e.truth-0.8) > 0.1 {
		t.Errorf("with a fifth of the datagrams lost, flows cover %.3f", e.flows/e.truth)
	}
	if total := r.decoder.Total(); total.Lost() == 0 {
		t.Error("the decoder has not noticed that flows are lost")
	}
}

func TestWrongFaults(t *testing.T) {
	for _, text := range []string{"core1", "core9:loss=0.1", "core1:loss=2", "core1:loss=NaN", "core1:loss", "core1:flood", "core1:reboot=soon", "core1:announced=-1"} {
		if err := ParseFault(text, map[string]Faults{}); err == nil {
			t.Errorf("%s is no fault", text)
		}
	}
	if _, err := New(Config{Start: start, Faults: map[string]Faults{"core1.fra": {SilentInput: "eth0"}}}); err == nil {
		t.Error("core1 has no eth0")
	}
}

func BenchmarkAdvance(b *testing.B) {
	datagrams := 0
	n, err := New(Config{Seed: 1, Start: start, Step: 10 * time.Second, Send: func(*Router, time.Time, []byte) { datagrams++ }})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		n.Advance(n.Now().Add(time.Minute))
	}
	b.ReportMetric(float64(datagrams)/float64(b.N), "datagrams/op")
}
