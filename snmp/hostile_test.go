package snmp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
	"golang.org/x/sync/semaphore"
)

// each changes the variables of an answer below a column.
func each(column string, change func(*gosnmp.SnmpPDU)) func(*gosnmp.SnmpPacket) {
	return func(answer *gosnmp.SnmpPacket) {
		for i := range answer.Variables {
			if strings.HasPrefix(answer.Variables[i].Name, column+".") {
				change(&answer.Variables[i])
			}
		}
	}
}

// What an agent answers is not to be trusted: none holds up its visit, takes
// memory without bound or leaves readings that are none, and the operator is told.
func TestHostileAgents(t *testing.T) {
	for name, test := range map[string]struct {
		agent *fakeAgent
		walk  string // a part of the walk's error; "": there is none
		read  string // of that of reading the counters
		found int    // interfaces
		has   int    // readings of interfaces 3, 6 and 9
	}{
		"other request-id":    {agent: &fakeAgent{interfaces: 3, twist: func(a *gosnmp.SnmpPacket) { a.RequestID += 1000 }}, walk: errNoAnswer.Error(), read: errNoAnswer.Error()},
		"another address":     {agent: &fakeAgent{interfaces: 3, elsewhere: true}, walk: "another of its addresses", read: "another of its addresses"},
		"garbage":             {agent: &fakeAgent{interfaces: 3, garble: func(b []byte) []byte { return []byte(strings.Repeat("\xff", len(b))) }}, walk: "ask the agent", read: "ask the agent"},
		"nothing":             {agent: &fakeAgent{interfaces: 3, garble: func([]byte) []byte { return nil }}, walk: "agent", read: "agent"},
		"no variables":        {agent: &fakeAgent{interfaces: 3, twist: func(a *gosnmp.SnmpPacket) { a.Variables = a.Variables[:1] }}, walk: "1 of 10 values", read: "1 of 13 values"},
		"no sysUpTime":        {agent: &fakeAgent{interfaces: 3, twist: func(a *gosnmp.SnmpPacket) { a.Variables[0].Name = ".1.3.6.1.2.1.1.4.0" }}, walk: "sysUpTime", read: "sysUpTime"},
		"sysUpTime is a text": {agent: &fakeAgent{interfaces: 3, twist: func(a *gosnmp.SnmpPacket) { a.Variables[0].Type, a.Variables[0].Value = gosnmp.OctetString, "long" }}, walk: "sysUpTime", read: "sysUpTime"},
		"OIDs stand still":    {agent: &fakeAgent{interfaces: 100, stuck: true}, walk: errNoProgress.Error(), found: 25, has: 3},
		"OIDs decrease": {agent: &fakeAgent{interfaces: 3, twist: each(ifEntry, func(v *gosnmp.SnmpPDU) {
			v.Name = v.Name[:strings.LastIndex(v.Name, ".")] + ".0"
		})}, found: 3, has: 3}, // as the other table has them
		"one octet counter is a text": {agent: &fakeAgent{interfaces: 3, twist: each(ifXEntry+".6", func(v *gosnmp.SnmpPDU) {
			if strings.HasSuffix(v.Name, ".6.6") {
				v.Type, v.Value = gosnmp.OctetString, "1000000"
			}
		})}, found: 3, has: 3}, // the counter of 32 bits will do
		"octet counters are texts": {agent: &fakeAgent{interfaces: 3, twist: func(a *gosnmp.SnmpPacket) {
			text := func(v *gosnmp.SnmpPDU) { v.Type, v.Value = gosnmp.OctetString, "1000000" }
			each(ifXEntry+".6", text)(a)
			each(ifEntry+".10", text)(a)
		}}, found: 3, read: "octets of 3 of 3 interfaces with something that is no counter"},
		"octet counters are negative": {agent: &fakeAgent{interfaces: 3, twist: func(a *gosnmp.SnmpPacket) {
			below := func(v *gosnmp.SnmpPDU) { v.Type, v.Value = gosnmp.Integer, -5 }
			each(ifXEntry+".10", below)(a)
			each(ifEntry+".16", below)(a)
		}}, found: 3, read: "no counter"},
		"packet counters are texts": {agent: &fakeAgent{interfaces: 3, twist: each(ifXEntry+".7", func(v *gosnmp.SnmpPDU) { v.Type, v.Value = gosnmp.OctetString, "x" })}, found: 3, has: 3},
		"ifIndexes out of range": {agent: &fakeAgent{interfaces: 3, twist: func(a *gosnmp.SnmpPacket) {
			for i := range a.Variables {
				a.Variables[i].Name = strings.TrimSuffix(a.Variables[i].Name, ".9") + map[bool]string{true: ".2147483648"}[strings.HasSuffix(a.Variables[i].Name, ".9")]
			}
		}}, found: 2, has: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.agent.start(t)
			s := test.agent.session(t)
			s.client.Timeout = 100 * time.Millisecond
			told := func(what string, err error, want string) {
				t.Helper()
				if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) || err != nil && len(err.Error()) > 300 {
					t.Errorf("%s: %v, want %q", what, err, want)
				}
			}
			found, _, err := s.interfaces(t.Context())
			told("walk", err, test.walk)
			counters, err := s.counters(t.Context(), []uint32{3, 6, 9}, map[uint32]uint64{3: 1e8, 6: 1e8, 9: 1e8})
			told("counters", err, test.read)
			if len(found) != test.found || len(counters) != test.has {
				t.Errorf("%d interfaces, %d readings, want %d and %d", len(found), len(counters), test.found, test.has)
			}
		})
	}
}

