package simulator

import (
	"math"
	"math/rand/v2"
)

// exactBelow is the mean below which counts are drawn exactly, by inversion;
// above it the normal approximation is indistinguishable.
const exactBelow = 32

// poisson draws from the Poisson distribution.
func poisson(r *rand.Rand, mean float64) uint64 {
	if mean >= exactBelow {
		return rounded(mean + math.Sqrt(mean)*r.NormFloat64())
	}
	p, u, k := math.Exp(-mean), r.Float64(), uint64(0)
	for u > p && k < 10*exactBelow {
		u -= p
		k++
		p *= mean / float64(k)
	}
	return k
}

// binomial draws how many of n packets are sampled when each one is, with
// probability p.
func binomial(r *rand.Rand, n uint64, p float64) uint64 {
	switch mean := float64(n) * p; {
	case p >= 1:
		return n
	case mean == 0:
		return 0
	case mean >= exactBelow:
		return min(n, rounded(mean+math.Sqrt(mean*(1-p))*r.NormFloat64()))
	}
	odds := p / (1 - p)
	probability, u, k := math.Exp(float64(n)*math.Log1p(-p)), r.Float64(), uint64(0)
	for u > probability && k < n {
		u -= probability
		k++
		probability *= odds * float64(n-k+1) / float64(k)
	}
	return k
}

func rounded(x float64) uint64 { return uint64(max(0, math.Round(x))) }
