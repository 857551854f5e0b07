package simulator

import (
	"testing"
	"time"

	"github.com/nfstats/nfstats/snmp/calibration"
)

// diagnose returns the finding for a way.
func (p *proof) diagnose(w way) calibration.Diagnosis {
	opposite := w
	opposite.out = !w.out
	total, lost := 0.0, 0.0
	for _, e := range p.decoder.Exporters() {
		if e.Address == p.network.Router(w.router).Address() {
			lost = float64(e.Counters.Lost())
			total = lost + float64(e.Counters.Datagrams)
			if p.network.Router(w.router).spec.protocol != ciscoV9 {
				total = lost + float64(e.Counters.Flows)
			}
		}
	}
	return calibration.Diagnose(calibration.Evidence{Samples: p.samples(w), Opposite: p.samples(opposite), Outgoing: w.out,
		Lost: lost / max(total, 1), System: p.network.Router(w.router).spec.description})
}

func TestDiagnosisOfFaults(t *testing.T) {
	core1 := func(port uint32, out bool) way { return way{"core1.fra", 512 + port, out} }
	core2 := func(port uint32, out bool) way { return way{"core2.ams", 3 + port, out} }
	edge1 := func(port uint32, out bool) way { return way{"edge1.ham", 1 + port, out} }
	for name, c := range map[string]struct {
		faults []string
		want   map[way]calibration.Kind
		rate   map[way]uint32 // suggested
	}{
		"wrong": {[]string{"core1:announced=100", "core2:unannounced", "edge1:bothways"},
			map[way]calibration.Kind{core1(4, true): calibration.KindRateWrong, core1(2, false): calibration.KindRateWrong,
				core2(4, false): calibration.KindRateMissing, edge1(0, false): calibration.KindBothExported, edge1(1, true): calibration.KindBothExported},
			map[way]uint32{core1(2, false): 1000, core2(4, false): 500}},
		"silent": {[]string{"core1:loss=0.4", "core2:silent=TenGigE0/0/0/3.31", "edge1:counter32", "edge1:refresh=20s"},
			map[way]calibration.Kind{core1(2, false): calibration.KindLost, core2(4, false): calibration.KindNotSampled,
				core2(4, true): calibration.KindGood, edge1(0, false): calibration.KindGood}, nil},
		"disturbed": {[]string{"core1:refresh=30s", "core2:reset=21m", "edge1:reboot=22m"},
			map[way]calibration.Kind{core1(2, false): calibration.KindGood, core2(1, false): calibration.KindGood, edge1(1, true): calibration.KindGood}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			faults := map[string]Faults{}
			for _, text := range c.faults {
				if err := ParseFault(text, faults); err != nil {
					t.Fatal(err)
				}
			}
			p := prove(t, Config{Seed: 12, Faults: faults}, 45*time.Minute)
			for w, want := range c.want {
				d := p.diagnose(w)
				if d.Kind != want {
					t.Errorf("%+v: %+v, want %s", w, d, want)
				}
				if rate := c.rate[w]; rate != 0 && d.SuggestedRate != rate {
					t.Errorf("%+v: suggested rate %d, want %d", w, d.SuggestedRate, rate)
				}
			}
			if name == "disturbed" {
				gaps := 0
				for _, s := range p.samples(core2(1, false)) {
					if s.SNMP < 0 {
						gaps++
					}
				}
				if gaps == 0 || gaps > 2 {
					t.Errorf("%d buckets are unknown after the counters were reset", gaps)
				}
			}
		})
	}
}
