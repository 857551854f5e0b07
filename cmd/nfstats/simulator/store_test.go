package simulator

import (
	"fmt"
	"math"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/snmp"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/engine/enginetest"
	"github.com/nfstats/nfstats/store/filter"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// stored is a run whose flows and counters are in a store, rolled up and
// calibrated, as a daemon would have them.
func stored(t *testing.T, c Config, length time.Duration) (*run, *store.Store) {
	t.Helper()
	engine := enginetest.Start(t)
	s, err := store.New(store.Config{Dial: engine.Dial, Key: engine.Key(), Database: "nfstats"}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := newRun(t, c)
	var counters []store.Counter
	for at := c.Start.Add(7 * time.Second); at.Before(c.Start.Add(length)); at = at.Add(time.Minute) {
		r.network.Advance(at)
		for _, router := range r.network.Routers() {
			for _, i := range router.Snapshot().Interfaces {
				counters = append(counters, store.Counter{Exporter: router.Address(), IfIndex: i.Index, AtMs: at.UnixMilli(),
					UptimeMs: uint64(router.Snapshot().Uptime.Milliseconds()), InOctets: i.InOctets, OutOctets: i.OutOctets, Bits: 64})
			}
		}
	}
	for _, router := range r.network.Routers() {
		var found []store.Interface
		for _, i := range router.Snapshot().Interfaces {
			found = append(found, store.Interface{IfIndex: i.Index, IfName: i.Name, Type: i.Type, Speed: i.Speed})
		}
		if err := s.SaveInterfaces(t.Context(), router.Address(), found, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		s.InsertFlows(t.Context(), store.Block{Token: "proof", Collector: "proof", Source: "proof"}, &r.batch),
		s.RollUpSource(t.Context(), "proof", 1),
		s.InsertCounters(t.Context(), counters),
		snmp.NewCalibrator(s, time.Minute, zap.NewNop()).CatchUp(t.Context(), time.Now()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return r, s
}

// entered returns the octets that truly entered each interface, by source AS, with
// those of layer 2: calibrated traffic is what SNMP counts.
func (r *run) entered(from, to time.Time) map[way]map[uint32]float64 {
	truth := map[way]map[uint32]float64{}
	for _, traffic := range r.traffic {
		k := way{router: traffic.Router, ifIndex: traffic.InIf}
		if truth[k] == nil {
			truth[k] = map[uint32]float64{}
		}
		if !traffic.Start.Before(from) && traffic.Start.Before(to) {
			truth[k][as16(traffic.SrcAS)] += float64(traffic.Octets + traffic.Packets*traffic.OverheadIn)
		}
	}
	return truth
}

// TestQueriesTellTheTruth: what a user is shown is what was sent, although a
// quarter of the datagrams of one router and a fifth of another's are lost, which flows
// alone cannot know; and slices are as wrong as their error bars say. (Where
// datagrams are lost they are more so: loss comes in bunches.)
func TestQueriesTellTheTruth(t *testing.T) {
	begin := time.Now().UTC().Truncate(24 * time.Hour).Add(-5 * time.Hour) // the same hour each day, and younger than what stores keep
	from, to := begin.Add(5*time.Minute), begin.Add(50*time.Minute)
	faults := map[string]Faults{"core2.ams": {Loss: 0.25, RefreshDelay: 15 * time.Second}, "edge1.ham": {Loss: 0.2}}
	r, s := stored(t, Config{Seed: 21, Start: begin, Step: 5 * time.Second, Faults: faults}, 58*time.Minute)
	truth := r.entered(from, to)
	seconds := to.Sub(from).Seconds()
	held, all, checked := 0, 0, 0
	for k, slices := range truth {
		total := 0.0
		for _, octets := range slices {
			total += octets
		}
		selected, err := filter.Parse(fmt.Sprintf("in_if = %s/%d", r.network.Router(k.router).Address(), k.ifIndex))
		if err != nil {
			t.Fatal(err)
		}
		shares := func(scale store.Scale) *store.Shares {
			answer, err := s.Shares(t.Context(), store.Selection{From: from, To: to, Filter: selected, Scale: scale}, "src_as", 100)
			if err != nil {
				t.Fatal(err)
			}
			return answer
		}
		calibrated, sampled := shares(store.ScaleAuto), shares(store.ScaleSampled)
		checked++
		packets := calibrated.Total.PacketsPerSecond * seconds / 1000
		bound := max(0.01, 1.5/math.Sqrt(packets))
		if ratio := calibrated.Total.BitsPerSecond * seconds / 8 / total; math.Abs(ratio-1) > bound {
			t.Errorf("%+v: calibrated, the total is %.4f of the truth (%+v)", k, ratio, calibrated.Scale)
		}
		if ratio := sampled.Total.BitsPerSecond * seconds / 8 / total; faults[k.router].Loss > 0 && ratio > 0.9 {
			t.Errorf("%+v: without calibration the total is %.4f of the truth, although datagrams are lost", k, ratio)
		}
		if k.router != "core1.fra" {
			continue
		}
		for _, row := range calibrated.Rows {
			var asn uint32
			if _, err := fmt.Sscan(row.Value, &asn); err != nil || row.Error > 0.25*row.BitsPerSecond || row.Share > 0.99 {
				continue // the rest; few samples, which are not normally distributed; a total
			}
			if all++; math.Abs(row.BitsPerSecond*seconds/8-slices[as16(asn)]) <= row.Error*seconds/8 {
				held++
			}
		}
	}
	if checked < 16 {
		t.Errorf("%d interfaces are checked", checked)
	}
	// Of 45 cases, three standard deviations below 95 % are 85.3 %.
	if share := float64(held) / float64(all); all < 45 || share < 0.853 {
		t.Errorf("%d of %d slices are within their error bars", held, all)
	}
	t.Logf("%d of %d slices are within their error bars", held, all)
}

// Of every interface of the network it is found out what it is for, whether
// it is sampled, and 1 in how many.
func TestRolesAreGuessed(t *testing.T) {
	begin := time.Now().UTC().Truncate(24 * time.Hour).Add(-5 * time.Hour)
	r, s := stored(t, Config{Seed: 5, Start: begin, Step: 5 * time.Second}, 40*time.Minute)
	roles, err := s.Roles(t.Context(), begin.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	seen, err := s.SeenInterfaces(t.Context(), begin.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	rates := map[store.Way]uint32{}
	for _, i := range seen {
		rates[store.Way{Exporter: i.Exporter, IfIndex: i.IfIndex}] = i.SamplingRate
	}
	checked := 0
	for _, router := range r.network.Routers() {
		for _, p := range router.ports {
			want := map[role]string{transit: "uplink", exchange: "peer", core: "internal", customer: "customer"}[p.spec.role]
			way := store.Way{Exporter: router.Address(), IfIndex: p.index}
			if roles[way] != want || rates[way] != p.spec.rate {
				t.Errorf("%s, %s: %q, sampled 1:%d, want %q, 1:%d", router.Name(), p.spec.description, roles[way], rates[way], want, p.spec.rate)
			}
			checked++
		}
	}
	if checked != 20 {
		t.Errorf("%d interfaces", checked)
	}
}
