package snmp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

func TestTablesOfAllKindsOfAgents(t *testing.T) {
	for _, agent := range []*fakeAgent{
		{interfaces: 1}, {interfaces: 3000}, {interfaces: 40, mostRows: 3}, {interfaces: 40, mostRows: 1, silent: true}, {interfaces: 30, only32: true},
	} {
		t.Run(agent.String(), func(t *testing.T) {
			agent.start(t)
			s := agent.session(t)
			found, _, err := s.interfaces(t.Context())
			if err != nil || len(found) != agent.interfaces {
				t.Fatalf("%d interfaces: %v", len(found), err)
			}
			last := found[len(found)-1]
			index := uint32(3 * agent.interfaces)
			want := Interface{IfIndex: index, Name: fmt.Sprintf("name%d", index), Type: 6, Speed: 1_000_000_000, AdminStatus: 1, OperStatus: 1}
			if agent.interfaces%2 == 0 {
				want.Description = fmt.Sprintf("customer %d", index)
			}
			if agent.only32 {
				want.Name, want.Speed, want.Description, want.AdminStatus = fmt.Sprintf("descr%d", index), 100_000_000, "", 0
			}
			if last != want {
				t.Errorf("%+v, want %+v", last, want)
			}
			speed := map[uint32]uint64{index: last.Speed, 3: found[0].Speed}
			counters, err := s.counters(t.Context(), []uint32{3, index, index + 1}, speed)
			if wanted := min(agent.interfaces, 2); err != nil || len(counters) != wanted {
				t.Fatalf("%+v: %v", counters, err)
			}
			c := counters[len(counters)-1]
			if c.UptimeMs == 0 || c.AtMs == 0 || c.IfIndex != index {
				t.Errorf("%+v", c)
			}
			if n := uint64(agent.interfaces); agent.only32 && (c.Bits != 32 || c.InOctets != n || c.OutOctets != 2*n) || !agent.only32 && (c.Bits != 64 || c.InOctets != n<<40 || c.OutOctets != n<<41) {
				t.Errorf("%+v", c)
			}
		})
	}
}

// What an agent says in its own time is told in ours.
func TestInterfacesTellSinceWhen(t *testing.T) {
	for lastChange, ago := range map[uint32]int64{0: 0, 500: 15, 99_999: 0} { // hundredths of a second; a time to come is none
		agent := &fakeAgent{interfaces: 1, lastChange: lastChange}
		agent.uptime.Store(1900) // 20 s when it answers
		agent.start(t)
		found, _, err := agent.session(t).interfaces(t.Context())
		if err != nil || len(found) != 1 {
			t.Fatalf("%+v: %v", found, err)
		}
		since := found[0].OperSince
		if late := time.Now().Unix() - since - ago; ago == 0 && since != 0 || ago > 0 && (late < 0 || late > 30) {
			t.Errorf("since %d, %d s late", since, late)
		}
	}
}

func TestFewInterfacesOfManyTakeFewQuestions(t *testing.T) {
	agent := &fakeAgent{interfaces: 3000}
	agent.start(t)
	s := agent.session(t)
	counters, err := s.counters(t.Context(), []uint32{30, 33, 36, 6000, 9000}, nil)
	if asked := agent.asked.Load(); err != nil || len(counters) != 5 || asked > 3 {
		t.Errorf("%d questions for %+v: %v", asked, counters, err)
	}
}

func TestFast32BitCountersAreNotRead(t *testing.T) {
	agent := &fakeAgent{interfaces: 2, only32: true}
	agent.start(t)
	counters, err := agent.session(t).counters(t.Context(), []uint32{3, 6}, map[uint32]uint64{3: 10_000_000_000, 6: 10_000_000})
	if err != nil || len(counters) != 1 || counters[0].IfIndex != 6 {
		t.Errorf("%+v: %v", counters, err)
	}
}

func TestAgentThatGoesInCirclesIsLeft(t *testing.T) {
	agent := &fakeAgent{interfaces: 100, stuck: true}
	agent.start(t)
	rows := 0
	if _, err := agent.session(t).table(t.Context(), []string{ifXEntry + ".6"}, nil, func(row) { rows++ }); !errors.Is(err, errNoProgress) {
		t.Errorf("%d rows: %v", rows, err)
	}
}

