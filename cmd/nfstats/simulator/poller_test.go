package simulator

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
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

// await waits until what the poller has read is what the router counts now. A poll
// that was under way when time went on has some of either time.
func await(t *testing.T, found *sink, r *Router) {
	t.Helper()
	s := r.Snapshot()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		wrong := found.differences(r, s)
		if len(wrong) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s", r.Name(), strings.Join(wrong, "\n"))
		}
	}
}

// differences compares what the poller has read with what the router counts.
func (s *sink) differences(r *Router, now Snapshot) (wrong []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.interfaces[r.Address()]) != len(now.Interfaces) {
		return []string{fmt.Sprintf("discovered %+v", s.interfaces[r.Address()])}
	}
	if uptime := uint64(now.Uptime.Milliseconds()) / 10 * 10; s.uptime[r.Address()] != uptime {
		wrong = append(wrong, fmt.Sprintf("uptime %d ms, want %d", s.uptime[r.Address()], uptime))
	}
	mask := uint64(1<<64 - 1)
	if r.faults.Counter32 {
		mask = 1<<32 - 1
	}
	for k, i := range now.Interfaces {
		got, counted := s.interfaces[r.Address()][k], s.newest[r.Address()][i.Index]
		if got.IfIndex != i.Index || got.Name != i.Name || got.Description != i.Description || got.Speed != i.Speed {
			wrong = append(wrong, fmt.Sprintf("discovered %+v, want %+v", got, i))
		}
		if r.faults.Counter32 && i.Speed > 100*megabit {
			if counted.Bits != 0 {
				wrong = append(wrong, fmt.Sprintf("%s: 32 bits are too few for it, and are read: %+v", i.Name, counted))
			}
			continue
		}
		if counted.InOctets != i.InOctets&mask || counted.OutOctets != i.OutOctets&mask || counted.InPackets != i.InPackets&mask || counted.OutPackets != i.OutPackets&mask {
			wrong = append(wrong, fmt.Sprintf("%s: read %+v, want %+v", i.Name, counted, i))
		}
	}
	return wrong
}
