package netflow

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nfstats/nfstats/decoder"
)

// goldenRow is a row as text by column name, to be compared column by column.
type goldenRow map[string]string

// notInGolden is how many rows captures give that golden files do not have; why
// stands in ../testdata/README.md.
var notInGolden = map[string]int{"pmacct/112_ipfix_options_map": 9, "bitkeks/v1": 1}

// TestCorpusMatchesGolden decodes every capture and wants a row for each golden
// record, all its values equal, and no row besides.
func TestCorpusMatchesGolden(t *testing.T) {
	records := 0
	for _, file := range captures(t) {
		t.Run(captureName(file), func(t *testing.T) {
			golden := readGolden(t, strings.TrimSuffix(file, ".pcap")+".golden.jsonl")
			d := newDecoder(t)
			b := decodeAll(d, readCapture(t, file))
			if left := matchGolden(t, golden, rowTexts(b)); len(left) != notInGolden[captureName(file)] {
				t.Errorf("%d rows without golden record, the first: %v", len(left), left[:min(3, len(left))])
			}
			records += len(golden)
		})
	}
	if records == 0 {
		t.Error("no golden record was compared")
	}
	t.Logf("%d golden records", records)
}

func readGolden(t *testing.T, file string) []map[string]any {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var records []map[string]any
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.UseNumber() // counters exceed 2^53
		record := map[string]any{}
		if err := decoder.Decode(&record); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		records = append(records, record)
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return records
}

// matchGolden uses each row for one golden record and returns those left over.
func matchGolden(t *testing.T, golden []map[string]any, rows []goldenRow) (left []goldenRow) {
	t.Helper()
	key := func(r goldenRow) string {
		return strings.Join([]string{r["exporter_addr"], r["src_addr"], r["dst_addr"], r["src_port"], r["dst_port"], r["bytes"]}, " ")
	}
	index := map[string][]goldenRow{}
	for _, r := range rows {
		index[key(r)] = append(index[key(r)], r)
	}
	failures := 0
	for _, record := range golden {
		for _, want := range goldenRows(record) {
			k := key(want)
			at := slices.IndexFunc(index[k], func(r goldenRow) bool { return len(differences(want, r)) == 0 })
			if at >= 0 {
				index[k] = slices.Delete(index[k], at, at+1)
				continue
			}
			if record["lenient"] != nil {
				continue
			}
			if failures++; failures > 5 {
				continue
			}
			nearest := []string{"no row for " + k}
			if len(index[k]) > 0 {
				nearest = differences(want, index[k][0])
			}
			t.Errorf("datagram %v, set %v, record %v: %s", record["datagram"], record["set"], record["rec"], strings.Join(nearest, "; "))
		}
	}
	if failures > 0 {
		t.Errorf("%d rows missing", failures)
	}
	for _, rest := range index {
		left = append(left, rest...)
	}
	return left
}

func differences(want, got goldenRow) []string {
	var all []string
	for _, column := range slices.Sorted(maps.Keys(want)) {
		if want[column] != got[column] {
			all = append(all, fmt.Sprintf("%s is %s, golden %s", column, got[column], want[column]))
		}
	}
	return all
}

// goldenColumns are the golden fields that are columns under the same name.
var goldenColumns = []string{"exporter_addr", "observation_domain_id", "src_addr", "dst_addr", "src_port", "dst_port", "proto", "tcp_flags",
	"ip_tos", "in_if", "out_if", "src_as", "dst_as", "src_net", "dst_net", "next_hop", "bgp_next_hop", "bytes", "packets",
	"src_vlan", "dst_vlan", "src_mac", "dst_mac", "icmp_type", "icmp_code", "flow_direction", "forwarding_status", "in_vrf", "out_vrf",
	"src_addr_xlate", "dst_addr_xlate", "src_port_xlate", "dst_port_xlate", "mpls_labels", "sampling_rate"}

// goldenRows returns what a golden record says about its row, and about a second
// one where there was traffic in the other direction.
func goldenRows(record map[string]any) []goldenRow {
	want := goldenRow{"type": map[string]string{"5": "1", "9": "2", "10": "3"}[fmt.Sprint(record["version"])],
		"src_addr": "::", "dst_addr": "::", "src_port": "0", "dst_port": "0", "bytes": "0", "packets": "0"}
	for _, column := range goldenColumns {
		if v, ok := record[column]; ok {
			want[column] = goldenText(v)
		}
	}
	// Milliseconds; where the record had microseconds they are cut off.
	for field, column := range map[string]string{"time_flow_start_ms": "time_flow_start", "time_flow_end_ms": "time_flow_end"} {
		if v, ok := record[field]; ok {
			want[column], _, _ = strings.Cut(fmt.Sprint(v), ".")
		}
	}
	ie, _ := record["ie"].(map[string]any)
	takeOuterHeader(want, ie)
	if record["time_flow_start_ms"] == nil && record["time_flow_end_ms"] == nil && record["duration_ms"] == nil &&
		ie["322"] == nil && ie["323"] == nil && ie["324"] == nil && ie["325"] == nil {
		want["time_flow_start"], want["time_flow_end"] = fmt.Sprint(record["export_ms"]), fmt.Sprint(record["export_ms"])
	}
	if ttl, ok := record["min_ttl"]; ok {
		want["ip_ttl"] = fmt.Sprint(ttl)
	}
	if frame, ok := record["frame"].(map[string]any); ok {
		addFrame(want, frame, ie)
	}
	if zero(record["rev_bytes"]) && zero(record["rev_packets"]) {
		return []goldenRow{want}
	}
	return []goldenRow{want, turned(want, record)}
}

