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
