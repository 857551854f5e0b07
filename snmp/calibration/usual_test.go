package calibration

import (
	"math"
	"math/rand/v2"
	"testing"
)

// exporterNoise are the buckets of the interfaces of an exporter that samples one
// packet in rate and does not say so; loads differ twentyfold.
func exporterNoise(random *rand.Rand, rate float64, ways int, perBucket float64) (all [][]Sample) {
	mean, square := 0.0, 0.0
	for _, size := range sizes {
		mean, square = mean+size/float64(len(sizes)), square+size*size/float64(len(sizes))
	}
	for range ways {
		var samples []Sample
		load := perBucket * math.Exp(random.NormFloat64()*0.75)
		for b := range 36 {
			packets := load * math.Exp(0.1*random.NormFloat64())
			flow := max(0, packets*mean+math.Sqrt(packets*square)*random.NormFloat64())
			samples = append(samples, Sample{Bucket: int64(b) * BucketSeconds, SNMP: packets * mean * rate, Flow: flow, Packets: uint64(packets), Rate: 1, Final: true})
		}
		all = append(all, samples)
	}
	return all
}

// How often the rate that is suggested is the right one of two that are 2.4 % apart,
// by sampled packets in five minutes and by interfaces: three hours, no rate announced.
func TestShareOfRightSuggestions(t *testing.T) {
	const trials = 200
	for _, test := range []struct {
		perBucket float64
		ways      int
		least     float64 // share of exporters whose rate is right
	}{{300, 1, 0.7}, {300, 4, 0.93}, {300, 16, 0.97}, {3000, 1, 0.95}, {3000, 4, 0.97}, {3000, 16, 0.99}, {30000, 1, 0.99}, {30000, 4, 0.99}, {30000, 16, 0.99}} {
		right := 0
		for trial := range trials {
			random := rand.New(rand.NewPCG(uint64(trial), 1))
			rate := []float64{1000, 1024, 2000, 2048, 4000, 4096, 8000, 8192}[trial%8]
			var found []Diagnosis
			for _, samples := range exporterNoise(random, rate, test.ways, test.perBucket) {
				found = append(found, Diagnose(Evidence{Samples: samples, Opposite: samples}))
			}
			if float64(Usual(found)) == rate {
				right++
			}
		}
		share := float64(right) / trials
		t.Logf("%6.0f packets, %2d interfaces: %.1f %% right", test.perBucket, test.ways, 100*share)
		if share < test.least {
			t.Errorf("%v packets, %d interfaces: %.1f %% right, want at least %.0f %%", test.perBucket, test.ways, 100*share, 100*test.least)
		}
	}
}
