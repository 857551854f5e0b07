package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
)

// demo runs nfstats demo until the test ends, and waits until it tells where to
// look.
func (d *daemon) demo(flags ...string) {
	d.t.Helper()
	ui, sql := lastingAddress(d.t), lastingAddress(d.t)
	d.env = append(d.env, "NFSTATS_STORE_EMBEDDED_LISTEN="+sql)
	d.http, d.sql = "http://"+ui, "http://"+sql
	d.run(append([]string{"demo", "--listen", strings.TrimPrefix(d.http, "http://")}, flags...)...)
	d.eventually("the demo tells where to look", func() error {
		select {
		case <-d.done:
			d.t.Fatalf("the demo ended:\n%s", d.log)
		default:
		}
		if !strings.Contains(d.log.String(), "Open "+d.http) {
			return errors.New("it does not")
		}
		return nil
	})
}

// lastingAddress returns a TCP address that stays free while history is filled in:
// its port is not one of those that the system hands out.
func lastingAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

// TestDemo runs the demo as its user does, and sees the flows of all three
// routers: those of history and those that came in live, calibrated with SNMP.
func TestDemo(t *testing.T) {
	d := newDaemon(t)
	temporary := t.TempDir()
	d.env = append(d.env, "TMPDIR="+temporary)
	d.demo("--history", "31m")
	d.expectNumber("history has all routers, in raw flows", "SELECT uniq(exporter_addr, type) FROM flows WHERE source != ''", 3)
	d.expectNumber("and in rollups", "SELECT uniq(exporter_addr) FROM flows_1m WHERE source != ''", 3)
	d.expectNumber("over the whole time", "SELECT count() >= 30 AND min(time) <= now() - 1800 FROM (SELECT DISTINCT time FROM flows_1m)", 1)
	d.expectNumber("with SNMP counters", "SELECT uniq(exporter_addr) FROM if_counters WHERE in_octets > 0", 3)
	// At night there are few samples; 1.5/√n is the relative error of n of them.
	d.expectNumber("that make factors", "SELECT uniq(exporter_addr, if_index, direction) > 30 FROM calibration FINAL WHERE status = 'applied'", 1)
	d.expectNumber("that make totals those of SNMP", `SELECT count() > 30 AND countIf(abs(ratio - 1) > 0.02 + 3 * 1.5 / sqrt(n)) = 0 FROM (
		SELECT sum(flow_octets * factor) / sum(snmp_octets) AS ratio, sum(flow_packets) AS n FROM calibration FINAL WHERE status = 'applied' AND final = 1 GROUP BY exporter_addr, if_index, direction)`, 1)
	d.expectNumber("interfaces have names", "SELECT uniq(in_if_name) FROM flows WHERE in_if_name != ''", 18)
	d.expectNumber("live flows come from all routers", "SELECT uniq(exporter_addr, type) FROM flows WHERE source = ''", 3)
	d.expectNumber("with the sampling rates that they announce", "SELECT uniq(sampling_rate) FROM flows WHERE source = '' AND sampling_rate IN (1, 100, 500, 1000)", 4)
	d.expectNumber("no router's flows are without one", "SELECT count() FROM flows WHERE sampling_rate = 1 AND type != 'NETFLOW_V5'", 0)
	d.expectNumber("the poller goes on where history ends", "SELECT uniq(exporter_addr) FROM if_counters WHERE time > (SELECT max(time_received) FROM flows WHERE source != '')", 3)
	d.answersAreDescribed(map[string]string{"address": "127.0.2.1", "id": "127.0.2.1", "addr": "127.0.2.1", "what": "as"}, "/api/v1/rdns", "/api/v1/imports/files")
	d.stop()
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("the demo leaves %v (%v)", left, err)
	}
}

