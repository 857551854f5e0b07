package simulator

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
)

// agent runs the agent of core1 and returns where it listens.
func agent(t *testing.T, n *Network, router string) string {
	t.Helper()
	a, err := ListenAgent(n.Router(router), 0, "demo")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return a.Address().String()
}

// netSNMP runs a tool of net-snmp and returns the lines that it prints.
func netSNMP(t *testing.T, tool string, arguments ...string) []string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no net-snmp: %v", err)
		}
		t.Skipf("no net-snmp: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-v2c", "-r1", "-t5", "-On"}, arguments...)...)
	var complaints strings.Builder // its first run on a machine tells of folders that it makes
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", tool, arguments, err, complaints.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func TestAgentAnswersNetSNMP(t *testing.T) {
	r := newRun(t, Config{Seed: 6})
	r.network.Advance(start.Add(time.Minute))
	address := agent(t, r.network, "core1.fra")
	router := r.network.Router("core1.fra")
	tree := router.objects(router.Snapshot())
	for _, tool := range []string{"snmpwalk", "snmpbulkwalk"} {
		lines := netSNMP(t, tool, "-cdemo", address, ".1")
		if len(lines) != len(tree)+1 || !strings.Contains(lines[len(lines)-1], "No more variables") {
			t.Errorf("%s prints %d lines for %d objects:\n%s", tool, len(lines), len(tree), strings.Join(lines, "\n"))
			continue
		}
		for i, o := range tree {
			if !strings.HasPrefix(lines[i], formatID(o.id)+" = ") {
				t.Errorf("%s prints %q, want %v", tool, lines[i], formatID(o.id))
			}
		}
	}
	ae0 := router.Snapshot().Interfaces[3]
	lines := netSNMP(t, "snmpget", "-cdemo", address, ".1.3.6.1.2.1.31.1.1.1.6.515", ".1.3.6.1.2.1.31.1.1.1.18.515", ".1.3.6.1.2.1.2.2.1.5.515", ".1.3.6.1.2.1.2.2.1.10.515", ".1.3.6.1.2.1.1.5.0", ".1.3.6.1.2.1.1.5.1")
	for i, want := range []string{fmt.Sprintf("Counter64: %d", ae0.InOctets), `STRING: "Core: core2.ams"`, "Gauge32: 4294967295",
		fmt.Sprintf("Counter32: %d", uint32(ae0.InOctets)), `STRING: "core1.fra"`, "No Such Instance"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("snmpget prints %q, want %s", lines[i], want)
		}
	}
	if lines := netSNMP(t, "snmpbulkget", "-cdemo", "-Cn1", "-Cr200", address, ".1.3.6.1.2.1.1.3", ".1.3.6.1.2.1.31.1.1.1.6"); len(lines) < 30 {
		t.Errorf("snmpbulkget prints %d lines", len(lines))
	}
	client := &gosnmp.GoSNMP{Target: address[:strings.IndexByte(address, ':')], Version: gosnmp.Version2c, Community: "public", Timeout: 200 * time.Millisecond}
	fmt.Sscan(address[strings.IndexByte(address, ':')+1:], &client.Port)
	if err := client.Connect(); err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if result, err := client.Get([]string{".1.3.6.1.2.1.1.5.0"}); err == nil {
		t.Errorf("a wrong community is answered: %v", result)
	}
}

// TestCountersFollowTruth: the counters move by what the traffic was, with the
// octets of layer 2.
func TestCountersFollowTruth(t *testing.T) {
	r := newRun(t, Config{Seed: 7})
	type key struct {
		router, name string
	}
	in, out := map[key]uint64{}, map[key]uint64{}
	count := func(sign uint64) {
		for _, router := range r.network.Routers() {
			for _, i := range router.Snapshot().Interfaces {
				in[key{router.Name(), i.Name}] += sign * i.InOctets
				out[key{router.Name(), i.Name}] += sign * i.OutOctets
			}
		}
	}
	count(^uint64(0))
	r.network.Advance(start.Add(2 * time.Minute))
	count(1)
	for _, traffic := range r.traffic {
		in[key{traffic.Router, traffic.In}] -= traffic.Octets + traffic.Packets*traffic.OverheadIn
		out[key{traffic.Router, traffic.Out}] -= traffic.Octets + traffic.Packets*traffic.OverheadOut
	}
	for k := range in {
		if in[k] != 0 || out[k] != 0 {
			t.Errorf("%v: %d and %d octets too many", k, int64(in[k]), int64(out[k]))
		}
	}
	if len(r.traffic) == 0 {
		t.Error("no traffic")
	}
}

