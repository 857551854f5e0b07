package calibration

import (
	"fmt"
	"math"
	"slices"
)

// Kind is what a diagnosis finds.
type Kind string

// The findings.
const (
	KindGood         Kind = "good"
	KindNoSNMP       Kind = "no_snmp"
	KindNoFlows      Kind = "no_flows"
	KindIdle         Kind = "idle"
	KindFewSamples   Kind = "few_samples"
	KindRateMissing  Kind = "rate_missing"
	KindRateWrong    Kind = "rate_wrong"
	KindBothExported Kind = "both_exported"
	KindNotSampled   Kind = "not_sampled_here"
	KindLost         Kind = "datagrams_lost"
	KindUnstable     Kind = "unstable"
	KindPartial      Kind = "partial"
)

// Evidence is what a diagnosis of one interface and direction rests on.
type Evidence struct {
	Samples  []Sample // in order of time; final ones count
	Opposite []Sample // of the other direction
	Outgoing bool     // the direction is out
	Lost     float64  // share of the exporter's datagrams that did not arrive, 0 to 1
	System   string   // the agent's sysDescr: the vendor, for the fix
	Usual    uint32   // sampling rate that other interfaces of the exporter suggest, 0 for none
}

// A Diagnosis says what is the matter and what helps.
type Diagnosis struct {
	Kind          Kind
	Words         string
	Fix           string // "" where nothing needs to be done
	SuggestedRate uint32 // sampling rate that would make flows agree with SNMP, 0 for none

	Estimate float64 // that rate before it became a common one, 0 for none
	Packets  uint64  // sampled, that it rests on
}

// summary is the middle of several buckets.
type summary struct {
	buckets  int
	coverage float64 // median
	spread   float64 // relative: half of what the middle half of the buckets spans
	egress   float64 // share of flow octets metered at egress
	rate     uint32  // of the newest bucket that has flows
	snmp     float64 // octets
	flow     float64
	packets  uint64
}

func summarize(samples []Sample) (s summary) {
	var coverages []float64
	var egress float64
	for _, b := range samples {
		if !b.Final || b.SNMP < 0 {
			continue
		}
		s.buckets++
		s.snmp += b.SNMP
		s.flow += b.Flow
		s.packets += b.Packets
		egress += b.Egress
		if b.Flow > 0 {
			s.rate = b.Rate
		}
		if b.SNMP*8/BucketSeconds >= idleRate {
			coverages = append(coverages, b.Flow/b.SNMP)
		}
	}
	if s.flow > 0 {
		s.egress = egress / s.flow
	}
	if n := len(coverages); n > 0 {
		s.coverage = median(coverages)
		if s.coverage > 0 {
			s.spread = (coverages[3*n/4] - coverages[n/4]) / 2 / s.coverage
		}
	}
	return s
}

func (s summary) idle() bool {
	return s.snmp*8 < idleRate*BucketSeconds*float64(s.buckets)
}

// Diagnose returns the most likely finding.
func Diagnose(e Evidence) Diagnosis {
	s, opposite := summarize(Recent(e.Samples)), summarize(Recent(e.Opposite))
	percent := fmt.Sprintf("%.0f %%", 100*s.coverage)
	if s.coverage < 0.1 {
		percent = fmt.Sprintf("%.2g %%", 100*s.coverage)
	}
	found := func(kind Kind, format string, args ...any) Diagnosis {
		return Diagnosis{Kind: kind, Words: fmt.Sprintf(format, args...), Fix: fixFor(kind, e.System)}
	}
	oppositeGood := opposite.coverage >= low && opposite.coverage <= high
	switch {
	case s.buckets == 0:
		return found(KindNoSNMP, "There are no SNMP counters of this interface to compare flows with.")
	case s.flow == 0 && s.idle():
		return found(KindIdle, "Hardly any traffic crosses this interface.")
	case s.flow == 0 && (oppositeGood || opposite.flow > 0 && opposite.coverage > 0):
		return found(KindNotSampled, "SNMP counts traffic in this direction, flows exist only for the other one: it is not sampled in this direction.")
	case s.flow == 0:
		return found(KindNoFlows, "SNMP counts traffic, but no flow names this interface.")
	case s.packets < minPackets*uint64(s.buckets)/3: // their median would tell little
		return found(KindFewSamples, "Only %d packets were sampled in %d minutes; that is too few for a comparison.", s.packets, s.buckets*BucketSeconds/60)
	case s.coverage >= low && s.coverage <= high:
		return found(KindGood, "Flows show %s of what SNMP counts (median of %d minutes); the difference is corrected.", percent, s.buckets*BucketSeconds/60)
	case s.coverage > high:
		return e.tooMuch(s, percent, found)
	}
	return e.tooLittle(s, opposite, oppositeGood, percent, found)
}

// tooMuch tells traffic that is exported twice from a rate that is too high.
func (e Evidence) tooMuch(s summary, percent string, found func(Kind, string, ...any) Diagnosis) Diagnosis {
	doubled := s.egress > 0.25 && s.egress < 0.75
	near2 := s.coverage > 1.6 && s.coverage < 2.4
	switch {
	case doubled, near2, s.rate <= 1:
		return found(KindBothExported, "Flows show %s of what SNMP counts: ingress and egress are both exported, so traffic is counted twice.", percent)
	case steady(s):
		if rate := nearRate(float64(s.rate)/s.coverage, e.Usual); rate > 0 {
			d := found(KindRateWrong, "Flows show %s of what SNMP counts: 1:%d is announced or set, it looks like 1:%d.", percent, s.rate, rate)
			return d.suggest(rate, s)
		}
	}
	return found(KindUnstable, "Flows show %s of what SNMP counts, and that changes from bucket to bucket.", percent)
}