// takeOuterHeader sets the addresses of packets within packets to those of the
// outer header, as everything else in the golden record is; it has the inner
// ones of IPv4. See ../testdata/README.md.
func takeOuterHeader(want goldenRow, ie map[string]any) {
	if protocols, ok := ie["4"].([]any); ok && len(protocols) == 2 && ie["8"] != nil && ie["27"] != nil {
		want["src_addr"], want["dst_addr"] = goldenText(ie["27"]), goldenText(ie["28"])
	}
}

func zero(v any) bool { return v == nil || fmt.Sprint(v) == "0" }

// addFrame adds what a sampled packet header says.
func addFrame(want goldenRow, frame, ie map[string]any) {
	for field, column := range map[string]string{"src_addr": "src_addr", "dst_addr": "dst_addr", "src_port": "src_port", "dst_port": "dst_port",
		"proto": "proto", "tos": "ip_tos", "ttl": "ip_ttl", "ip_bytes": "bytes", "tcp_flags": "tcp_flags", "icmp_type": "icmp_type",
		"icmp_code": "icmp_code", "src_mac": "src_mac", "dst_mac": "dst_mac", "mpls_labels": "mpls_labels"} {
		if v, ok := frame[field]; ok {
			want[column] = goldenText(v)
		}
	}
	if vlans, ok := frame["vlans"].([]any); ok {
		want["src_vlan"] = fmt.Sprint(vlans[0])
	}
	want["packets"] = "1"
	if frame["ip_version"] == nil {
		want["bytes"] = fmt.Sprint(len(fmt.Sprint(ie["315"]))/2 - 1) // hexadecimal after 0x
		if v, ok := frame["frame_bytes"]; ok {
			want["bytes"] = fmt.Sprint(v)
		}
	}
}

// turned returns the row of the opposite direction.
func turned(want goldenRow, record map[string]any) goldenRow {
	back := goldenRow{"bytes": "0", "packets": "0"}
	for _, column := range []string{"type", "exporter_addr", "observation_domain_id", "proto", "time_flow_start", "time_flow_end", "sampling_rate"} {
		if v, ok := want[column]; ok {
			back[column] = v
		}
	}
	for _, pair := range [][2]string{{"src_addr", "dst_addr"}, {"src_port", "dst_port"}, {"src_mac", "dst_mac"}, {"in_if", "out_if"},
		{"src_as", "dst_as"}, {"src_net", "dst_net"}, {"src_vlan", "dst_vlan"}, {"in_vrf", "out_vrf"}} {
		for i := range pair {
			if v, ok := want[pair[i]]; ok {
				back[pair[1-i]] = v
			}
		}
	}
	for field, column := range map[string]string{"rev_bytes": "bytes", "rev_packets": "packets"} {
		if v, ok := record[field]; ok {
			back[column] = fmt.Sprint(v)
		}
	}
	return back
}

func goldenText(v any) string {
	text := fmt.Sprint(v)
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Unmap().String()
	}
	if mac, err := net.ParseMAC(text); err == nil {
		return fmt.Sprint(number(mac))
	}
	return text
}

// rowTexts writes the rows of a batch as text, columns named as in ClickHouse.
func rowTexts(b *decoder.Batch) []goldenRow {
	address := func(a decoder.Addr) string { return netip.AddrFrom16(a).Unmap().String() }
	rows := make([]goldenRow, b.Len())
	for i := range rows {
		row := goldenRow{"exporter_addr": address(b.ExporterAddr[i]), "src_addr": address(b.SrcAddr[i]), "dst_addr": address(b.DstAddr[i]),
			"next_hop": address(b.NextHop[i]), "bgp_next_hop": address(b.BGPNextHop[i]),
			"src_addr_xlate": address(b.SrcAddrXlate[i]), "dst_addr_xlate": address(b.DstAddrXlate[i])}
		for column, v := range map[string]any{"type": b.Type[i], "time_received": b.TimeReceived[i], "time_flow_start": b.TimeFlowStart[i],
			"time_flow_end": b.TimeFlowEnd[i], "observation_domain_id": b.ObservationDomainID[i], "src_net": b.SrcNet[i], "dst_net": b.DstNet[i],
			"in_if": b.InIf[i], "out_if": b.OutIf[i], "src_as": b.SrcAS[i], "dst_as": b.DstAS[i], "in_vrf": b.InVRF[i], "out_vrf": b.OutVRF[i],
			"bytes": b.Bytes[i], "packets": b.Packets[i], "sampling_rate": b.SamplingRate[i], "etype": b.EType[i], "proto": b.Proto[i],
			"src_port": b.SrcPort[i], "dst_port": b.DstPort[i], "tcp_flags": b.TCPFlags[i], "ip_tos": b.IPTos[i], "ip_ttl": b.IPTTL[i],
			"icmp_type": b.ICMPType[i], "icmp_code": b.ICMPCode[i], "flow_direction": b.FlowDirection[i], "forwarding_status": b.ForwardingStatus[i],
			"src_vlan": b.SrcVLAN[i], "dst_vlan": b.DstVLAN[i], "src_mac": b.SrcMAC[i], "dst_mac": b.DstMAC[i],
			"src_port_xlate": b.SrcPortXlate[i], "dst_port_xlate": b.DstPortXlate[i], "mpls_labels": b.MPLSLabels[i]} {
			row[column] = fmt.Sprint(v)
		}
		rows[i] = row
	}
	return rows
}
