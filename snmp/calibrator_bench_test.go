package snmp

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/store"
)

// BenchmarkCalibrator is what the calibrator does every 30 s for 15,000 interfaces
// of 150 devices, with two hours of history.
func BenchmarkCalibrator(b *testing.B) {
	s := prepared(b)
	now := time.Now()
	from := now.Truncate(5 * time.Minute).Add(-150 * time.Minute)
	for m := 0; from.Add(time.Duration(m) * time.Minute).Before(now); m++ {
		var counters []store.Counter
		for i := range 15_000 {
			octets := uint64(m) * 60_000_000
			counters = append(counters, store.Counter{Exporter: netip.AddrFrom4([4]byte{10, 0, byte(i / 100), 1}), IfIndex: uint32(i%100 + 1), IfName: "xe-0/0/1",
				AtMs: from.Add(time.Duration(m) * time.Minute).UnixMilli(), UptimeMs: uint64(1_000_000 + m*60_000), InOctets: octets, OutOctets: octets, Bits: 64})
		}
		if err := s.InsertCounters(b.Context(), counters); err != nil {
			b.Fatal(err)
		}
	}
	c := NewCalibrator(s, 5*time.Minute, zap.NewNop())
	if err := c.CatchUp(b.Context(), now); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	most, done := peakHeap()
	for b.Loop() {
		if err := c.CatchUp(b.Context(), now); err != nil {
			b.Fatal(err)
		}
	}
	done()
	b.ReportMetric(float64(*most)/1e6, "MB-heap")
}

// peakHeap watches the heap until done is called; then most is the largest it was.
func peakHeap() (most *uint64, done func()) {
	most = new(uint64)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			*most = max(*most, m.HeapAlloc)
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return most, func() { close(stop); <-stopped }
}