// An agent whose table never ends is read up to a bound, and what is told of it is
// no error: it answers.
func TestEndlessTables(t *testing.T) {
	endless := &fakeAgent{interfaces: 1}
	endless.twist = func(a *gosnmp.SnmpPacket) {
		if a.PDUType != gosnmp.GetResponse || len(a.Variables) < 2 || !strings.HasPrefix(a.Variables[1].Name, ".1.3.6.1.2.1.") || len(endless.from) < 2 {
			return
		}
		uptime := a.Variables[0]
		a.Variables = []gosnmp.SnmpPDU{uptime}
		for r := range uint32(25) {
			for _, oid := range endless.from[1:] {
				column, index := oid, uint32(0)
				if parts := numbers(oid); len(parts) > len(numbers(ifEntry))+1 {
					at := strings.LastIndex(oid, ".")
					column, index = oid[:at], uint32(parts[len(parts)-1])
				}
				a.Variables = append(a.Variables, gosnmp.SnmpPDU{Name: fmt.Sprintf("%s.%d", column, index+r+1), Type: gosnmp.OctetString, Value: strings.Repeat("<b>", 70)})
			}
		}
	}
	endless.start(t)
	s := endless.session(t)
	s.client.Timeout = 10 * time.Second
	found, more, err := s.interfaces(t.Context())
	if err != nil || len(found) != maxInterfaces || !more {
		t.Fatalf("%d interfaces, more %t: %v", len(found), more, err)
	}
	if asked := endless.asked.Load(); asked > maxInterfaces/20 {
		t.Errorf("%d questions", asked)
	}
}

func TestLargeTables(t *testing.T) {
	agent := &fakeAgent{interfaces: 20_000}
	agent.start(t)
	s := agent.session(t)
	s.client.Timeout = 10 * time.Second
	found, more, err := s.interfaces(t.Context())
	if err != nil || len(found) != 20_000 || more || found[19_999].IfIndex != 60_000 {
		t.Fatalf("%d interfaces, more %t: %v", len(found), more, err)
	}
}

func TestTextsOfAgents(t *testing.T) {
	for octets, want := range map[string]string{
		"to Zürich":                 "to Zürich",
		"to Z\xfcrich":              "to Zürich", // ISO 8859-1
		"a\x00b\r\n\x1b[31mc":       "a b   [31mc",
		"<script>alert(1)</script>": "<script>alert(1)</script>", // for whoever shows it to escape
		"abc\u202edcba\u2066\u200b": "abc dcba",                  // it would turn what follows
		"line\u2028paragraph\u2029": "line paragraph",
		strings.Repeat("a", 65_536): strings.Repeat("a", 255),
		strings.Repeat("ü", 300):    strings.Repeat("ü", 127),
		strings.Repeat("\xfc", 300): strings.Repeat("ü", 127),
		strings.Repeat("世界", 20000): strings.Repeat("世界", 42) + "世",
		" \t padded \x7f":           "padded",
		"\xff\xfe":                  "ÿþ",
	} {
		got := toText([]byte(octets))
		if got != want {
			t.Errorf("%.40q: %q, want %q", octets, got, want)
		}
	}
	if got := toText("no octets"); got != "" {
		t.Errorf("%q", got)
	}
}

