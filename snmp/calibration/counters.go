package calibration

import "math"

// A Reading is what one poll tells of an interface.
type Reading struct {
	AtMs          int64  // Unix milliseconds, our clock, when the answer came
	UptimeMs      uint64 // the agent's sysUpTime in the same answer
	InOctets      uint64 // ifHCInOctets, or ifInOctets where CounterBits is 32
	OutOctets     uint64
	Discontinuity uint32 // ifCounterDiscontinuityTime, hundredths of a second of sysUpTime
	CounterBits   uint8  // 64 or 32
}

// A Gap says why the octets between two readings are not known.
type Gap string

// The reasons of gaps.
const (
	GapRestart       Gap = "the agent restarted"     // sysUpTime fell
	GapDiscontinuity Gap = "the counters were reset" // ifCounterDiscontinuityTime changed (RFC 2863 §3.1.5)
	GapNegative      Gap = "a counter went backwards"
	GapTooFast       Gap = "more octets than the interface's speed allows"
	GapTooLong       Gap = "too long without a reading"     // the octets are known, not when they passed
	GapStill         Gap = "the agent's clock stands still" // two readings of one sysUpTime
)

// An Interval is a time in which an interface's octets are known.
type Interval struct {
	FromMs, ToMs int64 // Unix milliseconds, by the agent's sysUpTime
	In, Out      float64
	Gap          Gap // not "": the octets are not known
	Bits32       bool
}

const (
	// uptimeWrapMs is where sysUpTime, 32 bits of hundredths of a second, starts again: 497 days.
	uptimeWrapMs = uint64(10) << 32
	// maxIntervalMs bounds interpolation: over a longer time the rate is not even.
	maxIntervalMs = 15 * 60 * 1000
	// maxOverspeed is what clock resolution and counters that refresh late may add to a full interface.
	maxOverspeed = 1.05
	// offsetWindow is the number of readings over which the agent's clock is compared with ours.
	offsetWindow = 10
)

// Deltas turns the readings of an interface, oldest first, into the intervals
// between them. speed is the interface's in bits/s, 0 if not known.

// The length of an interval is that of the agent's sysUpTime, which was read with
// the counters; its place in our time is that of the reading that took the
// shortest way to us of the last ten, so that a late answer moves nothing.
func Deltas(readings []Reading, speed uint64) []Interval {
	if len(readings) < 2 {
		return nil
	}
	uptimes, restarted := unwrapped(readings)
	times := agentTimes(readings, uptimes, restarted)
	intervals := make([]Interval, 0, len(readings)-1)
	for i := 1; i < len(readings); i++ {
		a, b := &readings[i-1], &readings[i]
		interval := Interval{FromMs: times[i-1], ToMs: times[i], Bits32: a.CounterBits == 32 || b.CounterBits == 32}
		length := int64(uptimes[i]) - int64(uptimes[i-1])
		in, inOK := delta(a.InOctets, b.InOctets, b.CounterBits)
		out, outOK := delta(a.OutOctets, b.OutOctets, b.CounterBits)
		switch {
		case restarted[i]:
			interval.Gap = GapRestart
		case length <= 0 || interval.ToMs <= interval.FromMs:
			interval.Gap = GapStill
		case a.Discontinuity != b.Discontinuity || a.CounterBits != b.CounterBits:
			interval.Gap = GapDiscontinuity
		case !inOK || !outOK:
			interval.Gap = GapNegative
		case speed > 0 && max(in, out)*8000/float64(length) > maxOverspeed*float64(speed):
			interval.Gap = GapTooFast
		case length > maxIntervalMs:
			interval.Gap = GapTooLong
		default:
			interval.In, interval.Out = in, out
		}
		intervals = append(intervals, interval)
	}
	return intervals
}

// delta returns how far a counter went. A counter of 32 bits may have started
// again once: it is only read where that takes longer than the time between polls.
func delta(from, to uint64, bits uint8) (octets float64, ok bool) {
	if bits == 32 {
		return float64(uint32(to) - uint32(from)), true
	}
	return float64(to - from), to >= from
}

// unwrapped returns the agent's uptimes counted on where sysUpTime started again
// because it was full, and tells where it did so because the agent restarted.
func unwrapped(readings []Reading) (uptimes []uint64, restarted []bool) {
	uptimes, restarted = make([]uint64, len(readings)), make([]bool, len(readings))
	var wraps uint64
	for i, r := range readings {
		if i > 0 && r.UptimeMs < readings[i-1].UptimeMs {
			passed := float64(r.AtMs - readings[i-1].AtMs)
			if math.Abs(float64(r.UptimeMs+uptimeWrapMs-readings[i-1].UptimeMs)-passed) < 30_000 {
				wraps++
			} else {
				wraps, restarted[i] = 0, true
			}
		}
		uptimes[i] = r.UptimeMs + wraps*uptimeWrapMs
	}
	return uptimes, restarted
}

// agentTimes places readings in our time.
func agentTimes(readings []Reading, uptimes []uint64, restarted []bool) []int64 {
	times := make([]int64, len(readings))
	epoch := 0 // first reading since the agent started
	for i := range readings {
		if restarted[i] {
			epoch = i
		}
		offset := int64(math.MaxInt64)
		for j := max(epoch, i-offsetWindow+1); j <= i; j++ {
			offset = min(offset, readings[j].AtMs-int64(uptimes[j]))
		}
		times[i] = offset + int64(uptimes[i])
		if i > epoch { // a new, better offset does not move a reading before the one before it
			times[i] = max(times[i], times[i-1])
		}
	}
	return times
}

// Octets returns the octets of a time [fromMs, toMs), those of intervals that
// lie across an edge in proportion. ok is false where a part of the time is not
// known.
func Octets(intervals []Interval, fromMs, toMs int64) (in, out float64, ok bool) {
	var known int64
	for _, i := range intervals {
		a, b := max(i.FromMs, fromMs), min(i.ToMs, toMs)
		if a >= b || i.Gap != "" {
			continue
		}
		share := float64(b-a) / float64(i.ToMs-i.FromMs)
		in += share * i.In
		out += share * i.Out
		known += b - a
	}
	// A better guess of the agent's clock may leave a seam between two intervals.
	return in, out, toMs > fromMs && float64(known) >= 0.99*float64(toMs-fromMs)
}
