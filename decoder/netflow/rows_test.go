package netflow

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

func ip(id uint16, address string) fieldValue {
	return fieldValue{id, netip.MustParseAddr(address).AsSlice()}
}

// rowsOf decodes records of one template and returns what is not zero in each
// row, but for what every row has.
func rowsOf(t *testing.T, version uint16, fields []generate.Field, records ...[]byte) []string {
	t.Helper()
	d, b := newDecoder(t), new(decoder.Batch)
	template := generate.Template{ID: 256, Fields: fields}
	m := generate.New(header(version)).Templates(template).Data(256, records...)
	if err := d.Decode(receivedMs, testSource, m.Bytes(), b); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, row := range rowTexts(b) {
		var parts []string
		for _, column := range slices.Sorted(maps.Keys(row)) {
			v := row[column]
			switch column {
			case "type", "time_received", "time_flow_start", "time_flow_end", "exporter_addr", "observation_domain_id", "sampling_rate":
			default:
				if v != "0" && v != "::" && v != "[]" {
					parts = append(parts, column+"="+v)
				}
			}
		}
		rows = append(rows, strings.Join(parts, " "))
	}
	return rows
}

func TestRows(t *testing.T) {
	const v9, v10 = generate.NetFlowV9, generate.IPFIX
	ipv4 := []fieldValue{ip(8, "10.0.0.1"), ip(12, "10.0.0.2")}
	const ipv4Row = "dst_addr=10.0.0.2 etype=2048 src_addr=10.0.0.1"
	cases := []struct {
		name    string
		version uint16
		fields  []fieldValue
		want    []string
	}{
		{"delta before total, out and initiator counters", v10, []fieldValue{num(231, 4, 4), num(23, 4, 3), num(85, 4, 2), num(1, 4, 1), num(298, 4, 8), num(24, 4, 7), num(86, 4, 6), num(2, 4, 5)}, []string{"bytes=1 packets=5"}},
		{"a delta of 0 is a delta", v10, []fieldValue{num(1, 4, 0), num(85, 4, 2), num(2, 4, 1)}, []string{"packets=1"}},
		{"totals alone", v10, []fieldValue{num(85, 4, 2), num(86, 4, 6)}, []string{"bytes=2 packets=6"}},
		{"layer 2 octets alone", v10, []fieldValue{num(352, 8, 64)}, []string{"bytes=64"}},
		{"NSEL: two directions", v9, append(ipv4, num(7, 2, 1024), num(11, 2, 53), num(10, 2, 1), num(14, 2, 2), num(4, 1, 17), num(231, 4, 100), num(232, 4, 900), num(298, 4, 1), num(299, 4, 3)),
			[]string{"bytes=100 dst_addr=10.0.0.2 dst_port=53 etype=2048 in_if=1 out_if=2 packets=1 proto=17 src_addr=10.0.0.1 src_port=1024",
				"bytes=900 dst_addr=10.0.0.1 dst_port=1024 etype=2048 in_if=2 out_if=1 packets=3 proto=17 src_addr=10.0.0.2 src_port=53"}},
		{"NSEL: nothing came back", v9, append(ipv4, num(231, 4, 100), num(232, 4, 0)), []string{"bytes=100 " + ipv4Row}},
		{"NSEL: NAT and firewall event", v9, append(ipv4, ip(225, "192.0.2.1"), ip(226, "10.0.0.2"), num(227, 2, 40000), num(228, 2, 53), num(233, 1, 1)),
			[]string{"dst_addr=10.0.0.2 dst_addr_xlate=10.0.0.2 dst_port_xlate=53 etype=2048 src_addr=10.0.0.1 src_addr_xlate=192.0.2.1 src_port_xlate=40000"}},
		{"NAT of IPv6", v10, []fieldValue{ip(27, "2001:db8::1"), ip(281, "2001:db8::2"), ip(282, "2001:db8::3")}, []string{"dst_addr_xlate=2001:db8::3 etype=34525 src_addr=2001:db8::1 src_addr_xlate=2001:db8::2"}},
		{"a repeated element: the outer header", v10, []fieldValue{ip(27, "2001:db8::1"), num(4, 1, 4), num(7, 2, 1), ip(8, "10.0.0.1"), num(4, 1, 6), num(7, 2, 2)},
			[]string{"etype=34525 proto=4 src_addr=2001:db8::1 src_port=1"}},
		{"both IP versions, told by ipVersion", v10, []fieldValue{num(60, 1, 6), ip(8, "10.0.0.1"), ip(27, "2001:db8::1"), ip(12, "10.0.0.2"), ip(28, "2001:db8::2"), num(9, 1, 24), num(29, 1, 64), num(13, 1, 25), num(30, 1, 65)},
			[]string{"dst_addr=2001:db8::2 dst_net=65 etype=34525 src_addr=2001:db8::1 src_net=64"}},
		{"both IP versions, IPv6 zero", v10, []fieldValue{ip(27, "::"), ip(8, "10.0.0.1"), ip(28, "::"), ip(12, "10.0.0.2"), num(29, 1, 64), num(9, 1, 24), ip(62, "::"), ip(15, "10.0.0.9")},
			[]string{"dst_addr=10.0.0.2 etype=2048 next_hop=10.0.0.9 src_addr=10.0.0.1 src_net=24"}},
		{"both IP versions, IPv4 zero", v10, []fieldValue{ip(27, "2001:db8::1"), ip(8, "0.0.0.0"), ip(28, "2001:db8::2"), ip(12, "0.0.0.0"), num(29, 1, 64), num(9, 1, 24), ip(62, "::"), ip(15, "0.0.0.0")},
			[]string{"dst_addr=2001:db8::2 etype=34525 src_addr=2001:db8::1 src_net=64"}},
		{"IPv4 by way of an IPv6 next hop (RFC 8950)", v10, append(ipv4, ip(15, "0.0.0.0"), ip(62, "2001:db8::9")), []string{"dst_addr=10.0.0.2 etype=2048 next_hop=2001:db8::9 src_addr=10.0.0.1"}},
		{"an MPLS stack that ends early", v9, []fieldValue{num(70, 3, 100<<4), num(71, 3, 200<<4|1), num(72, 3, 300<<4)}, []string{"mpls_labels=[100 200]"}},
		{"an MPLS stack filled with zeros", v9, []fieldValue{num(70, 3, 100<<4), num(71, 3, 0), num(72, 3, 300<<4)}, []string{"mpls_labels=[100]"}},
		{"no MPLS stack", v9, []fieldValue{num(70, 3, 0), num(71, 3, 0)}, []string{""}},
		{"numbers longer than their columns", v9, []fieldValue{num(4, 8, 0x0106), num(89, 4, 64), {1, append(octets(8, 0xff), value(8, 77)...)}, num(6, 4, 0x1b)}, []string{"bytes=77 forwarding_status=64 proto=6 tcp_flags=27"}},
		{"numbers of odd lengths", v10, []fieldValue{num(1, 3, 70_000), num(2, 5, 1<<33), num(10, 3, 66_000), num(16, 2, 64500)}, []string{fmt.Sprintf("bytes=70000 in_if=66000 packets=%d src_as=64500", uint64(1)<<33)}},
		{"addresses of wrong length are skipped", v10, []fieldValue{{8, octets(16, 1)}, {27, octets(4, 1)}, num(1, 4, 5)}, []string{"bytes=5"}},
		{"ICMP in one field, IPv6", v10, []fieldValue{ip(27, "2001:db8::1"), num(139, 2, 0x8700)}, []string{"etype=34525 icmp_type=135 src_addr=2001:db8::1"}},
		{"ICMP in two fields", v10, []fieldValue{num(177, 1, 1), num(176, 1, 3)}, []string{"icmp_code=1 icmp_type=3"}},
		{"link layer", v10, []fieldValue{num(56, 6, 0x0a0b0c0d0e0f), num(80, 6, 1), num(58, 2, 100), num(59, 2, 200), num(256, 2, 0x0806)},
			[]string{"dst_mac=1 dst_vlan=200 etype=2054 src_mac=11042563100175 src_vlan=100"}},
		{"link layer after the observation point, 802.1Q", v10, []fieldValue{num(81, 6, 5), num(57, 6, 6), num(243, 2, 7), num(254, 2, 8)}, []string{"dst_mac=6 dst_vlan=8 src_mac=5 src_vlan=7"}},
		{"VRFs, direction, TTL", v10, []fieldValue{num(234, 4, 1), num(235, 4, 2), num(61, 1, 1), num(52, 1, 63), num(192, 1, 64)}, []string{"flow_direction=1 in_vrf=1 ip_ttl=63 out_vrf=2"}},
		{"physical interfaces", v10, []fieldValue{num(252, 4, 1), num(253, 4, 2)}, []string{"in_if=1 out_if=2"}},
		{"nothing known", v10, []fieldValue{num(210, 3, 1), num(433, 8, 2)}, []string{""}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			fields, record := fieldsOf(c.fields)
			if got := rowsOf(t, c.version, fields, record, record); !slices.Equal(got, append(slices.Repeat(c.want[:1], 2), slices.Repeat(c.want[1:], 2)...)) {
				t.Errorf("rows are\n%s, want each of\n%s twice", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestVariableLengths: fields of variable length among fixed ones, empty ones,
// long ones, lists (RFC 6313) and enterprise elements that are skipped.
func TestVariableLengths(t *testing.T) {
	fields := []generate.Field{{ID: 82, Length: generate.Variable}, {ID: 1, Length: 4}, {ID: 293, Length: generate.Variable}, {ID: 2, Length: generate.Variable},
		{ID: 5, Length: 1, Enterprise: 9}, {ID: 8, Length: generate.Variable}, {ID: 7, Length: 2}}
	long := append([]byte{255, 1, 44}, octets(300, 'x')...)
	records := [][]byte{
		slices.Concat([]byte{2, 'e', '0'}, value(4, 100), []byte{3, 1, 2, 3}, []byte{2, 1, 0}, []byte{9}, []byte{4, 10, 0, 0, 1}, value(2, 80)),
		slices.Concat(long, value(4, 200), []byte{0}, []byte{0}, []byte{9}, []byte{0}, value(2, 81)),
		slices.Concat([]byte{0}, value(4, 300), long, []byte{1, 7}, []byte{9}, []byte{3, 1, 2, 3}, value(2, 82)),
	}
	want := []string{"bytes=100 etype=2048 packets=256 src_addr=10.0.0.1 src_port=80", "bytes=200 etype=2048 src_port=81", "bytes=300 etype=2048 packets=7 src_port=82"}
	if got := rowsOf(t, 10, fields, records...); !slices.Equal(got, want) {
		t.Errorf("rows are\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestBadRecordLeavesNothing wants neither a row nor a value of a record that
// does not fit into its set, and the records before it.
func TestBadRecordLeavesNothing(t *testing.T) {
	d, b := newDecoder(t), new(decoder.Batch)
	template := generate.Template{ID: 256, Fields: []generate.Field{{ID: 1, Length: 4}, {ID: 82, Length: generate.Variable}, {ID: 2, Length: 1}}}
	good, bad := append(value(4, 1), 1, 'a', 2), append(value(4, 99), 200, 'b', 3)
	m := message10().Templates(template).Data(256, good, bad)
	if err := d.Decode(receivedMs, testSource, m.Bytes(), b); err == nil {
		t.Error("no error")
	}
	d.Decode(receivedMs, testSource, message10().Data(256, good).Bytes(), b)
	if b.Len() != 2 || !slices.Equal(b.Bytes[:2], []uint64{1, 1}) || !slices.Equal(b.Packets[:2], []uint64{2, 2}) {
		t.Errorf("rows have %v octets, %v packets", b.Bytes[:b.Len()], b.Packets[:b.Len()])
	}
	if got := d.Total().Dropped[ReasonBadRecord]; got != 1 {
		t.Errorf("counted %d times", got)
	}
}

// TestBiflow (RFC 5103): the second row has the reverse values.
func TestBiflow(t *testing.T) {
	reverse := func(id, length uint16) generate.Field {
		return generate.Field{ID: id, Length: length, Enterprise: reverseEnterprise}
	}
	fields := []generate.Field{{ID: 8, Length: 4}, {ID: 12, Length: 4}, {ID: 1, Length: 4}, reverse(1, 4), {ID: 2, Length: 4}, reverse(2, 4),
		{ID: 6, Length: 1}, reverse(6, 1), {ID: 152, Length: 8}, {ID: 153, Length: 8}, reverse(152, 8), reverse(153, 8), {ID: 61, Length: 1}, {ID: 58, Length: 2}, {ID: 52, Length: 1}}
	record := slices.Concat([]byte{10, 0, 0, 1, 10, 0, 0, 2}, value(4, 100), value(4, 200), value(4, 1), value(4, 2), []byte{2, 0x12},
		value(8, receivedMs-5000), value(8, receivedMs-1000), value(8, receivedMs-4000), value(8, receivedMs-2000), []byte{0}, value(2, 7), []byte{64})
	d, b := newDecoder(t), new(decoder.Batch)
	d.Decode(receivedMs, testSource, message10().Templates(generate.Template{ID: 256, Fields: fields}).Data(256, record).Bytes(), b)
	if b.Len() != 2 {
		t.Fatalf("%d rows", b.Len())
	}
	want := map[string]string{"src_addr": "10.0.0.2", "dst_addr": "10.0.0.1", "bytes": "200", "packets": "2", "tcp_flags": "18", "flow_direction": "1",
		"time_flow_start": fmt.Sprint(receivedMs - 4000), "time_flow_end": fmt.Sprint(receivedMs - 2000), "dst_vlan": "7", "src_vlan": "0", "ip_ttl": "0",
		"exporter_addr": "192.0.2.1", "observation_domain_id": "1", "sampling_rate": "1", "type": "3", "etype": "2048"}
	if differing := differences(want, rowTexts(b)[1]); len(differing) > 0 {
		t.Error(differing)
	}
	want = map[string]string{"src_addr": "10.0.0.1", "bytes": "100", "packets": "1", "tcp_flags": "2", "flow_direction": "0", "time_flow_start": fmt.Sprint(receivedMs - 5000), "ip_ttl": "64", "src_vlan": "7"}
	if differing := differences(want, rowTexts(b)[0]); len(differing) > 0 {
		t.Error(differing)
	}
}

// TestReverseOfEverything has a reverse field for every element: only what is
// measured may differ in the second row.
func TestReverseOfEverything(t *testing.T) {
	for _, length := range []uint16{4, 16, generate.Variable} {
		template := generate.Template{ID: 256, Fields: []generate.Field{{ID: 8, Length: 4}, {ID: 12, Length: 4}, {ID: 1, Length: 4}}}
		record := slices.Concat(octets(4, 10), octets(4, 11), value(4, 7))
		for _, id := range slices.Sorted(maps.Keys(elements)) {
			if id >= 0x8000 {
				continue
			}
			template.Fields = append(template.Fields, generate.Field{ID: id, Length: length, Enterprise: reverseEnterprise})
			if length == generate.Variable {
				record = append(record, 4, 0, 0, 0, 0)
				continue
			}
			record = append(record, octets(int(length), 1)...)
		}
		d, b := newDecoder(t), new(decoder.Batch)
		d.Decode(receivedMs, testSource, message10().Templates(template).Data(256, record).Bytes(), b)
		want := 2
		if length == generate.Variable {
			want = 1 // its counters are 0
		}
		if b.Len() != want {
			t.Fatalf("%d rows of fields of %d octets", b.Len(), length)
		}
		if last := b.Len() - 1; b.SamplingRate[last] != 1 || b.EType[last] != ethernetTypeIPv4 || want == 2 && b.SrcAddr[1] != b.DstAddr[0] {
			t.Errorf("fields of %d octets: %v", length, rowTexts(b)[last])
		}
	}
}

// TestGeneratedFlows wants back what the generator was told.
func TestGeneratedFlows(t *testing.T) {
	flow := generate.Flow{Src: netip.MustParseAddr("10.1.2.3"), Dst: netip.MustParseAddr("192.0.2.9"), SrcPort: 1234, DstPort: 443, Proto: 6, Tos: 8, TCPFlags: 0x1b,
		Bytes: 1500, Packets: 3, Start: header(9).Export.Add(-5e9), End: header(9).Export.Add(-1e9), InIf: 3, OutIf: 4, SrcAS: 64500, DstAS: 64501,
		SrcNet: 24, DstNet: 16, NextHop: netip.MustParseAddr("10.9.9.9"), Direction: 1, Sampler: 1, SamplingRate: 1000, InName: "eth0", Application: "https"}
	want := goldenRow{"src_addr": "10.1.2.3", "dst_addr": "192.0.2.9", "src_port": "1234", "dst_port": "443", "proto": "6", "ip_tos": "8", "tcp_flags": "27",
		"bytes": "1500", "packets": "3", "time_flow_start": fmt.Sprint(receivedMs - 5000), "time_flow_end": fmt.Sprint(receivedMs - 1000), "in_if": "3", "out_if": "4",
		"src_as": "64500", "dst_as": "64501", "src_net": "24", "dst_net": "16", "sampling_rate": "1000"}
	flow6 := flow
	flow6.Src, flow6.Dst, flow6.NextHop = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::3")
	want6 := maps.Clone(want)
	want6["src_addr"], want6["dst_addr"] = "2001:db8::1", "2001:db8::2"
	datagrams := map[string][]byte{"v5": generate.V5(header(5), 1000, []generate.Flow{flow})}
	wants := map[string]goldenRow{"v5": want}
	for name, c := range map[string]struct {
		version  uint16
		template generate.Template
		flow     *generate.Flow
		want     goldenRow
	}{
		"v9 IPv4": {9, generate.V9IPv4(256), &flow, want}, "v9 IPv6": {9, generate.V9IPv6(256), &flow6, want6},
		"IPFIX IPv4": {10, generate.IPFIXIPv4(256), &flow, want}, "IPFIX IPv6": {10, generate.IPFIXIPv6(256), &flow6, want6},
		"IPFIX variable": {10, generate.IPFIXVariable(256), &flow, want},
	} {
		options, record := generate.Sampler(c.version, 300, 1, 1000)
		h := header(c.version)
		datagrams[name] = generate.New(h).Templates(c.template).Templates(options).Data(300, record).Data(256, c.template.Record(h, c.flow)).Bytes()
		wants[name] = c.want
	}
	for name, datagram := range datagrams {
		d, b := newDecoder(t), new(decoder.Batch)
		if err := d.Decode(receivedMs, testSource, datagram, b); err != nil || b.Len() != 1 {
			t.Fatalf("%s: %d rows: %v", name, b.Len(), err)
		}
		if differing := differences(wants[name], rowTexts(b)[0]); len(differing) > 0 {
			t.Errorf("%s: %v", name, differing)
		}
	}
}
