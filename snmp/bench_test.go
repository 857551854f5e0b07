package snmp

import "testing"

// BenchmarkCounters reads the counters of a device with 1000 interfaces in use,
// as a poll does; the agent's work is in it.
func BenchmarkCounters(b *testing.B) {
	agent := &fakeAgent{interfaces: 1000}
	agent.start(b)
	s := agent.session(b)
	found, _, err := s.interfaces(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var indexes []uint32
	for _, i := range found {
		indexes = append(indexes, i.IfIndex)
	}
	agent.asked.Store(0)
	b.ReportAllocs()
	for b.Loop() {
		if counters, err := s.counters(b.Context(), indexes, nil); err != nil || len(counters) != len(indexes) {
			b.Fatalf("%d readings: %v", len(counters), err)
		}
	}
	b.ReportMetric(float64(agent.asked.Load())/float64(b.N), "requests/op")
}
