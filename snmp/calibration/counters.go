package calibration

import "math"

// A Reading is what one poll tells of an interface.
type Reading struct {
	AtMs          int64  // Unix milliseconds, our clock, when the answer came
	UptimeMs      uint64 // the agent's sysUpTime in the same answer
	InOctets      uint64 // ifHCInOctets, or ifInOctets where CounterBits is 32
	OutOctets     uint64
	InPackets     uint64 // of the same width
	OutPackets    uint64
	Name          string // ifName, "" if not told
	Discontinuity uint32 // ifCounterDiscontinuityTime, hundredths of a second of sysUpTime
	CounterBits   uint8  // 64 or 32
}

// A Gap says why the octets between two readings are not known.
type Gap string

// The reasons of gaps.
const (
	GapRestart       Gap = "the agent restarted, or its clock was set" // sysUpTime did not advance as our clock did
	GapRenumbered    Gap = "another interface has the ifIndex"
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

// MaxSpeed32 is the speed in bits/s up to which counters of 32 bits tell anything:
// a full faster interface starts them again within minutes.
const MaxSpeed32 = 100_000_000

const (
	// uptimeWrapMs is where sysUpTime, 32 bits of hundredths of a second, starts again: 497 days.
	uptimeWrapMs = 10 << 32
	// maxIntervalMs bounds interpolation: over a longer time the rate is not even.
	maxIntervalMs = 15 * 60 * 1000
	// clockSlackMs is by how much the agent's clock may seem to differ from ours between two readings: answers come late.
	clockSlackMs = 30_000
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
		most := mostOctets(b.CounterBits, speed, length)
		in, inOK := delta(a.InOctets, b.InOctets, b.CounterBits)
		out, outOK := delta(a.OutOctets, b.OutOctets, b.CounterBits)
		switch {
		case restarted[i]:
			interval.Gap = GapRestart
		case length <= 0 || interval.ToMs <= interval.FromMs:
			interval.Gap = GapStill
		case a.Name != b.Name && a.Name != "" && b.Name != "":
			interval.Gap = GapRenumbered
		case a.Discontinuity != b.Discontinuity || a.CounterBits != b.CounterBits || wasReset(a, b):
			interval.Gap = GapDiscontinuity
		case !inOK || !outOK:
			interval.Gap = GapNegative
		case length > maxIntervalMs || b.CounterBits == 32 && most >= 1<<32: // it may have started again more than once
			interval.Gap = GapTooLong
		case max(in, out) > most:
			interval.Gap = GapTooFast
		default:
			interval.In, interval.Out = in, out
		}
		intervals = append(intervals, interval)
	}
	return intervals
}

// mostOctets returns how many octets a counter can count in a time. Where the speed
// is not known, that has no bound but the one up to which counters of 32 bits are read.
func mostOctets(bits uint8, speed uint64, lengthMs int64) float64 {
	if bits == 32 && (speed == 0 || speed > MaxSpeed32) {
		speed = MaxSpeed32
	}
	if speed == 0 {
		return math.Inf(1)
	}
	return maxOverspeed * float64(speed) * float64(lengthMs) / 8000
}

// delta returns how far a counter went. A counter of 32 bits may have started
// again once: where it can do so twice, the interval is too long.
func delta(from, to uint64, bits uint8) (octets float64, ok bool) {
	if bits == 32 {
		return float64(uint32(to) - uint32(from)), true
	}
	return float64(to - from), to >= from
}

// wasReset reports whether octets of 32 bits seem to have started again because they
// were full, though the packets, which take hours for that, did, too.
func wasReset(a, b *Reading) bool {
	fell := func(octets, next, packets, after uint64) bool { return next < octets && after < packets }
	return b.CounterBits == 32 && (fell(a.InOctets, b.InOctets, a.InPackets, b.InPackets) || fell(a.OutOctets, b.OutOctets, a.OutPackets, b.OutPackets))
}

// unwrapped returns the agent's uptimes counted on where sysUpTime started again
// because it was full, and tells where it did not advance as our clock did. An
// agent may tell the same time for a while.
func unwrapped(readings []Reading) (uptimes []uint64, restarted []bool) {
	uptimes, restarted = make([]uint64, len(readings)), make([]bool, len(readings))
	var wraps uint64
	since := 0 // the first reading of the time told last
	for i, r := range readings {
		if i > 0 && r.UptimeMs != readings[since].UptimeMs {
			passed := r.AtMs - readings[since].AtMs
			advanced := int64(r.UptimeMs) - int64(readings[since].UptimeMs)
			switch {
			case advanced > 0 && clocksAgree(advanced, passed):
			case clocksAgree(advanced+uptimeWrapMs, passed):
				wraps++
			default:
				wraps, restarted[i] = 0, true
			}
			since = i
		}
		uptimes[i] = r.UptimeMs + wraps*uptimeWrapMs
	}
	return uptimes, restarted
}

func clocksAgree(advancedMs, passedMs int64) bool {
	return advancedMs-passedMs < clockSlackMs && passedMs-advancedMs < clockSlackMs
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
