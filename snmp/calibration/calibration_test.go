package calibration

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// The factor makes totals agree with the wire, whatever is wrong by a constant
// factor or lost, as long as the gates let it.
func TestCalibratedTotalsAreWithinOnePercentOfTheWire(t *testing.T) {
	for name, fault := range map[string]func(*router){
		"healthy":             func(*router) {},
		"unsampled":           func(r *router) { r.rate, r.announced, r.mbps = 1, 1, 2 },
		"datagrams lost":      func(r *router) { r.lost = 0.25 },
		"loss in waves":       func(r *router) { r.lost, r.lossWaves = 0.35, true },
		"rate a quarter off":  func(r *router) { r.announced = 750 },
		"ingress and egress":  func(r *router) { r.twice = true; r.announced = 600 },
		"counters start high": func(r *router) { r.start = math.MaxUint64 / 2 },
		"slow counters":       func(r *router) { r.refresh = 30 },
		"32-bit counters":     func(r *router) { r.bits, r.mbps, r.rate, r.announced, r.start = 32, 40, 50, 50, math.MaxUint32-5 },
		"agent restarts":      func(r *router) { r.resetAt = 7000 },
		"thin traffic":        func(r *router) { r.mbps = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(1)
			fault(r)
			traffic := r.run(24 * 60)
			samples := r.samples(traffic)
			var truth, shown float64
			unknown := 0
			for i, result := range results(samples, Options{}) {
				if samples[i].SNMP < 0 {
					unknown++
					continue
				}
				if i < 2 { // the first buckets have no history
					continue
				}
				if result.Status != Applied && result.Status != Amber {
					t.Fatalf("bucket %d: %+v of %+v", i, result, samples[i])
				}
				shown += samples[i].Flow * result.Factor
				for m := i * 5; m < i*5+5; m++ {
					truth += traffic.truth[m]
				}
			}
			if off := math.Abs(shown/truth - 1); off > 0.01 {
				t.Errorf("calibrated traffic is %.2f %% off", 100*off)
			}
			if unknown > 4 {
				t.Errorf("%d buckets without SNMP", unknown)
			}
		})
	}
}

