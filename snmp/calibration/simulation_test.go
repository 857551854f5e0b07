package calibration

import (
	"math"
	"math/rand/v2"
)

// A router is a simulated one with an interface whose traffic is known to the
// octet: what it samples, exports and counts is derived from that, with faults.
type router struct {
	random *rand.Rand

	rate      float64   // packets sampled: one in so many
	announced uint32    // what it says
	lost      float64   // share of export datagrams lost
	lossWaves bool      // loss comes and goes, up to lost
	twice     bool      // ingress and egress are both exported
	unsampled bool      // this direction is not sampled
	mbps      float64   // mean load
	slices    []float64 // shares of the traffic
	refresh   int       // seconds between refreshes of the SNMP counters
	resetAt   int       // second in which the agent restarts, 0 for never
	start     uint64    // the counter at the beginning
	bits      uint8     // of the counter
}

// traffic is what the simulation knows of every minute.
type traffic struct {
	truth   []float64   // octets of each minute
	slice   [][]float64 // octets of each slice and minute
	bytes   [][]float64 // sampled
	bytesSq [][]float64
	packets [][]float64

	readings []Reading
}

// sizes of packets in octets, as often as they come.
var sizes = []float64{64, 64, 576, 1500, 1500}

const beginning = 1_800_000_000 // Unix seconds, the edge of a bucket

func newRouter(seed uint64) *router {
	return &router{random: rand.New(rand.NewPCG(seed, 7)), rate: 1000, announced: 1000, mbps: 800,
		slices: []float64{0.6, 0.25, 0.1, 0.04, 0.01}, refresh: 10, bits: 64}
}

func (r *router) poisson(mean float64) float64 {
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*r.random.NormFloat64()))
	}
	n, limit, product := 0.0, math.Exp(-mean), r.random.Float64()
	for product > limit {
		product *= r.random.Float64()
		n++
	}
	return n
}

// run simulates minutes of traffic, polled every minute.
func (r *router) run(minutes int) traffic {
	var t traffic
	for range r.slices {
		t.slice = append(t.slice, make([]float64, minutes))
		t.bytes = append(t.bytes, make([]float64, minutes))
		t.bytesSq = append(t.bytesSq, make([]float64, minutes))
		t.packets = append(t.packets, make([]float64, minutes))
	}
	t.truth = make([]float64, minutes)
	for minute := range minutes {
		load := r.mbps * (1 + 0.5*math.Sin(float64(minute)/230)) * math.Exp(0.1*r.random.NormFloat64())
		lost := r.lost
		if r.lossWaves {
			lost *= math.Abs(math.Sin(float64(minute) / 13))
		}
		for i, share := range r.slices {
			for _, size := range sizes {
				octets := share * load * 1e6 / 8 * 60 / float64(len(sizes))
				packets := r.poisson(octets / size)
				t.slice[i][minute] += packets * size
				t.truth[minute] += packets * size
				if r.unsampled {
					continue
				}
				sampled := r.poisson(packets / r.rate * (1 - lost))
				if r.twice {
					sampled += r.poisson(packets / r.rate)
				}
				t.packets[i][minute] += sampled
				t.bytes[i][minute] += sampled * size
				t.bytesSq[i][minute] += sampled * size * size
			}
		}
	}
	t.readings = r.poll(t.truth)
	return t
}

// poll reads the counters once a minute, answers coming up to 300 ms late.
func (r *router) poll(truth []float64) []Reading {
	at := func(second int) float64 { // octets since the beginning, traffic even within a minute
		var octets float64
		for m := 0; m < second/60; m++ {
			octets += truth[m]
		}
		if rest := second % 60; rest > 0 {
			octets += truth[second/60] * float64(rest) / 60
		}
		return octets
	}
	var readings []Reading
	booted, base := -100_000, r.start
	for second := 3; second < 60*len(truth); second += 60 {
		if r.resetAt > 0 && second >= r.resetAt && booted < 0 {
			booted, base = r.resetAt, 0
		}
		counted := at(second - second%r.refresh)
		if booted > 0 {
			counted -= at(booted)
		}
		value := base + uint64(max(0, counted))
		if r.bits == 32 {
			value = uint64(uint32(value))
		}
		readings = append(readings, Reading{
			AtMs:     int64(beginning+second)*1000 + r.random.Int64N(300),
			UptimeMs: uint64(second-booted) * 1000,
			InOctets: value, OutOctets: value, CounterBits: r.bits,
		})
	}
	return readings
}

// samples are the buckets that nfstats would see.
func (r *router) samples(t traffic) []Sample {
	intervals := Deltas(t.readings, 10_000_000_000)
	var samples []Sample
	for b := 0; b+5 < len(t.truth); b += 5 { // the last is not polled to its end
		s := Sample{Bucket: beginning + int64(b)*60, SNMP: -1, Final: true, Rate: r.announced}
		if in, _, ok := Octets(intervals, s.Bucket*1000, (s.Bucket+BucketSeconds)*1000); ok {
			s.SNMP = in
		}
		for i := range r.slices {
			for m := b; m < b+5; m++ {
				s.Flow += t.bytes[i][m] * float64(r.announced)
				s.Packets += uint64(t.packets[i][m])
			}
		}
		if r.twice {
			s.Egress = s.Flow / 2
		}
		if s.Flow == 0 {
			s.Rate = 0
		}
		samples = append(samples, s)
	}
	return samples
}

// results are those of all samples.
func results(samples []Sample, options Options) []Result {
	var all []Result
	for i := range samples {
		all = append(all, Calibrate(samples[:i+1], options))
	}
	return all
}
