package simulator

import (
	"math"
	"testing"
	"time"
)

// Whatever happens to a router between two polls, the octets of five minutes are what
// passed the wire, or not known. Only a few are not known.
func TestCountersTellTheTruthOrNothing(t *testing.T) {
	for name, faults := range map[string][]string{
		"none":              nil,
		"reboot":            {"core1:reboot=17m30s", "core2:reboot=17m30s", "edge1:reboot=17m30s"},
		"reboot, renumber":  {"core1:reboot=16m10s", "core1:renumber", "core2:reboot=16m10s", "core2:renumber", "edge1:reboot=16m10s", "edge1:renumber"},
		"reset":             {"core1:reset=18m20s", "core2:reset=18m20s", "edge1:reset=18m20s"},
		"reset of 32 bits":  {"core1:counter32", "core1:reset=18m20s", "core2:counter32", "core2:reset=18m20s", "edge1:counter32", "edge1:reset=18m20s"},
		"32 bits and again": {"core1:counter32", "core2:counter32", "edge1:counter32", "edge1:reboot=22m"},
		"late counters":     {"core1:refresh=30s", "core2:refresh=45s", "edge1:refresh=20s"},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]Faults{}
			for _, text := range faults {
				if err := ParseFault(text, all); err != nil {
					t.Fatal(err)
				}
			}
			p := prove(t, Config{Seed: 17, Faults: all}, 40*time.Minute)
			known, unknown := 0, 0
			for w, buckets := range p.buckets {
				gaps := 0
				for i, b := range buckets {
					if b.sample.SNMP < 0 {
						gaps++
						continue
					}
					known++
					// Counters that are renewed every 45 s, or a load that changes within a minute, move a part of the octets of a bucket.
					if off := math.Abs(b.sample.SNMP - b.truth); off > 0.08*b.truth+1e6 {
						t.Errorf("%+v, bucket %d: the counters tell %.4g octets, the truth is %.4g", w, i, b.sample.SNMP, b.truth)
					}
				}
				unknown += gaps
				if slow := p.speeds[w] <= 100*megabit; gaps > 2 && (slow || !all[w.router].Counter32) {
					t.Errorf("%+v: %d of %d buckets are not known", w, gaps, len(buckets))
				}
			}
			t.Logf("%d buckets known, %d not", known, unknown)
		})
	}
}
