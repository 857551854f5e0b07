package calibration

import "math"

// Z95 makes an error bar of 95 % of a standard error.
const Z95 = 1.96

// StandardError returns that of rate·bytes, the octets that sampled flows stand
// for: N·√q, where q is Σ bytes²/packets of their records (column bytes_sq), the
// sum over sampled packets of their size squared. Sampling each packet with
// probability 1/N makes the sampled sizes a Poisson sum, whose variance that is,
// less the share 1/N that is known because it was seen.
func StandardError(rate, bytesSq float64) float64 {
	if rate <= 1 {
		return 0
	}
	return rate * math.Sqrt(bytesSq*(1-1/rate))
}

// CalibratedError returns the standard error in octets of a slice's part of snmp
// octets: its share p is sliceBytes/totalBytes, its error that of a ratio of two
// sums that have the slice in common, √(q_c(1−2p) + p²·Q)/B.
func CalibratedError(sliceBytes, sliceBytesSq, totalBytes, totalBytesSq, snmp float64) float64 {
	if totalBytes <= 0 {
		return 0
	}
	p := sliceBytes / totalBytes
	return snmp * math.Sqrt(max(0, sliceBytesSq*(1-2*p)+p*p*totalBytesSq)) / totalBytes
}
