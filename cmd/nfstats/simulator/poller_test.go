package simulator

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/snmp"
)

// A sink keeps what the poller finds.
type sink struct {
	mu         sync.Mutex
	interfaces map[netip.Addr][]snmp.Interface
	newest     map[netip.Addr]map[uint32]snmp.Counters
	uptime     map[netip.Addr]uint64
}

// Discovered keeps the interfaces of a device.
func (s *sink) Discovered(_ context.Context, exporter netip.Addr, _ snmp.System, interfaces []snmp.Interface) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interfaces[exporter] = interfaces
	return nil
}

// Counters keeps the newest counters of a device.
func (s *sink) Counters(exporter netip.Addr, counters []snmp.Counters) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newest[exporter] == nil {
		s.newest[exporter] = map[uint32]snmp.Counters{}
	}
	for _, c := range counters {
		s.newest[exporter][c.IfIndex] = c
		s.uptime[exporter] = c.UptimeMs
	}
}

// Wanted names none: small devices are polled as a whole.
func (s *sink) Wanted(netip.Addr) map[uint32]bool { return nil }

// TestPollerReadsAgents: what the daemon's poller reads from the simulated agents
// is what their routers count.
func TestPollerReadsAgents(t *testing.T) {
	n := newRun(t, Config{Seed: 9, Faults: map[string]Faults{"edge1.ham": {Counter32: true}}}).network
	n.Advance(start.Add(time.Minute))
	found := &sink{interfaces: map[netip.Addr][]snmp.Interface{}, newest: map[netip.Addr]map[uint32]snmp.Counters{}, uptime: map[netip.Addr]uint64{}}
	c := snmp.Config{Interval: time.Second, DiscoveryInterval: time.Hour, Timeout: 2 * time.Second, Retries: 2, Concurrency: 3, File: t.TempDir() + "/devices.json"}
	for _, r := range n.Routers() {
		at := netip.MustParseAddrPort(agent(t, n, r.Name()))
		c.Devices = append(c.Devices, snmp.Device{Address: r.Address(), Port: at.Port(), Credential: snmp.Credential{Version: "2c", Community: "demo"}, Source: snmp.FromConfig})
	}
	poller, err := snmp.New(c, found, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- poller.Run(ctx) }()
	for _, r := range n.Routers() {
		await(t, found, r)
	}
	n.Advance(start.Add(2 * time.Minute))
	for _, r := range n.Routers() {
		await(t, found, r)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// await waits until the poller has read the router's counters of now, and
// compares all.
func await(t *testing.T, found *sink, r *Router) {
	t.Helper()
	s := r.Snapshot()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		found.mu.Lock()
		current := len(found.interfaces[r.Address()]) > 0 && found.uptime[r.Address()] == uint64(s.Uptime.Milliseconds())/10*10
		found.mu.Unlock()
		if current {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the poller has not read %s", r.Name())
		}
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	if len(found.interfaces[r.Address()]) != len(s.Interfaces) {
		t.Fatalf("%s: discovered %+v", r.Name(), found.interfaces[r.Address()])
	}
	mask := uint64(1<<64 - 1)
	if r.faults.Counter32 {
		mask = 1<<32 - 1
	}
	for k, i := range s.Interfaces {
		got, counted := found.interfaces[r.Address()][k], found.newest[r.Address()][i.Index]
		if got.IfIndex != i.Index || got.Name != i.Name || got.Description != i.Description || got.Speed != i.Speed {
			t.Errorf("%s: discovered %+v, want %+v", r.Name(), got, i)
		}
		if r.faults.Counter32 && i.Speed > 100*megabit {
			if counted.Bits != 0 {
				t.Errorf("%s %s: 32 bits are too few for it, and are read: %+v", r.Name(), i.Name, counted)
			}
			continue
		}
		if counted.InOctets != i.InOctets&mask || counted.OutOctets != i.OutOctets&mask || counted.InPackets != i.InPackets&mask || counted.OutPackets != i.OutPackets&mask {
			t.Errorf("%s %s: read %+v, want %+v", r.Name(), i.Name, counted, i)
		}
	}
}
