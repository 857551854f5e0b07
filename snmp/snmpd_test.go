package snmp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"
)

// snmpd is net-snmp's agent on loopback, with IF-MIB of this machine.
type snmpd struct {
	dir  string
	port uint16
	cmd  *exec.Cmd
}

func newSnmpd(t *testing.T) *snmpd {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin") // not in every user's
	if _, err := exec.LookPath("snmpd"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no snmpd (Debian package snmpd)")
	}
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &snmpd{dir: t.TempDir(), port: uint16(free.LocalAddr().(*net.UDPAddr).Port)}
	free.Close()
	config := `rocommunity letmein 127.0.0.1
createUser reader SHA-256 "authentic words" AES "private words"
rouser reader authpriv
sysName edge1.example.net
sysDescr Test router
`
	if err := os.WriteFile(filepath.Join(s.dir, "snmpd.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	s.start(t)
	return s
}

func (s *snmpd) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command("snmpd", "-f", "-Lo", "-C", "-c", filepath.Join(s.dir, "snmpd.conf"), "-I", "-smux,mteTrigger,mteTriggerConf", fmt.Sprintf("udp:127.0.0.1:%d", s.port))
	s.cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+filepath.Join(s.dir, "state"), "MIBS=")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "snmpd answers", func() bool {
		session, err := openSession(t.Context(), Device{Address: loopback, Port: s.port, Credential: credentials["2c"]}, time.Second, 0)
		if err != nil {
			return false
		}
		defer session.close()
		_, _, err = session.system(t.Context())
		return err == nil
	})
}

func (s *snmpd) stop() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

// recorder is a Sink that remembers.
type recorder struct {
	mu       sync.Mutex
	system   map[netip.Addr]System
	found    map[netip.Addr][]Interface
	counters map[netip.Addr][]Counters
	walks    int
}

func newRecorder() *recorder {
	return &recorder{system: map[netip.Addr]System{}, found: map[netip.Addr][]Interface{}, counters: map[netip.Addr][]Counters{}}
}

func (r *recorder) Discovered(_ context.Context, exporter netip.Addr, system System, interfaces []Interface) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.system[exporter], r.found[exporter] = system, interfaces
	r.walks++
	return nil
}

func (r *recorder) Counters(exporter netip.Addr, counters []Counters) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counters[exporter] = append(r.counters[exporter], counters...)
}

func (r *recorder) Wanted(netip.Addr) map[uint32]bool { return nil }

func (r *recorder) readings(exporter netip.Addr) []Counters {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counters[exporter]
}

var loopback = netip.MustParseAddr("127.0.0.1")

// running starts a poller with one second between polls.
func running(t *testing.T, sink Sink, devices ...Device) *Poller {
	t.Helper()
	p := configured(t, sink, devices...)
	start(t, p)
	return p
}

func configured(t *testing.T, sink Sink, devices ...Device) *Poller {
	t.Helper()
	p, err := New(Config{Interval: time.Second, DiscoveryInterval: time.Hour, Timeout: 500 * time.Millisecond, Retries: 1, Concurrency: 8,
		File: filepath.Join(t.TempDir(), "snmp.json"), Devices: devices}, sink, prometheus.NewRegistry(), zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func start(t *testing.T, p *Poller) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

var credentials = map[string]Credential{
	"2c":      {Version: "2c", Community: "letmein"},
	"3":       {Version: "3", User: "reader", AuthProtocol: "SHA-256", AuthPassword: "authentic words", PrivacyProtocol: "AES", PrivacyPassword: "private words"},
	"sha256 ": {Version: "v3", User: "reader", AuthProtocol: "sha256", AuthPassword: "authentic words", PrivacyProtocol: "aes128", PrivacyPassword: "private words"},
}

func TestNetSNMPIsDiscoveredAndPolled(t *testing.T) {
	s := newSnmpd(t)
	for version, credential := range credentials {
		t.Run(version, func(t *testing.T) {
			sink := newRecorder()
			p := running(t, sink, Device{Address: loopback, Port: s.port, Credential: credential})
			eventually(t, "two readings", func() bool {
				all := sink.readings(loopback)
				return len(all) > 0 && all[len(all)-1].UptimeMs > all[0].UptimeMs
			})
			device, _ := p.Device(loopback)
			if device.Error != "" || device.LastPoll.IsZero() || device.Latency <= 0 || device.Discovery.State != "done" || device.System.Name != "edge1.example.net" {
				t.Errorf("%+v", device)
			}
			names := map[string]uint32{}
			for _, i := range sink.found[loopback] {
				names[i.Name] = i.IfIndex
			}
			lo, err := net.InterfaceByName("lo")
			if err != nil {
				t.Fatal(err)
			}
			if names["lo"] != uint32(lo.Index) || len(names) != device.Interfaces {
				t.Errorf("interfaces %v, want lo as %d", names, lo.Index)
			}
			for _, c := range sink.readings(loopback) {
				if c.IfIndex == uint32(lo.Index) && (c.Bits != 64 || c.InOctets == 0 || c.OutPackets == 0) {
					t.Errorf("%+v", c)
				}
			}
		})
	}
}

func TestWrongCredentialsAreExplained(t *testing.T) {
	s := newSnmpd(t)
	wrong := func(change func(*Credential)) Credential {
		c := credentials["3"]
		change(&c)
		return c
	}
	for _, test := range []struct {
		credential Credential
		want       string
	}{
		{Credential{Version: "2c", Community: "guess"}, "no answer"},
		{wrong(func(c *Credential) { c.User = "nobody" }), "does not know this user"},
		{wrong(func(c *Credential) { c.AuthPassword = "guessed words" }), "authentication password"},
		{wrong(func(c *Credential) { c.PrivacyProtocol, c.PrivacyPassword = "", "" }), "security level"},
		{wrong(func(c *Credential) { c.PrivacyPassword = "guessed words" }), ""}, // snmpd says nothing, or that it cannot decrypt
	} {
		p := running(t, newRecorder(), Device{Address: loopback, Port: s.port, Credential: test.credential})
		eventually(t, test.want, func() bool { d, _ := p.Device(loopback); return d.Error != "" })
		if d, _ := p.Device(loopback); !strings.Contains(d.Error, test.want) || d.Discovery.State == "done" {
			t.Errorf("%q, want %q", d.Error, test.want)
		}
	}
}

func TestAgentGoneAndBack(t *testing.T) {
	s := newSnmpd(t)
	for _, version := range []string{"2c", "3"} {
		t.Run(version, func(t *testing.T) {
			sink := newRecorder()
			p := running(t, sink, Device{Address: loopback, Port: s.port, Credential: credentials[version]})
			eventually(t, "a reading some time after the start", func() bool {
				all := sink.readings(loopback)
				return len(all) > 0 && all[len(all)-1].UptimeMs > 6000
			})
			stopped := time.Now()
			s.stop()
			eventually(t, "an error", func() bool { d, _ := p.Device(loopback); return d.Error != "" })
			before := len(sink.readings(loopback))
			s.start(t)
			eventually(t, "readings again", func() bool { d, _ := p.Device(loopback); return d.Error == "" && len(sink.readings(loopback)) > before })
			sink.mu.Lock()
			defer sink.mu.Unlock()
			if sink.walks < 2 {
				t.Errorf("%d walks: a restarted agent may have renumbered its interfaces", sink.walks)
			}
			// sysUpTime counts hundredths of a second.
			if at := sink.system[loopback].Restarted; at.Before(stopped.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
				t.Errorf("it restarted at %v, after %v", at, stopped)
			}
		})
	}
}