// TestDemoWithFaults: routers that mislead are found out.
func TestDemoWithFaults(t *testing.T) {
	d := newDaemon(t)
	d.demo("--dir", d.dir, "--history", "41m", "--fault", "core1:announced=100", "--fault", "core2:unannounced", "--fault", "edge1:bothways")
	for _, c := range []struct{ router, from, to string }{
		{"127.0.2.1", "0.08", "0.12"}, {"127.0.2.2", "0.0005", "0.015"}, {"127.0.2.3", "1.99", "2.01"},
	} {
		d.expectNumber(c.router+" covers what it should not", fmt.Sprintf(`SELECT count() > 4 AND countIf(status != 'refused') = 0 AND avg(coverage) BETWEEN %s AND %s
			FROM calibration FINAL WHERE exporter_addr = toIPv6('%s') AND final = 1 AND snmp_octets > 0 AND flow_packets > 100`, c.from, c.to, c.router), 1)
	}
	var answer struct {
		Interfaces []struct {
			Exporter, Kind string
			SuggestedRate  uint32 `json:"suggested_sampling_rate"`
		}
	}
	text, err := d.get(d.http + "/api/v1/calibration")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, i := range answer.Interfaces {
		if i.Kind == "rate_missing" { // of three samplers: what follows for an outgoing direction lies between their rates
			if i.SuggestedRate < 90 || i.SuggestedRate > 1100 {
				t.Errorf("%s: suggested rate %d", i.Exporter, i.SuggestedRate)
			}
			i.SuggestedRate = 0
		}
		kinds[fmt.Sprintf("%s %s %d", i.Exporter, i.Kind, i.SuggestedRate)]++
	}
	for _, want := range []string{"127.0.2.1 rate_wrong 1000", "127.0.2.2 rate_missing 0", "127.0.2.3 both_exported 0"} {
		if kinds[want] < 8 {
			t.Errorf("only few are diagnosed as %s: %v", want, kinds)
		}
	}
	d.acceptsRate("127.0.2.1", 100, 1000)
	d.stop()
}

// acceptsRate accepts, as the button on the page does, the sampling rate that is
// suggested for an interface of a router, and sees later flows have it, and those of
// other interfaces still the announced one.
func (d *daemon) acceptsRate(router string, announced, suggested int) {
	d.t.Helper()
	const interfaces = "/api/v1/calibration?exporter=%s&if_index=%d&direction=in"
	const index = 514
	offered, err := d.get(d.http + fmt.Sprintf(interfaces, router, index))
	if want := fmt.Sprintf(`"suggested_sampling_rate":%d`, suggested); err != nil || !strings.Contains(offered, want) {
		d.t.Fatalf("want %s: %s %v", want, offered, err)
	}
	if _, err := d.call("POST", "/api/v1/calibration/accept", fmt.Sprintf(`{"exporter":"%s","if_index":%d,"direction":"in","sampling_rate":%d}`, router, index, suggested)); err != nil {
		d.t.Fatal(err)
	}
	if after, err := d.get(d.http + fmt.Sprintf(interfaces, router, index)); err != nil || !strings.Contains(after, `"suggested_sampling_rate":0`) || !strings.Contains(after, "That rate is set now") {
		d.t.Errorf("after it was accepted: %s %v", after, err)
	}
	flows := fmt.Sprintf("FROM flows WHERE source = '' AND exporter_addr = toIPv6('%s')", router)
	d.expectNumber("later flows have the rate", fmt.Sprintf("SELECT count() > 5 %s AND in_if = %d AND sampling_rate = %d", flows, index, suggested), 1)
	since := fmt.Sprintf("time_received >= (SELECT min(time_received) %s AND in_if = %d AND sampling_rate = %d)", flows, index, suggested)
	d.expectNumber("none has the announced one since", fmt.Sprintf("SELECT count() %s AND in_if = %d AND sampling_rate != %d AND %s", flows, index, suggested, since), 0)
	d.expectNumber("other interfaces still have it", fmt.Sprintf("SELECT count() > 0 %s AND in_if != %d AND sampling_rate = %d AND %s", flows, index, announced, since), 1)
	// What a chart shows is what has crossed the wire since: ten times the octets that the announced rate makes of it.
	d.expectNumber("charts scale by it", fmt.Sprintf("SELECT sum(bytes * sampling_rate) = sum(bytes) * %d %s AND in_if = %d AND %s", suggested, flows, index, since), 1)
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
	if out, err := d.command("demo", "load", "--to", "192.0.2.1:2055", "--duration", "1ms").CombinedOutput(); err == nil || !strings.Contains(string(out), "--network") {
		t.Errorf("it sends to another machine without being asked twice: %s", out)
	}
	if out, err := d.command("demo", "load", "--rate", "0").CombinedOutput(); err == nil {
		t.Errorf("no rate is fine: %s", out)
	}
}