// In many trials of an hour, the truth of a slice lies within its error bar
// about as often as a bar of 95 % promises.
func TestErrorBarsCoverTheTruth(t *testing.T) {
	const trials = 400
	var calibrated, scaled [5]int
	for trial := range trials {
		r := newRouter(uint64(trial) + 100)
		r.mbps, r.refresh = 60, 1
		traffic := r.run(60)
		// A whole hour at once: the factor of its total.
		var total, totalSq, snmp float64
		for i := range r.slices {
			total, totalSq = total+sum(traffic.bytes[i]), totalSq+sum(traffic.bytesSq[i])
		}
		snmp = sum(traffic.truth)
		for i := range r.slices {
			b, q, truth := sum(traffic.bytes[i]), sum(traffic.bytesSq[i]), sum(traffic.slice[i])
			if math.Abs(snmp*b/total-truth) <= Z95*CalibratedError(b, q, total, totalSq, snmp) {
				calibrated[i]++
			}
			if math.Abs(r.rate*b-truth) <= Z95*StandardError(r.rate, q) {
				scaled[i]++
			}
		}
	}
	for i := range calibrated {
		c, s := 100*float64(calibrated[i])/trials, 100*float64(scaled[i])/trials
		t.Logf("slice %d: %.1f %% calibrated, %.1f %% scaled", i, c, s)
		if c < 92 || c > 98 || s < 92 || s > 98 {
			t.Errorf("slice %d: error bars of 95 %% cover %.1f %% (calibrated) and %.1f %% (scaled)", i, c, s)
		}
	}
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

func TestEachFaultIsDiagnosed(t *testing.T) {
	for _, test := range []struct {
		name          string
		fault         func(*router)
		evidence      func(*Evidence)
		kind          Kind
		rate          uint32
		status        Status
		fix           string // a part of it
		oppositeFault func(*router)
	}{
		{name: "healthy", kind: KindGood, status: Applied},
		{name: "rate missing", fault: func(r *router) { r.announced = 1 }, kind: KindRateMissing, rate: 1000, status: Refused, fix: "suggested rate"},
		{name: "rate missing, power of two", fault: func(r *router) { r.rate, r.announced = 2048, 1 }, kind: KindRateMissing, rate: 2048, status: Refused},
		{name: "rate missing at a small sample", fault: func(r *router) { r.announced, r.mbps = 1, 8 }, kind: KindRateMissing, rate: 1000, status: Refused},
		{name: "rate missing, Junos", fault: func(r *router) { r.announced = 1 }, evidence: func(e *Evidence) { e.System = "Juniper Networks, Inc. mx204, kernel JUNOS 21.4R3" },
			kind: KindRateMissing, rate: 1000, status: Refused, fix: "set forwarding-options"},
		{name: "rate too low", fault: func(r *router) { r.announced = 100 }, kind: KindRateWrong, rate: 1000, status: Refused},
		{name: "rate too high", fault: func(r *router) { r.announced = 10000 }, kind: KindRateWrong, rate: 1000, status: Refused},
		{name: "both exported", fault: func(r *router) { r.twice = true }, kind: KindBothExported, status: Refused, fix: "ingress only"},
		{name: "both exported, unsampled", fault: func(r *router) { r.twice, r.rate, r.announced, r.mbps = true, 1, 1, 1 }, kind: KindBothExported, status: Refused},
		{name: "not sampled here", fault: func(r *router) { r.unsampled = true }, kind: KindNotSampled, status: Refused, fix: "every interface"},
		{name: "no flows", fault: func(r *router) { r.unsampled = true }, oppositeFault: func(r *router) { r.unsampled = true }, kind: KindNoFlows, status: Refused, fix: "Enable flow export"},
		{name: "lost", fault: func(r *router) { r.lost = 0.35 }, evidence: func(e *Evidence) { e.Lost = 0.35 }, kind: KindLost, status: Amber, fix: "sequence gaps"},
		{name: "loss in waves", fault: func(r *router) { r.lost, r.lossWaves = 0.98, true }, kind: KindUnstable, status: ""},
		{name: "idle", fault: func(r *router) { r.mbps = 0.001; r.unsampled = true }, kind: KindIdle, status: None},
		{name: "few samples", fault: func(r *router) { r.mbps, r.rate, r.announced = 0.05, 10000, 10000 }, kind: KindFewSamples, status: None},
		{name: "a part is sampled", fault: func(r *router) { r.lost = 0.6 }, evidence: func(e *Evidence) { e.Outgoing = true }, kind: KindPartial, status: Refused},
	} {
		t.Run(test.name, func(t *testing.T) {
			make := func(seed uint64, fault func(*router)) []Sample {
				r := newRouter(seed)
				if fault != nil {
					fault(r)
				}
				return r.samples(r.run(3 * 60))
			}
			e := Evidence{Samples: make(5, test.fault), Opposite: make(6, test.oppositeFault)}
			if test.evidence != nil {
				test.evidence(&e)
			}
			if test.rate > 0 || test.kind == KindBothExported { // such faults are of the exporter
				e.Opposite = make(6, test.fault)
			}
			d := Diagnose(e)
			if d.Kind != test.kind || d.SuggestedRate != test.rate || !strings.Contains(d.Fix, test.fix) {
				t.Errorf("%+v, want %s with rate %d and fix %q", d, test.kind, test.rate, test.fix)
			}
			if d.Words == "" || d.Kind != KindGood && d.Kind != KindIdle && d.Kind != KindFewSamples && d.Fix == "" {
				t.Errorf("no words or no fix: %+v", d)
			}
			if last := Calibrate(e.Samples, Options{}); test.status != "" && last.Status != test.status {
				t.Errorf("%+v, want status %s", last, test.status)
			}
		})
	}
}

func TestForceStretchesToTheTotal(t *testing.T) {
	r := newRouter(3)
	r.announced = 1
	samples := r.samples(r.run(60))
	last := samples[len(samples)-1]
	got := Calibrate(samples, Options{Force: true})
	if got.Status != Applied || math.Abs(last.Flow*got.Factor/last.SNMP-1) > 1e-9 || got.Reason != ReasonForced {
		t.Errorf("%+v of %+v", got, last)
	}
}

func TestSpecialBuckets(t *testing.T) {
	good := Sample{SNMP: 1e9, Flow: 9.5e8, Packets: 5000, Rate: 1000, Final: true}
	for _, test := range []struct {
		name    string
		last    Sample
		options Options
		status  Status
		reason  string
		factor  float64
	}{
		{"no SNMP", Sample{SNMP: -1, Flow: 1e9, Packets: 5000, Final: true}, Options{}, None, ReasonNoSNMP, 0},
		{"provisional", Sample{SNMP: 1e9, Flow: 1e8, Packets: 500, Rate: 1000}, Options{}, Applied, ReasonProvisional, 1 / 0.95},
		{"few samples follow the history", Sample{SNMP: 1e9, Flow: 3e8, Packets: 1, Rate: 1000, Final: true}, Options{}, Applied, "", 1.064},
		{"32 bits", Sample{SNMP: 1e9, Flow: 9.5e8, Packets: 5000, Rate: 1000, Final: true, Bits32: true}, Options{}, Applied, ReasonBits32, 1 / 0.95},
		{"left alone", good, Options{Unsampled: true}, None, ReasonUnsampled, 0},
		{"SNMP counts nothing", Sample{SNMP: 0, Flow: 1e9, Packets: 5000, Final: true}, Options{}, Refused, ReasonHigh, 0},
		{"nothing at all", Sample{Final: true}, Options{}, None, ReasonIdle, 0},
		{"forced without flows", Sample{SNMP: 1e9, Final: true}, Options{Force: true}, Refused, ReasonNoFlows, 0},
	} {
		got := Calibrate([]Sample{good, good, good, test.last}, test.options)
		if got.Status != test.status || got.Reason != test.reason || math.Abs(got.Factor-test.factor) > 0.001 {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
	if got := Calibrate(nil, Options{}); got.Status != None || got.Factor != 0 {
		t.Errorf("of nothing: %+v", got)
	}
}

// When an operator corrects a rate, what was before says nothing any more.
func TestACorrectedRateCountsAtOnce(t *testing.T) {
	r := newRouter(11)
	r.announced = 100
	wrong := r.samples(r.run(181))
	r.announced = 1000
	right := r.samples(r.run(61))
	samples := slices.Clone(wrong)
	for i, s := range right[1:] {
		s.Bucket = wrong[len(wrong)-1].Bucket + int64(i+1)*BucketSeconds
		provisional := s
		provisional.Final = false
		for _, next := range []Sample{provisional, s} {
			got := Calibrate(append(slices.Clone(samples), next), Options{})
			if got.Status != Applied || math.Abs(got.Factor*s.Flow/s.SNMP-1) > 0.25 || next.Final && math.Abs(got.Factor*s.Flow/s.SNMP-1) > 0.02 {
				t.Errorf("bucket %d after the change: %+v of %+v", i, got, next)
			}
		}
		samples = append(samples, s)
		if d := Diagnose(Evidence{Samples: samples, Opposite: samples}); i >= 1 && d.Kind != KindGood {
			t.Errorf("bucket %d after the change: %+v", i, d)
		}
	}
	if n := len(Recent(samples)); n != len(right)-1 {
		t.Errorf("%d recent samples, want %d", n, len(right)-1)
	}
}

func TestInterfacesOfAnExporterAgree(t *testing.T) {
	if usual := Usual([]Diagnosis{{}, {Estimate: 1024, Packets: 100}, {Estimate: 1001, Packets: 900}, {}, {Estimate: 500, Packets: 800}}); usual != 1000 {
		t.Errorf("usual rate %d", usual)
	}
	if usual := Usual([]Diagnosis{{}}); usual != 0 {
		t.Errorf("usual rate %d of none", usual)
	}
	for rate, want := range map[float64]uint32{1020: 1000, 1300: 1300, 500: 500} {
		if got := nearRate(rate, 1000); got != want {
			t.Errorf("%v: %d, want %d", rate, got, want)
		}
	}
}
