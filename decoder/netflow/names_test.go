package netflow

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfstats/nfstats/decoder"
)

func TestNamesInOptionsData(t *testing.T) {
	d := newDecoder(t)
	tell := func(version uint16, scopes []fieldValue, values ...fieldValue) {
		t.Helper()
		if err := d.Decode(receivedMs, testSource, optionsMessage(version, 1, 300, scopes, values), new(decoder.Batch)); err != nil {
			t.Fatal(err)
		}
	}
	system := []fieldValue{num(1, 4, 0)}
	tell(9, system, num(10, 4, 7), text(82, "Te0/0/0/1\x00\x00\x00"), text(83, "to \x07Zürich  "))
	tell(9, []fieldValue{num(2, 4, 8)}, text(82, "Te0/0/0/2"))
	tell(9, system, num(234, 4, 0x60000001), text(236, "customers\x00"))
	tell(9, system, fieldValue{95, []byte{3, 0, 0, 80}}, text(96, "http"), text(94, "World Wide Web"))
	tell(9, system, fieldValue{95, []byte{20, 0, 0, 0x30, 0x44, 0, 0, 0x40, 0}}, text(96, "Fortinet's"))
	tell(9, system, num(48, 2, 1), num(49, 1, 2), num(50, 4, 1000), text(84, "one-in-1000\x00\x00"))
	tell(10, []fieldValue{num(302, 8, 2)}, num(304, 2, 1), num(305, 4, 1), num(306, 4, 9), text(335, "systematic"))
	tell(9, system, num(10, 4, 7), text(82, "Te0/0/0/9")) // named anew, described as before

	want := []ExporterNames{{
		Address:      testSource.Addr(),
		Interfaces:   []InterfaceName{{1, 7, "Te0/0/0/9", "to Zürich"}, {1, 8, "Te0/0/0/2", ""}},
		VRFs:         []VRFName{{1, 0x60000001, "customers"}},
		Applications: []ApplicationName{{1, "3:80", "http", "World Wide Web"}, {1, "20:12356:16384", "Fortinet's", ""}},
		Samplers:     []SamplerName{{1, 1, "one-in-1000", 1000, 2}, {1, 2, "systematic", 10, 1}},
	}}
	if diff := cmp.Diff(want, d.Names(), cmp.Comparer(func(a, b interface{ String() string }) bool { return a.String() == b.String() })); diff != "" {
		t.Error(diff)
	}
}

func TestNamesAreBounded(t *testing.T) {
	d := newDecoder(t, func(c *Config) { c.MaxNames = 3 })
	for i := range uint64(10) {
		d.Decode(receivedMs, testSource, optionsMessage(9, 1, 300, []fieldValue{num(1, 4, 0)}, []fieldValue{num(10, 4, i), text(82, string(octets(1000, 'x')))}), new(decoder.Batch))
	}
	names := d.Names()[0].Interfaces
	if len(names) != 3 || len(names[0].Name) != maxNameLength {
		t.Errorf("%d names, the first of %d octets", len(names), len(names[0].Name))
	}
}

// TestCorpusNames wants what real exporters announce.
func TestCorpusNames(t *testing.T) {
	for _, file := range captures(t) {
		want := map[string][4]int{ // interfaces, VRFs, applications, samplers
			"logstash/v9_cisco_nbar":            {0, 0, 15, 0},
			"logstash/v9_cisco_asr9k_opt256":    {19, 0, 0, 0},
			"akvorado/v9_multiplesamplingrates": {0, 0, 0, 2},
			"pmacct/502_ipfix_srv6_lcomms":      {5, 6, 0, 1},
		}
		counts, ok := want[captureName(file)]
		if !ok {
			continue
		}
		d := newDecoder(t)
		decodeAll(d, readCapture(t, file))
		var got [4]int
		for _, n := range d.Names() {
			for _, i := range n.Interfaces {
				if i.Name == "" {
					t.Errorf("%s: an interface without name", captureName(file))
				}
			}
			got[0], got[1], got[2], got[3] = got[0]+len(n.Interfaces), got[1]+len(n.VRFs), got[2]+len(n.Applications), got[3]+len(n.Samplers)
		}
		if got != counts {
			t.Errorf("%s: %v interfaces, VRFs, applications and samplers, want %v", captureName(file), got, counts)
		}
	}
}