func TestDeadDevicesDelayNobody(t *testing.T) {
	agent := &fakeAgent{interfaces: 5}
	agent.start(t)
	credential := Credential{Version: "2c", Community: "letmein"}
	devices := []Device{{Address: loopback, Port: agent.port, Credential: credential}}
	for i := range 7 { // of 8 places; the agent does not answer this community
		devices = append(devices, Device{Address: netip.AddrFrom4([4]byte{127, 0, 0, byte(10 + i)}), Host: "127.0.0.1", Port: agent.port, Credential: Credential{Version: "2c", Community: "wrong"}})
	}
	sink := newRecorder()
	p := running(t, sink, devices...)
	eventually(t, "readings of the living", func() bool { return len(sink.readings(loopback)) >= 15 })
	eventually(t, "errors of the dead", func() bool {
		d, _ := p.Device(netip.MustParseAddr("127.0.0.16"))
		return d.Error == errNoAnswer.Error() && d.Failures > 0
	})
	if d, _ := p.Device(loopback); d.Error != "" {
		t.Errorf("%+v", d)
	}
}

// forgetful is a Sink whose store is away.
type forgetful struct{ *recorder }

func (forgetful) Discovered(context.Context, netip.Addr, System, []Interface) error {
	return errors.New("ClickHouse is away")
}

func TestPollingGoesOnWithoutTheStore(t *testing.T) {
	agent := &fakeAgent{interfaces: 2}
	agent.start(t)
	sink := newRecorder()
	p := running(t, forgetful{sink}, Device{Address: loopback, Port: agent.port, Credential: Credential{Version: "2c", Community: "letmein"}})
	eventually(t, "readings", func() bool { return len(sink.readings(loopback)) >= 4 })
	if d, _ := p.Device(loopback); d.Discovery.State != "failed" && d.Discovery.State != "running" || d.Error != "" {
		t.Errorf("%+v", d)
	}
}

func TestUnknownInterfacesStartAWalkOnce(t *testing.T) {
	a := newAgent(&Poller{config: Config{DiscoveryInterval: time.Hour}}, Device{})
	a.indexes, a.lastWalk, a.absent = []uint32{1, 2}, time.Now().Add(-10*time.Minute), map[uint32]bool{7: true}
	for want, wanted := range map[bool]map[uint32]bool{false: {1: true, 7: true}, true: {3: true}} {
		if got := a.walkDue(wanted); got != want {
			t.Errorf("%v: %t", wanted, got)
		}
	}
}