func TestFaultsOfCounters(t *testing.T) {
	faults := map[string]Faults{}
	for _, text := range []string{"core1:reboot=2m", "core1:renumber", "core2:reset=2m", "edge1:refresh=30s", "edge1:counter32"} {
		if err := ParseFault(text, faults); err != nil {
			t.Fatal(err)
		}
	}
	n := newRun(t, Config{Seed: 8, Faults: faults}).network
	core1, core2, edge1 := n.Router("core1.fra"), n.Router("core2.ams"), n.Router("edge1.ham")
	n.Advance(start.Add(110 * time.Second))
	before, before2 := core1.Snapshot(), core2.Snapshot()
	n.Advance(start.Add(130 * time.Second))
	if core1.Snapshot().Up {
		t.Error("core1 answers while it boots")
	}
	n.Advance(start.Add(4 * time.Minute))
	after, after2 := core1.Snapshot(), core2.Snapshot()
	if !after.Up || after.Uptime > 2*time.Minute || after.Interfaces[0].InOctets >= before.Interfaces[0].InOctets {
		t.Errorf("core1 has not booted: up %v, uptime %v", after.Up, after.Uptime)
	}
	if before.Interfaces[0].Index == after.Interfaces[0].Index || before.Interfaces[1].Index != after.Interfaces[0].Index {
		t.Errorf("ifIndex of %s was %d and is %d", after.Interfaces[0].Name, before.Interfaces[0].Index, after.Interfaces[0].Index)
	}
	if d := after2.Interfaces[0]; d.Discontinuity == 0 || d.InOctets >= before2.Interfaces[0].InOctets || after2.Uptime < before2.Uptime {
		t.Errorf("core2's counters have not begun anew: %+v", d)
	}
	stale := edge1.Snapshot()
	n.Advance(start.Add(4*time.Minute + 10*time.Second))
	fresh := edge1.Snapshot()
	if stale.Interfaces[0].InOctets != fresh.Interfaces[0].InOctets || stale.Uptime == fresh.Uptime {
		t.Error("edge1 renews its counters although it should not yet")
	}
	n.Advance(start.Add(4*time.Minute + 40*time.Second))
	if edge1.Snapshot().Interfaces[0].InOctets == fresh.Interfaces[0].InOctets {
		t.Error("edge1 never renews its counters")
	}
	for _, o := range edge1.objects(fresh) {
		if o.kind == gosnmp.Counter64 {
			t.Errorf("edge1 has the 64-bit counter %s", formatID(o.id))
		}
	}
}

func FuzzAgent(f *testing.F) {
	n, err := New(Config{Start: start})
	if err != nil {
		f.Fatal(err)
	}
	a := &Agent{router: n.Router("core1.fra"), community: "demo", codec: gosnmp.GoSNMP{Version: gosnmp.Version2c, MaxOids: maxVariables}}
	for _, kind := range []gosnmp.PDUType{gosnmp.GetRequest, gosnmp.GetNextRequest, gosnmp.GetBulkRequest, gosnmp.SetRequest} {
		packet := gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: "demo", PDUType: kind, RequestID: 7, MaxRepetitions: 1000,
			Variables: []gosnmp.SnmpPDU{{Name: ".1.3.6.1.2.1.31.1.1.1.6", Type: gosnmp.Null}, {Name: ".1.3.6.1.2.1.1.5.0", Type: gosnmp.Null}}}
		request, err := packet.MarshalMsg()
		if err != nil {
			f.Fatal(err)
		}
		if a.answer(request) == nil {
			f.Errorf("no answer to %v", kind)
		}
		f.Add(request)
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		if answer := a.answer(request); len(answer) > 64<<10 {
			t.Errorf("an answer of %d octets", len(answer))
		}
	})
}
