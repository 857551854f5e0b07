package calibration

import (
	"math"
	"slices"
)

// BucketSeconds is the length of a bucket.
const BucketSeconds = 300

// A Sample is a bucket of one interface in one direction.
type Sample struct {
	Bucket  int64   // its start, Unix seconds
	SNMP    float64 // octets by SNMP, negative if not known
	Flow    float64 // octets by flows: Σ bytes·rate + overhead·Σ packets·rate
	Egress  float64 // the part of Flow that was metered at egress (flow_direction 1)
	Packets uint64  // sampled, not scaled
	Rate    uint32  // sampling rate behind most of Flow, 0 without flows
	Final   bool    // no more flows are expected
}

// Status says what queries do with a bucket's factor.
type Status string

// The statuses. Only applied and amber are multiplied by.
const (
	None    Status = "none"    // nothing to compare
	Applied Status = "applied" // flows and SNMP agree well enough
	Amber   Status = "amber"   // applied, but somebody should look
	Refused Status = "refused" // they disagree too much for scaling to be honest
)

// The reasons of a status, as operators read them.
const (
	ReasonNoSNMP      = "no SNMP counters"
	ReasonIdle        = "hardly any traffic"
	ReasonNoFlows     = "no flows"
	ReasonFewSamples  = "few samples"
	ReasonLow         = "flows show less than SNMP"
	ReasonHigh        = "flows show more than SNMP"
	ReasonForced      = "forced by the operator"
	ReasonUnsampled   = "not sampled"
	ReasonProvisional = "provisional"
)

// A Result is what follows for a bucket.
type Result struct {
	Coverage  float64 // E/S, 0 if not known
	FactorRaw float64 // S/E, 0 if not known
	Factor    float64 // smoothed; to multiply by where Status is Applied or Amber; 0 if not known
	Status    Status
	Reason    string
}

// Options are an operator's wishes for an interface.
type Options struct {
	Force     bool // apply whatever the coverage is: the share from flows, the total from SNMP
	Unsampled bool // flows are complete; leave them alone
}

// The gates: between low and high a factor is applied, between the outer ones it
// is amber. These stay clear of 1/2 and 2, the coverage of a rate that is half of
// the true one and of traffic that is exported twice: at a gate such an interface
// would be applied in one bucket and refused in the next.
const (
	amberLow, low, high, amberHigh = 0.55, 0.7, 1.3, 1.8
)

const (
	// minPackets is the number of sampled packets below which a bucket does not speak for
	// itself: the relative error of its octets is about 1.5/√n, so 27 % at 30.
	minPackets = 30
	// historyPackets is how many sampled packets the buckets before count as: a bucket with
	// as many leans half on them.
	historyPackets = 100
	// decay weighs a bucket against the next: half after about 7 buckets, 33 minutes.
	decay = 0.9
	// HistoryBuckets is how many buckets before a sample matter.
	HistoryBuckets = 24
	// idleRate is the rate in bits/s below which an interface is idle: routing protocols and ARP.
	idleRate = 10_000
)

// Calibrate returns the result for the last of the samples, which are in order
// of time and of one interface and direction; those before are its history.
func Calibrate(samples []Sample, options Options) Result {
	if len(samples) == 0 {
		return Result{Status: None, Reason: ReasonNoSNMP}
	}
	s := samples[len(samples)-1]
	past, weight := history(samples[:len(samples)-1])
	result := Result{Status: None}
	if s.SNMP > 0 {
		result.Coverage = s.Flow / s.SNMP
	}
	if s.SNMP > 0 && s.Flow > 0 {
		result.FactorRaw = s.SNMP / s.Flow
	}
	switch {
	case s.SNMP < 0:
		result.Reason = ReasonNoSNMP
	case options.Unsampled:
		result.Reason = ReasonUnsampled
	case !s.Final && weight >= minPackets:
		result.apply(math.Exp(past), options)
		result.Reason = ReasonProvisional
	case s.Flow == 0 && s.SNMP*8/BucketSeconds < idleRate:
		result.Reason = ReasonIdle
	case s.Flow == 0:
		result.Reason = ReasonNoFlows
		if expectedPackets(s) >= minPackets {
			result.Status = Refused
		}
	case s.SNMP == 0:
		result.Status, result.Reason = Refused, ReasonHigh
		if s.Packets < minPackets {
			result.Status, result.Reason = None, ReasonFewSamples
		}
	case options.Force:
		result.apply(result.FactorRaw, options)
	case s.Packets < minPackets && weight < minPackets:
		result.Reason = ReasonFewSamples
	default:
		n := float64(s.Packets)
		trust := historyPackets * min(1, weight/historyPackets)
		result.apply(math.Exp((n*math.Log(result.FactorRaw)+trust*past)/(n+trust)), options)
	}
	return result
}

// apply passes a factor through the gates.
func (r *Result) apply(factor float64, options Options) {
	r.Factor = factor
	coverage := 1 / factor
	switch {
	case options.Force:
		r.Status, r.Reason = Applied, ReasonForced
	case coverage >= low && coverage <= high:
		r.Status = Applied
	case coverage >= amberLow && coverage <= amberHigh:
		r.Status = Amber
	default:
		r.Status = Refused
	}
	switch {
	case r.Reason != "" || r.Status == Applied:
	case coverage < 1:
		r.Reason = ReasonLow
	default:
		r.Reason = ReasonHigh
	}
}

// expectedPackets is how many sampled packets the SNMP octets would bring at a
// sampling rate of 1:1000 and 700 octets a packet.
func expectedPackets(s Sample) float64 {
	return s.SNMP / 700 / float64(max(s.Rate, 1000))
}

// history returns the smoothed logarithm of the factor of past samples and the
// sampled packets that it rests on, older ones for less. A single odd bucket does
// not count: each is replaced by the median of itself and its two neighbours.
func history(samples []Sample) (mean, weight float64) {
	var factors, packets []float64
	for _, s := range samples[max(0, len(samples)-HistoryBuckets):] {
		if s.Final && s.SNMP > 0 && s.Flow > 0 {
			factors = append(factors, math.Log(s.SNMP/s.Flow))
			packets = append(packets, float64(s.Packets))
		}
	}
	var sum float64
	for i := range factors {
		near := slices.Clone(factors[max(0, i-1):min(len(factors), i+2)])
		w := packets[i] * math.Pow(decay, float64(len(factors)-1-i))
		sum += w * median(near)
		weight += w
	}
	if weight == 0 {
		return 0, 0
	}
	return sum / weight, weight
}

// median returns the median of values, which it sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}
