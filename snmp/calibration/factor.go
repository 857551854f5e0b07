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
	Bits32  bool    // SNMP comes from counters of 32 bits, which is less sure
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
	ReasonBits32      = "counters of 32 bits"
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
	if s.contradicts(past, samples[:len(samples)-1]) {
		past, weight = 0, 0
	}
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
	if s.Bits32 && result.Reason == "" {
		result.Reason = ReasonBits32
	}
	return result
}

// contradicts reports whether history is about another time: a final sample of
// many packets is far from it, or the sampling rate is another one.
func (s Sample) contradicts(past float64, before []Sample) bool {
	if s.SNMP <= 0 || s.Flow <= 0 || s.Packets < historyPackets || agree(s, math.Log(s.SNMP/s.Flow)-past) {
		return false
	}
	last := known(before)
	return s.Final || len(last) > 0 && last[len(last)-1].Rate != s.Rate
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
	samples = known(samples)
	samples = samples[max(0, len(samples)-HistoryBuckets):]
	samples = samples[changePoint(samples):]
	factors := logFactors(samples)
	var sum float64
	for i, s := range samples {
		near := slices.Clone(factors[max(0, i-1):min(len(factors), i+2)])
		w := float64(s.Packets) * math.Pow(decay, float64(len(factors)-1-i))
		sum += w * median(near)
		weight += w
	}
	if weight == 0 {
		return 0, 0
	}
	return sum / weight, weight
}

// known returns the final samples whose factor is known.
func known(samples []Sample) (some []Sample) {
	for _, s := range samples {
		if s.Final && s.SNMP > 0 && s.Flow > 0 {
			some = append(some, s)
		}
	}
	return some
}

func logFactors(samples []Sample) []float64 {
	factors := make([]float64, len(samples))
	for i, s := range samples {
		factors[i] = math.Log(s.SNMP / s.Flow)
	}
	return factors
}

// step is by how much the logarithm of a factor differs after somebody has
// changed a sampling rate, or sampling itself: 1.5-fold. Noise adds to it.
const step = 0.4

// changePoint returns the index of the first sample since when the factor is
// about what it is now: with another sampling rate before it, or two in a row
// that differ from the newest three. The samples are known ones.
func changePoint(samples []Sample) int {
	n := len(samples)
	factors := logFactors(samples)
	now := median(slices.Clone(factors[max(0, n-3):]))
	for i := n - 1; i > 0; i-- {
		before := samples[i-1]
		if before.Rate != samples[i].Rate && !agree(before, factors[i-1]-factors[i]) {
			return i
		}
		if i < n-1 && !agree(samples[i], factors[i]-now) && !agree(before, factors[i-1]-now) {
			return i + 1
		}
	}
	return 0
}

// agree reports whether a difference to the logarithm of a sample's factor may be noise.
func agree(s Sample, difference float64) bool {
	return math.Abs(difference) < step+3*1.5/math.Sqrt(float64(max(s.Packets, 1)))
}

// Recent returns the samples since somebody changed a sampling rate, or sampling
// itself, as far as factors tell.
func Recent(samples []Sample) []Sample {
	some := known(samples)
	at := changePoint(some)
	if at == 0 {
		return samples
	}
	from := some[at].Bucket
	i := slices.IndexFunc(samples, func(s Sample) bool { return s.Bucket == from })
	return samples[i:]
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
