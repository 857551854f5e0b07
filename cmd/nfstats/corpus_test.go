package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// corpusDir is where real exporters' datagrams lie when they are there.
const corpusDir = "../../../shared/corpus/captures"

// A replayed exporter is one line that the replay tool prints.
type replayed struct {
	Capture   string `json:"capture"`
	Exporter  string `json:"exporter"`
	Port      uint16 `json:"port"`
	As        string `json:"as"`
	Datagrams int    `json:"datagrams"`
}

// TestCorpusReachesClickHouse replays real captures into the running program
// and compares the rows in ClickHouse with the golden decodings.
func TestCorpusReachesClickHouse(t *testing.T) {
	if _, err := os.Stat(corpusDir); err != nil {
		lacking(t, "no corpus: %v", err)
	}
	captures, err := filepath.Glob(filepath.Join(corpusDir, "*", "*.pcap"))
	if err != nil || len(captures) == 0 {
		t.Fatalf("no captures in the corpus: %v", err)
	}
	d := newDaemon(t)
	d.start()
	exporters := replay(t, d, captures)

	// Everything has been stored once nothing waits any more.
	total := 0
	for _, e := range exporters {
		total += e.Datagrams
	}
	d.eventually("all datagrams are received", func() error {
		received, err := d.metric("nfstats_collector_datagrams_total")
		if err == nil && int(received) != total {
			err = fmt.Errorf("%v of %d datagrams", received, total)
		}
		return err
	})
	d.eventually("all flows are stored", func() error {
		waiting, err := d.metric("nfstats_journal_unstored_datagrams")
		if err == nil && waiting != 0 {
			err = fmt.Errorf("%v datagrams wait", waiting)
		}
		return err
	})
	checkAgainstGolden(t, d, exporters)

	before, err := d.number("SELECT count() FROM flows")
	if err != nil {
		t.Fatal(err)
	}
	if before == 0 {
		t.Fatal("no rows")
	}
	d.stop()
	d.start()
	d.expectNumber("a restart keeps all rows", "SELECT count() FROM flows", before)
}

func replay(t *testing.T, d *daemon, captures []string) []replayed {
	t.Helper()
	tool := filepath.Join(t.TempDir(), "replay")
	build := exec.Command("go", "build", "-o", tool, ".")
	build.Dir = "../../../shared/tools/replay"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the replay tool: %v\n%s", err, out)
	}
	var out, problems bytes.Buffer
	cmd := exec.Command(tool, append([]string{"-to", d.udp, "-pps", "3000"}, captures...)...)
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("replay: %v\n%s", err, problems.String())
	}
	var exporters []replayed
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var e replayed
		if err := decoder.Decode(&e); err != nil {
			t.Fatal(err)
		}
		exporters = append(exporters, e)
	}
	return exporters
}

// checkAgainstGolden finds for each golden record a row of its exporter that has
// all of its values, uses each row once, and wants no row left.
func checkAgainstGolden(t *testing.T, d *daemon, exporters []replayed) {
	t.Helper()
	rowsOf := map[string][]map[string]any{}
	rows, err := d.query(`SELECT *, toString(exporter_addr) AS exporter, toUnixTimestamp64Milli(time_flow_start) AS start_ms, toUnixTimestamp64Milli(time_flow_end) AS end_ms FROM flows`)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		exporter := strings.TrimPrefix(row["exporter"].(string), "::ffff:")
		rowsOf[exporter] = append(rowsOf[exporter], row)
	}
	compared := 0
	byAddress := map[string][]replayed{} // several ports may share an address
	for _, e := range exporters {
		byAddress[e.As] = append(byAddress[e.As], e)
	}
	for as, members := range byAddress {
		var golden []map[string]any
		for _, e := range members {
			golden = append(golden, goldenRecords(t, e)...)
		}
		name := strings.TrimPrefix(members[0].Capture, corpusDir+"/")
		compared += compare(t, name, golden, rowsOf[as])
	}
	t.Logf("%d golden records found among %d rows", compared, len(rows))
	if compared == 0 {
		t.Error("nothing was compared")
	}
}

func goldenRecords(t *testing.T, e replayed) []map[string]any {
	t.Helper()
	file, err := os.Open(strings.TrimSuffix(e.Capture, ".pcap") + ".golden.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var records []map[string]any
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return records
		}
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.UseNumber()
		var record map[string]any
		if err := decoder.Decode(&record); err != nil {
			t.Fatalf("%s: %v", file.Name(), err)
		}
		if record["exporter_addr"] == e.Exporter && fmt.Sprint(record["exporter_port"]) == fmt.Sprint(e.Port) {
			records = append(records, record)
		}
	}
}