func TestLongTextsAreRead(t *testing.T) {
	agent := &fakeAgent{interfaces: 6, twist: each(ifXEntry+".18", func(v *gosnmp.SnmpPDU) { v.Value = strings.Repeat("<b>\x00", 10_000) })}
	agent.start(t)
	found, _, err := agent.session(t).interfaces(t.Context())
	if err != nil || len(found) != 6 || len(found[1].Description) != 255 {
		t.Fatalf("%d interfaces: %v", len(found), err)
	}
}

// Whatever octets come, the parser's trouble is one visit's error.
func TestGarbledAnswers(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 5))
	agent := &fakeAgent{interfaces: 5, garble: func(answer []byte) []byte {
		for range 1 + random.IntN(4) {
			answer[random.IntN(len(answer))] = byte(random.Uint32())
		}
		return answer[:len(answer)-random.IntN(2)*random.IntN(len(answer))]
	}}
	agent.start(t)
	s := agent.session(t)
	s.client.Timeout = 20 * time.Millisecond
	for range 100 {
		_, _, first := s.system(t.Context())
		_, _, second := s.interfaces(t.Context())
		_, third := s.counters(t.Context(), []uint32{3, 6, 9, 12, 15}, map[uint32]uint64{3: 1e8})
		for _, err := range []error{first, second, third} {
			if err != nil && (len(err.Error()) > 300 || strings.Contains(err.Error(), "Stack")) {
				t.Fatalf("%v", err)
			}
		}
	}
}

// Agents that answer each question just in time keep nobody waiting, and are left
// when they take too long.
func TestSlowAgentsDelayNobody(t *testing.T) {
	credential := Credential{Version: "2c", Community: "letmein"}
	good := &fakeAgent{interfaces: 5}
	good.start(t)
	devices := []Device{{Address: loopback, Port: good.port, Credential: credential}}
	for i := range 4 {
		slow := &fakeAgent{interfaces: 3000, late: 300 * time.Millisecond}
		slow.start(t)
		devices = append(devices, Device{Address: netip.AddrFrom4([4]byte{127, 0, 0, byte(10 + i)}), Host: "127.0.0.1", Port: slow.port, Credential: credential})
	}
	sink := newRecorder()
	p := configured(t, sink, devices...)
	p.placeTime, p.maxVisit = 200*time.Millisecond, 5*time.Second // a walk takes these 36 s
	p.slots = semaphore.NewWeighted(1)
	start(t, p)
	eventually(t, "readings of the quick one", func() bool { return len(sink.readings(loopback)) >= 15 })
	eventually(t, "the slow are left", func() bool {
		d, _ := p.Device(devices[4].Address)
		return d.Error == errTooSlow.Error() && d.Discovery.State == "failed"
	})
	if d, _ := p.Device(loopback); d.Error != "" {
		t.Errorf("%+v", d)
	}
}

// A visit that leaves something to be said is none that failed.
func TestRemarksAreNoFailures(t *testing.T) {
	text := func(v *gosnmp.SnmpPDU) { v.Type, v.Value = gosnmp.OctetString, "1" }
	agent := &fakeAgent{interfaces: 3, twist: func(a *gosnmp.SnmpPacket) {
		each(ifXEntry+".6", text)(a)
		each(ifEntry+".10", text)(a)
	}}
	agent.start(t)
	p := running(t, newRecorder(), Device{Address: loopback, Port: agent.port, Credential: Credential{Version: "2c", Community: "letmein"}})
	eventually(t, "the remark", func() bool {
		d, _ := p.Device(loopback)
		return strings.Contains(d.Error, "no counter") && d.Failures == 0 && !d.LastPoll.IsZero() && d.Interfaces == 3
	})
	if isRemark(errors.New("x")) || !isRemark(fmt.Errorf("y: %w", remark("x"))) {
		t.Error("what is a remark?")
	}
}
