// Package calibration makes sampled flows agree with the SNMP counters of the
// interface that they crossed. It is arithmetic only: no I/O, no clock, no state
// between calls, so that the same readings and flows always give the same answer.
//
// The way of the numbers: Readings of an interface's counters become Intervals of
// known octets, or gaps where a delta cannot be trusted (Deltas). Octets
// interpolates them to the edges of a five-minute bucket. A bucket's SNMP octets S
// and flow octets E (scaled by the sampling rate) make a Sample; Calibrate turns
// it, with those before it, into the factor S/E that queries multiply by, or into
// the reason why they must not. Diagnose says in words what is wrong with an
// interface and how to repair it.
//
// Limits: a bucket that SNMP does not cover as a whole has no factor, and no
// factor makes a slice of few samples precise (StandardError).
package calibration