func compare(t *testing.T, name string, golden, rows []map[string]any) (found int) {
	t.Helper()
	// Look up rows by the most telling columns; the rest is compared in full.
	key := func(values map[string]any) string {
		return fmt.Sprint(values["src_addr"], values["dst_addr"], values["src_port"], values["dst_port"])
	}
	index := map[string][]map[string]any{}
	for _, row := range rows {
		index[key(row)] = append(index[key(row)], row)
	}
	missing, optional := 0, 0
	for _, record := range golden {
		for _, want := range expectedRows(record) {
			candidates := index[key(want)]
			at, differences := -1, []string(nil)
			for i, row := range candidates {
				if diff := difference(want, row); len(diff) == 0 {
					at = i
					break
				} else if differences == nil || len(diff) < len(differences) {
					differences = diff
				}
			}
			switch {
			case at >= 0:
				index[key(want)] = append(candidates[:at:at], candidates[at+1:]...)
				found++
			case record["lenient"] != nil:
				optional++
			default:
				if missing++; missing <= 3 {
					t.Errorf("%s: datagram %v set %v record %v: no row (nearest differs in %s)",
						name, record["datagram"], record["set"], record["rec"], strings.Join(differences, ", "))
				}
			}
		}
	}
	left := 0
	for _, rest := range index {
		left += len(rest)
	}
	if missing > 0 || left > notInGolden[name] {
		t.Errorf("%s: %d of %d golden records have no row, %d rows have no golden record", name, missing, len(golden), left)
	}
	return found
}

// notInGolden are rows that golden files do not have; the decoder's
// testdata/README.md says why.
var notInGolden = map[string]int{"pmacct/112_ipfix_options_map.pcap": 9, "bitkeks/v1.pcap": 1}

// zeroDefault are the columns that have a value in every row: a golden record
// without it wants zero.
var zeroDefault = map[string]any{"src_port": json.Number("0"), "dst_port": json.Number("0"), "bytes": json.Number("0"),
	"src_addr": "::", "dst_addr": "::"}

// expectedRows returns the columns that a golden record tells: one row, or two
// for a biflow.
func expectedRows(record map[string]any) []map[string]any {
	want := map[string]any{}
	for column, zero := range zeroDefault {
		want[column] = zero
	}
	for key, value := range record {
		switch key {
		case "src_addr", "dst_addr", "next_hop", "bgp_next_hop", "src_addr_xlate", "dst_addr_xlate":
			want[key] = mapped(value.(string))
		case "src_mac", "dst_mac":
			mac, _ := net.ParseMAC(value.(string))
			want[key] = json.Number(fmt.Sprint(binary.BigEndian.Uint64(append([]byte{0, 0}, mac...))))
		case "time_flow_start_ms": // where exporters tell microseconds, they are cut off
			want["start_ms"], _, _ = strings.Cut(fmt.Sprint(value), ".")
		case "time_flow_end_ms":
			want["end_ms"], _, _ = strings.Cut(fmt.Sprint(value), ".")
		case "bytes", "packets", "src_port", "dst_port", "in_if", "out_if", "src_as", "dst_as", "src_net", "dst_net", "ip_tos",
			"tcp_flags", "proto", "src_vlan", "dst_vlan", "in_vrf", "out_vrf", "icmp_type", "icmp_code", "flow_direction",
			"observation_domain_id", "src_port_xlate", "dst_port_xlate", "sampling_rate", "forwarding_status":
			want[key] = value
		}
	}
	// Of packets within packets the outer header counts; the decoder's
	// testdata/README.md says why golden records have the inner addresses.
	if ie, _ := record["ie"].(map[string]any); ie["8"] != nil && ie["27"] != nil {
		if protocols, ok := ie["4"].([]any); ok && len(protocols) == 2 {
			want["src_addr"], want["dst_addr"] = mapped(ie["27"].(string)), mapped(ie["28"].(string))
		}
	}
	if frame, ok := record["frame"].(map[string]any); ok {
		return []map[string]any{frameRow(want, frame)}
	}
	if !isZero(record["rev_bytes"]) || !isZero(record["rev_packets"]) {
		back := map[string]any{"bytes": record["rev_bytes"], "packets": record["rev_packets"], "proto": want["proto"],
			"src_addr": want["dst_addr"], "dst_addr": want["src_addr"], "src_port": want["dst_port"], "dst_port": want["src_port"]}
		return []map[string]any{want, back}
	}
	return []map[string]any{want}
}

func isZero(v any) bool { return v == nil || fmt.Sprint(v) == "0" }

// frameRow is the row of a sampled packet: what its header tells, one packet.
func frameRow(want, frame map[string]any) map[string]any {
	for _, address := range []string{"src_addr", "dst_addr"} {
		if v, ok := frame[address].(string); ok {
			want[address] = mapped(v)
		}
	}
	for field, column := range map[string]string{"src_port": "src_port", "dst_port": "dst_port", "proto": "proto", "ip_bytes": "bytes"} {
		if v, ok := frame[field]; ok {
			want[column] = v
		}
	}
	if frame["ip_version"] == nil {
		delete(want, "bytes") // the frame's length, which golden records may not have
	}
	return want
}

func mapped(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a.Is4() {
		return "::ffff:" + a.String()
	}
	return a.String()
}

func difference(want, row map[string]any) []string {
	var differing []string
	for column, value := range want {
		if fmt.Sprint(row[column]) != fmt.Sprint(value) {
			differing = append(differing, fmt.Sprintf("%s: want %v, row has %v", column, value, row[column]))
		}
	}
	sort.Strings(differing)
	return differing
}
