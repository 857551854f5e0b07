package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDemo runs the demo as its user does, and sees the flows of all three
// routers: those of history and those that came in live.
func TestDemo(t *testing.T) {
	d := newDaemon(t)
	temporary := t.TempDir()
	d.env = append(d.env, "TMPDIR="+temporary)
	d.run("demo", "--history", "5m", "--listen", strings.TrimPrefix(d.http, "http://"))
	d.eventually("the demo tells where to look", func() error {
		select {
		case <-d.done:
			t.Fatalf("the demo ended:\n%s", d.log)
		default:
		}
		if !strings.Contains(d.log.String(), "Open "+d.http) {
			return fmt.Errorf("it does not")
		}
		return nil
	})
	d.expectNumber("history has all routers, in raw flows", "SELECT uniq(exporter_addr, type) FROM flows WHERE source != ''", 3)
	d.expectNumber("and in rollups", "SELECT uniq(exporter_addr) FROM flows_1m WHERE source != ''", 3)
	d.expectNumber("over the whole time", "SELECT count() >= 5 AND min(time) <= now() - 240 FROM (SELECT DISTINCT time FROM flows_1m)", 1)
	d.expectNumber("with SNMP counters", "SELECT uniq(exporter_addr) FROM if_counters WHERE in_octets > 0", 3)
	d.expectNumber("live flows come from all routers", "SELECT uniq(exporter_addr, type) FROM flows WHERE source = ''", 3)
	d.expectNumber("with the sampling rates that they announce", "SELECT uniq(sampling_rate) FROM flows WHERE source = '' AND sampling_rate IN (1, 100, 500, 1000)", 4)
	d.expectNumber("no router's flows are without one", "SELECT count() FROM flows WHERE sampling_rate = 1 AND type != 'NETFLOW_V5'", 0)
	d.stop()
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("the demo leaves %v (%v)", left, err)
	}
}

// TestLoad: what the load generator says it sent is what arrives.
func TestLoad(t *testing.T) {
	d := newDaemon(t)
	d.start()
	out, err := d.command("demo", "load", "--to", d.udp, "--rate", "3000", "--exporters", "20", "--duration", "2s").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	match := regexp.MustCompile(`^sent (\d+) flows`).FindSubmatch(out)
	if match == nil {
		t.Fatalf("the generator prints %q", out)
	}
	var sent uint64
	fmt.Sscan(string(match[1]), &sent)
	if sent < 3000 || sent > 6500 {
		t.Errorf("3000 flows/s for 2 s are %d flows", sent)
	}
	d.expectNumber("all flows arrive", "SELECT count() FROM flows", sent)
	d.expectNumber("from all exporters", "SELECT uniq(exporter_addr) FROM flows", 20)
	if lost, err := d.metric("nfstats_decoder_sequence_lost_total"); err != nil || lost > 0 {
		t.Errorf("the decoder misses %v flows (%v)", lost, err)
	}
	if out, err := d.command("demo", "load", "--rate", "0").CombinedOutput(); err == nil {
		t.Errorf("no rate is fine: %s", out)
	}
}