// An interface that comes back with another ifIndex, or whose ifIndex is another's
// now, is noticed without a restart; counters carry the name that they belong to.
func TestInterfacesThatMoveAreFoundAgain(t *testing.T) {
	agent := &fakeAgent{interfaces: 3}
	agent.start(t)
	sink := newRecorder()
	device := Device{Address: loopback, Port: agent.port, Credential: Credential{Version: "2c", Community: "letmein"}}
	a := newAgent(configured(t, sink, device), device)
	visit := func(wantWalks int, want string) {
		t.Helper()
		a.lastWalk = a.lastWalk.Add(-2 * walkAgainAfter)
		if err := a.visit(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		names := ""
		for _, i := range sink.found[loopback] {
			names += fmt.Sprintf(" %d:%s", i.IfIndex, i.Name)
		}
		if sink.walks != wantWalks || names != want {
			t.Errorf("%d walks, found%s, want %d and%s", sink.walks, names, wantWalks, want)
		}
	}
	defer func() { a.session.close() }()
	a.lastWalk = time.Now().Add(-24 * time.Hour)
	visit(1, " 3:name3 6:name6 9:name9")
	visit(1, " 3:name3 6:name6 9:name9")
	agent.renumber(6, 12) // vanishes, and is back elsewhere
	visit(2, " 3:name3 9:name9 12:name6")
	visit(2, " 3:name3 9:name9 12:name6")
	agent.renumber(3, 6)
	agent.renumber(9, 3) // its place is another's
	visit(3, " 3:name9 6:name3 12:name6")
	all := sink.readings(loopback)
	for _, c := range all[len(all)-2:] {
		if want := map[uint32]string{3: "name9", 12: "name6"}[c.IfIndex]; c.Name != want {
			t.Errorf("%d is %s, want %s", c.IfIndex, c.Name, want)
		}
	}
}

func TestAddedDevicesAreKeptAndSecretsAreNotShown(t *testing.T) {
	dir := t.TempDir()
	config := Config{Interval: time.Minute, DiscoveryInterval: time.Hour, Timeout: time.Second, Concurrency: 1, File: filepath.Join(dir, "snmp.json"),
		Devices: []Device{{Address: netip.MustParseAddr("192.0.2.9"), Credential: Credential{Version: "2c", Community: "c0nfigured"}, Label: "core"}}}
	open := func() *Poller {
		p, err := New(config, newRecorder(), prometheus.NewRegistry(), zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := open()
	address := netip.MustParseAddr("192.0.2.1")
	secret := Credential{Version: "3", User: "reader", AuthProtocol: "sha-512", AuthPassword: "s3cret words", PrivacyProtocol: "aes256", PrivacyPassword: "m0re secret"}
	if err := p.Add(Device{Address: address, Name: "edge", Credential: secret}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(config.File); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if err := p.Add(Device{Address: address, Name: "renamed"}); err != nil { // without a credential
		t.Fatal(err)
	}
	p = open()
	got, ok := p.Device(address)
	if !ok || got.Name != "renamed" || got.Port != 161 || got.Source != FromUI || got.Credential.AuthPassword != "s3cret words" || got.Credential.PrivacyProtocol != "AES-256" {
		t.Errorf("%+v", got)
	}
	answer, err := json.Marshal(p.Devices())
	if err != nil {
		t.Fatal(err)
	}
	shown := string(answer) + fmt.Sprintf("%v %+v %#v %s", got, got, got, got.Credential)
	for _, s := range []string{"s3cret", "m0re", "c0nfigured"} {
		if strings.Contains(shown, s) {
			t.Errorf("%q is shown: %s", s, shown)
		}
	}
	if err := p.Remove(netip.MustParseAddr("192.0.2.9")); !errors.Is(err, ErrFromConfig) {
		t.Errorf("%v", err)
	}
	if err := p.Remove(netip.MustParseAddr("192.0.2.8")); !errors.Is(err, ErrNoDevice) {
		t.Errorf("%v", err)
	}
	if err := p.Remove(address); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(config.File); bytes.Contains(text, []byte("s3cret")) || len(open().Devices()) != 1 {
		t.Errorf("still there: %s", text)
	}
}

func TestInputIsExplained(t *testing.T) {
	address := netip.MustParseAddr("192.0.2.1")
	for field, d := range map[string]Device{
		"address":                     {Credential: Credential{Version: "2c", Community: "x"}},
		"host":                        {Address: address, Host: "a b", Credential: Credential{Version: "2c", Community: "x"}},
		"credential.version":          {Address: address, Credential: Credential{Version: "1"}},
		"credential.community":        {Address: address, Credential: Credential{Version: "2c"}},
		"credential.user":             {Address: address, Credential: Credential{Version: "3"}},
		"credential.auth_password":    {Address: address, Credential: Credential{Version: "3", User: "x", AuthProtocol: "SHA", AuthPassword: "short"}},
		"credential.auth_protocol":    {Address: address, Credential: Credential{Version: "3", User: "x", PrivacyProtocol: "AES", PrivacyPassword: "long enough"}},
		"credential.privacy_protocol": {Address: address, Credential: Credential{Version: "3", User: "x", AuthProtocol: "SHA", AuthPassword: "long enough", PrivacyProtocol: "ROT13", PrivacyPassword: "long enough"}},
	} {
		var problems FieldErrors
		if err := d.Validate(); !errors.As(err, &problems) || problems[field] == "" || len(problems) != 1 {
			t.Errorf("%s: %v", field, err)
		}
	}
}
