package calibration

import (
	"math"
	"testing"
)

func TestGapsStayGaps(t *testing.T) {
	first := Reading{AtMs: 1_000_000, UptimeMs: 500_000, InOctets: 1 << 40, OutOctets: 1 << 41, Discontinuity: 7, CounterBits: 64}
	next := func(change func(*Reading)) []Reading {
		r := first
		r.AtMs, r.UptimeMs, r.InOctets, r.OutOctets = r.AtMs+60_000, r.UptimeMs+60_000, r.InOctets+1000, r.OutOctets+2000
		change(&r)
		return []Reading{first, r}
	}
	for _, test := range []struct {
		name     string
		readings []Reading
		gap      Gap
		in       float64
	}{
		{"plain", next(func(*Reading) {}), "", 1000},
		{"restart", next(func(r *Reading) { r.UptimeMs = 3000 }), GapRestart, 0},
		{"reset", next(func(r *Reading) { r.Discontinuity++ }), GapDiscontinuity, 0},
		{"backwards", next(func(r *Reading) { r.OutOctets = 0 }), GapNegative, 0},
		{"too fast", next(func(r *Reading) { r.InOctets += 8_000_000_000 }), GapTooFast, 0},
		{"as fast as can be", next(func(r *Reading) { r.InOctets = first.InOctets + 7_800_000_000 }), "", 7_800_000_000},
		{"too long", next(func(r *Reading) { r.AtMs, r.UptimeMs = r.AtMs+1_000_000, r.UptimeMs+1_000_000 }), GapTooLong, 0},
		{"twice the same", next(func(r *Reading) { r.UptimeMs = first.UptimeMs }), GapStill, 0},
		{"32 bits start again", []Reading{{AtMs: 0, UptimeMs: 1000, InOctets: math.MaxUint32 - 9, CounterBits: 32}, {AtMs: 60_000, UptimeMs: 61_000, InOctets: 90, CounterBits: 32}}, "", 100},
		{"uptime starts again after 497 days", []Reading{{AtMs: 0, UptimeMs: uptimeWrapMs - 20_000, CounterBits: 64}, {AtMs: 60_050, UptimeMs: 40_000, InOctets: 5, CounterBits: 64}}, "", 5},
	} {
		got := Deltas(test.readings, 1_000_000_000)
		if len(got) != 1 || got[0].Gap != test.gap || got[0].In != test.in {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

func TestAgentsClockCounts(t *testing.T) {
	// Counted by the agent every 60 s; the second answer came 9 s late.
	readings := []Reading{
		{AtMs: 1_000_000, UptimeMs: 100_000, CounterBits: 64},
		{AtMs: 1_069_000, UptimeMs: 160_000, InOctets: 600, CounterBits: 64},
		{AtMs: 1_120_000, UptimeMs: 220_000, InOctets: 1200, CounterBits: 64},
	}
	intervals := Deltas(readings, 0)
	if in, _, ok := Octets(intervals, 1_030_000, 1_090_000); !ok || in != 600 {
		t.Errorf("%v octets, %t, in %+v", in, ok, intervals)
	}
}

func TestOctetsNeedTheWholeTime(t *testing.T) {
	intervals := []Interval{{FromMs: 0, ToMs: 60_000, In: 60, Out: 120}, {FromMs: 60_000, ToMs: 120_000, Gap: GapRestart}, {FromMs: 120_000, ToMs: 180_000, In: 6}}
	for _, test := range []struct {
		from, to int64
		in       float64
		ok       bool
	}{{0, 60_000, 60, true}, {30_000, 60_000, 30, true}, {30_000, 90_000, 30, false}, {120_000, 200_000, 6, false}, {-10, 50_000, 50, true}, {500_000, 600_000, 0, false}, {5, 5, 0, false}} {
		in, _, ok := Octets(intervals, test.from, test.to)
		if in != test.in || ok != test.ok {
			t.Errorf("%d..%d: %v %t, want %v %t", test.from, test.to, in, ok, test.in, test.ok)
		}
	}
}

// What counters do when something happens to them between two polls is a gap, or is
// right; never a wrong rate. The simulated interface counts 1,000 octets and one
// packet a second.
func TestNoWrongRate(t *testing.T) {
	const speed = 100_000_000
	at := func(second int, change func(*Reading)) Reading {
		r := Reading{AtMs: int64(second) * 1000, UptimeMs: uint64(10_000+second) * 1000, InOctets: uint64(1e9) + uint64(second)*1000, OutOctets: uint64(1e9) + uint64(second)*1000,
			InPackets: 1e6 + uint64(second), OutPackets: 1e6 + uint64(second), Name: "ge-0/0/1", CounterBits: 64}
		if change != nil {
			change(&r)
		}
		return r
	}
	of32 := func(octets, packets uint64) func(*Reading) {
		return func(r *Reading) {
			r.InOctets, r.OutOctets, r.InPackets, r.OutPackets, r.CounterBits = octets%(1<<32), octets%(1<<32), packets, packets, 32
		}
	}
	restarted := func(uptime int) func(*Reading) { // that many seconds ago
		return func(r *Reading) {
			r.UptimeMs, r.InOctets, r.OutOctets = uint64(uptime)*1000, uint64(uptime)*1000, uint64(uptime)*1000
		}
	}
	for name, test := range map[string]struct {
		readings []Reading
		gap      Gap // of the last interval
	}{
		"nothing":                        {[]Reading{at(0, nil), at(60, nil)}, ""},
		"restart":                        {[]Reading{at(0, nil), at(60, restarted(20))}, GapRestart},
		"restart soon after a restart":   {[]Reading{at(0, restarted(20)), at(5, restarted(2))}, GapRestart},
		"restart while nobody asked":     {[]Reading{at(0, restarted(60)), at(600, restarted(400))}, GapRestart}, // both grew
		"agent restarts, counters go on": {[]Reading{at(0, nil), at(60, func(r *Reading) { r.UptimeMs = 5000 })}, GapRestart},
		"the agent's clock jumps ahead":  {[]Reading{at(0, nil), at(60, func(r *Reading) { r.UptimeMs += 3_600_000 })}, GapRestart},
		"the agent tells a cached time":  {[]Reading{at(0, nil), at(60, func(r *Reading) { *r = at(0, nil); r.AtMs = 60_000 }), at(120, nil)}, ""},
		"a late answer":                  {[]Reading{at(0, nil), at(60, func(r *Reading) { r.AtMs += 9000 })}, ""},
		"one interface is reset":         {[]Reading{at(0, nil), at(60, func(r *Reading) { r.InOctets, r.OutOctets = 3000, 3000 })}, GapNegative},
		"its discontinuity time changes": {[]Reading{at(0, nil), at(60, func(r *Reading) { r.Discontinuity = 1_003_000 })}, GapDiscontinuity},
		"another interface has its ifIndex": {[]Reading{at(0, nil), at(60, func(r *Reading) {
			r.Name, r.InOctets, r.OutOctets = "ge-0/0/2", r.InOctets+5_000_000, r.OutOctets+5_000_000
		})}, GapRenumbered},
		"32 bits start again":                               {[]Reading{at(0, of32(1<<32-30_000, 7000)), at(60, of32(1<<32+30_000, 7060))}, ""},
		"32 bits are reset":                                 {[]Reading{at(0, of32(1<<32-30_000, 7000)), at(60, of32(30_000, 30))}, GapDiscontinuity},
		"32 bits are reset, far from their end":             {[]Reading{at(0, of32(1<<31, 0)), at(60, of32(30_000, 0))}, GapTooFast},
		"32 bits, as long as they may start again twice":    {[]Reading{at(0, of32(0, 7000)), at(600, of32(2<<32+600_000, 9_000_000))}, GapTooLong},
		"64 bits become 32 bits":                            {[]Reading{at(0, nil), at(60, of32(1e9+60_000, 1e6+60))}, GapDiscontinuity},
		"it vanishes for long":                              {[]Reading{at(0, nil), at(60, nil), at(1200, nil)}, GapTooLong},
		"it vanishes for a while":                           {[]Reading{at(0, nil), at(60, nil), at(300, nil)}, ""},
		"nobody asked while sysUpTime and the counter grew": {[]Reading{at(0, restarted(30)), at(3600, restarted(3500))}, GapRestart},
	} {
		intervals := Deltas(test.readings, speed)
		last := intervals[len(intervals)-1]
		if last.Gap != test.gap {
			t.Errorf("%s: %+v, want gap %q", name, last, test.gap)
		}
		if seconds := float64(last.ToMs-last.FromMs) / 1000; last.Gap == "" && (math.Abs(last.In/seconds-1000) > 1 || math.Abs(last.Out/seconds-1000) > 1) {
			t.Errorf("%s: %v octets/s", name, last.In/seconds)
		}
	}
	// Where the speed is not known, the one up to which they are read bounds what 32 bits count.
	if fast := Deltas([]Reading{at(0, of32(0, 0)), at(60, of32(1_000_000_000, 0))}, 0); fast[0].Gap != GapTooFast {
		t.Errorf("%+v", fast)
	}
}