// tooLittle tells a missing or wrong rate from loss and from traffic that is not sampled.
func (e Evidence) tooLittle(s, opposite summary, oppositeGood bool, percent string, found func(Kind, string, ...any) Diagnosis) Diagnosis {
	rate := nearRate(float64(max(s.rate, 1))/s.coverage, e.Usual)
	switch {
	case e.Lost > 0.02 && math.Abs(1-e.Lost-s.coverage) < 0.1+0.25*e.Lost:
		return found(KindLost, "Flows show %s of what SNMP counts: %.0f %% of the exporter's datagrams were lost on the way.", percent, 100*e.Lost)
	case oppositeGood && s.coverage < 0.05:
		return found(KindNotSampled, "Flows show %s of what SNMP counts, in the other direction nearly all: it is not sampled in this direction.", percent)
	case oppositeGood && e.Outgoing:
		return found(KindPartial, "Flows show %s of what SNMP counts: traffic that leaves here is sampled only at some of the interfaces where it enters.", percent)
	case !steady(s):
		return found(KindUnstable, "Flows show %s of what SNMP counts, and that changes from bucket to bucket: the router drops flows, or does not sample all of the traffic.", percent)
	case s.rate <= 1 && rate > 1:
		d := found(KindRateMissing, "Flows show %s of what SNMP counts: the sampling rate is missing, it looks like 1:%d.", percent, rate)
		return d.suggest(rate, s)
	case rate > 1 && (s.coverage < amberLow || rate == opposite.suggested(e.Usual)):
		d := found(KindRateWrong, "Flows show %s of what SNMP counts: 1:%d is announced or set, it looks like 1:%d.", percent, s.rate, rate)
		return d.suggest(rate, s)
	}
	return found(KindPartial, "Flows show %s of what SNMP counts: a part of the traffic is not sampled (IPv6, MPLS, multicast), or the rate is a little off.", percent)
}

// suggest sets a rate, and what it was made of.
func (d Diagnosis) suggest(rate uint32, s summary) Diagnosis {
	d.SuggestedRate, d.Estimate, d.Packets = rate, float64(max(s.rate, 1))*s.snmp/s.flow, s.packets
	return d
}

func (s summary) suggested(usual uint32) uint32 {
	if s.coverage == 0 || !steady(s) {
		return 0
	}
	return nearRate(float64(max(s.rate, 1))/s.coverage, usual)
}

// steady reports whether a single wrong number can explain the coverage: loss
// varies with the load, a rate does not. Few samples vary by themselves.
func steady(s summary) bool {
	perBucket := float64(s.packets) / float64(max(s.buckets, 1))
	return s.spread < 0.1+1.5/math.Sqrt(max(perBucket, 1))
}

// commonRates are the sampling rates that people configure.
var commonRates = []uint32{2, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256, 400, 500, 512, 800, 1000, 1024, 1500, 2000, 2048, 2500, 3000, 4000, 4096,
	5000, 8000, 8192, 10000, 16000, 16384, 20000, 25000, 32000, 32768, 40000, 50000, 65535, 65536, 100000, 131072, 200000, 262144, 500000, 524288, 1000000, 1048576}

// nearRate returns the common sampling rate that is nearest, or the rate rounded
// to two digits where none is within a tenth. The usual rate comes first. 0: it
// is no rate.
func nearRate(rate float64, usual uint32) uint32 {
	if usual > 0 && math.Abs(float64(usual)-rate) <= 0.1*rate {
		return usual
	}
	if math.IsNaN(rate) || rate < 1.5 || rate > 1<<24 {
		return 0
	}
	nearest := slices.MinFunc(commonRates, func(a, b uint32) int {
		if math.Abs(math.Log(float64(a)/rate)) < math.Abs(math.Log(float64(b)/rate)) {
			return -1
		}
		return 1
	})
	if math.Abs(float64(nearest)-rate) <= 0.1*rate {
		return nearest
	}
	unit := math.Pow(10, math.Floor(math.Log10(rate))-1)
	return uint32(max(1, math.Round(rate/unit)*unit))
}

// Usual returns the sampling rate of an exporter, by the diagnoses of its interfaces;
// 0 without any suggestion: 1000 and 1024 are too near for one interface alone. It
// is that of the mean of the estimates, weighted by the packets that they rest on:
// that is as their errors are. Interfaces may be sampled at different rates, so
// only those count that agree within a tenth with the one that has most beside it.
func Usual(found []Diagnosis) uint32 {
	found = slices.DeleteFunc(slices.Clone(found), func(d Diagnosis) bool { return d.Estimate <= 0 })
	most, usual := 0.0, 0.0
	for _, center := range found {
		sum, weights := 0.0, 0.0
		for _, d := range found {
			if math.Abs(d.Estimate/center.Estimate-1) <= 0.1 {
				sum += float64(d.Packets) * math.Log(d.Estimate)
				weights += float64(d.Packets)
			}
		}
		if weights > most {
			most, usual = weights, math.Exp(sum/weights)
		}
	}
	return nearRate(usual, 0)
}
