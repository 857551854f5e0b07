package collector

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/nfstats/nfstats/decoder/netflow"
)

// sendAs sends a datagram from an address of 127.0.0.0/8, any of which a socket
// of this machine may have.
func sendAs(t *testing.T, c *Collector, from netip.Addr) {
	t.Helper()
	local, to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(c.Addresses()[0])
	conn, err := net.DialUDP("udp4", local, to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(v5()); err != nil {
		t.Fatal(err)
	}
}

// status returns what is known of an exporter.
func status(t *testing.T, c *Collector, exporter netip.Addr) (netflow.ExporterStatus, bool) {
	t.Helper()
	all, err := c.Exporters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Address == exporter {
			return e, true
		}
	}
	return netflow.ExporterStatus{}, false
}

// TestForgedExportersKeepNoRouterOut floods a collector from 4,096 addresses,
// again and again, while a new router begins to send.
func TestForgedExportersKeepNoRouterOut(t *testing.T) {
	flows := &refusing{tokens: map[string]int{}}
	c, _ := run(t, flows, func(c *Config) { c.Decoder.MaxExporters = 256 })
	flood := func(round int) {
		for i := range 4096 {
			sendAs(t, c, netip.AddrFrom4([4]byte{127, byte(10 + round), byte(i >> 8), byte(i)}))
		}
	}
	flood(0)
	router, vouched := netip.MustParseAddr("127.1.1.1"), netip.MustParseAddr("127.1.1.2")
	if err := c.SetKnown(t.Context(), []netip.Addr{vouched}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for round := 1; ; round++ {
		sendAs(t, c, router)
		sendAs(t, c, vouched)
		if _, granted := status(t, c, router); granted {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatal("a new router that keeps sending had no place after a minute")
		}
		flood(1 + round%50)
	}
	if e, granted := status(t, c, vouched); !granted || !e.Known {
		t.Errorf("an exporter that is vouched for is %+v", e)
	}
	if warnings := strings.Join(c.Warnings(), " "); !strings.Contains(warnings, "collector.allow") {
		t.Errorf("warnings are %q", warnings)
	}
	if problems := c.Problems(); len(problems) > 0 {
		t.Errorf("a forger makes the daemon unready: %v", problems)
	}
	if p := c.places(); p.Refused == 0 || p.Evicted == 0 {
		t.Errorf("places are %+v", p)
	}
	if n := testutil.CollectAndCount(decoded{c}, "nfstats_exporter_flows_total"); n != 1 {
		t.Errorf("%d exporters have metrics of their own, want the known one", n)
	}
}

func TestWarningOfPlacesComesAndGoes(t *testing.T) {
	p := netflow.Places{Max: 10, Taken: 10, PressedMs: time.Now().UnixMilli()}
	if placesWarning(p, time.Now()) == "" || placesWarning(p, time.Now().Add(2*pressedWithin)) != "" {
		t.Error("the warning does not come and go")
	}
}
