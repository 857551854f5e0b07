package snmp

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// firstReadings is a Sink that tells when each device had all of its interfaces
// read for the first time.
type firstReadings struct {
	start time.Time
	mu    sync.Mutex
	after map[netip.Addr]time.Duration
	read  int // interfaces
	want  map[uint32]bool
	all   chan struct{} // closed once left is 0
	left  int
}

func (f *firstReadings) Discovered(context.Context, netip.Addr, System, []Interface) error {
	return nil
}
func (f *firstReadings) Wanted(netip.Addr) map[uint32]bool { return f.want }

func (f *firstReadings) Counters(exporter netip.Addr, counters []Counters) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, again := f.after[exporter]; again || len(counters) == 0 {
		return
	}
	f.after[exporter], f.read = time.Since(f.start), f.read+len(counters)
	if f.left--; f.left == 0 {
		close(f.all)
	}
}

// many are agents at addresses of their own, and devices that never answer.
type many struct {
	agents  []*fakeAgent
	devices []Device
	living  []netip.Addr
	want    map[uint32]bool
}

// manyDevices starts devices agents with 100 interfaces each, one with 3,000, and
// adds dead ones. Of twenty agents one answers only little at a time, and, where
// silent is set, one says nothing to who asks for more.
func manyDevices(t testing.TB, devices, dead int, silent bool) *many {
	m := &many{want: map[uint32]bool{}}
	for i := range 3000 {
		m.want[uint32(3*i+3)] = true
	}
	credential := Credential{Version: "2c", Community: "letmein"}
	for i := range devices + 1 {
		a := &fakeAgent{interfaces: 100, host: fmt.Sprintf("127.7.%d.%d", i/250, i%250+1), mostOctets: 1400}
		switch {
		case i == devices:
			a.interfaces, a.mostOctets = 3000, 0
		case i%20 == 1:
			a.mostRows = 4 // tooBig
		case silent && i%20 == 2:
			a.mostRows, a.silent = 4, true
		}
		a.start(t)
		address := netip.MustParseAddr(a.host)
		m.agents, m.living = append(m.agents, a), append(m.living, address)
		m.devices = append(m.devices, Device{Address: address, Port: a.port, Credential: credential})
	}
	for i := range dead { // something listens, and does not answer this community
		m.devices = append(m.devices, Device{Address: netip.AddrFrom4([4]byte{127, 8, byte(i / 250), byte(i%250 + 1)}), Host: m.agents[0].host, Port: m.agents[0].port, Credential: Credential{Version: "2c", Community: "wrong"}})
	}
	return m
}

// round runs a new poller until it has read all interfaces of the living, and
// returns what it took.
func (m *many) round(t testing.TB, concurrency int, timeout time.Duration) *firstReadings {
	t.Helper()
	sink := &firstReadings{start: time.Now(), after: map[netip.Addr]time.Duration{}, want: m.want, all: make(chan struct{}), left: len(m.living)}
	p, err := New(Config{Interval: time.Hour, DiscoveryInterval: 24 * time.Hour, Timeout: timeout, Retries: 1, Concurrency: concurrency,
		File: filepath.Join(t.TempDir(), "snmp.json"), Devices: m.devices}, sink, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	select {
	case <-sink.all:
	case <-time.After(5 * time.Minute):
		t.Error("some devices are not read")
	}
	stop()
	<-done
	return sink
}

func (m *many) asked() (sum int64) {
	for _, a := range m.agents {
		sum += a.asked.Swap(0)
	}
	return sum
}

// Dead devices, ten times as many as there are places, hold up nobody: their
// timeouts, one after the other, are longer than round waits.
func TestManyDevices(t *testing.T) {
	m := manyDevices(t, 30, 40, false)
	sink := m.round(t, 4, 30*time.Second)
	if sink.read != 30*100+3000 {
		t.Errorf("%d interfaces are read", sink.read)
	}
}

// BenchmarkDevices walks and reads 300 devices with 100 interfaces each and one
// with 3,000, beside dead ones, and with 15 that fall silent at large questions; the
// agents' work is in it.
func BenchmarkDevices(b *testing.B) {
	for _, beside := range []struct {
		dead   int
		silent bool
	}{{0, false}, {100, false}, {100, true}} {
		b.Run(fmt.Sprintf("dead=%d,silent=%t", beside.dead, beside.silent), func(b *testing.B) {
			m := manyDevices(b, 300, beside.dead, beside.silent)
			interfaces, last := 0, time.Duration(0)
			for b.Loop() {
				sink := m.round(b, 32, 3*time.Second)
				interfaces = sink.read
				for _, after := range sink.after {
					last = max(last, after)
				}
			}
			b.ReportMetric(float64(interfaces), "interfaces")
			b.ReportMetric(float64(m.asked())/float64(b.N), "requests/op")
			b.ReportMetric(last.Seconds(), "s-until-the-last")
		})
	}
}
