package store

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
)

// Without AS numbers the addresses tell uplinks from what is behind a router.
func TestRolesWithoutASNumbers(t *testing.T) {
	s := prepared(t)
	other := netip.MustParseAddr("192.0.2.2")
	at := time.Now().UnixMilli() - 60_000
	var b decoder.Batch
	add := func(exporter netip.Addr, in, out uint32, src, dst, as uint32) {
		i := b.Len()
		b.Extend(1)
		b.TimeReceived[i], b.TimeFlowStart[i], b.TimeFlowEnd[i] = at, at-5000, at-1000
		b.Type[i], b.ExporterAddr[i], b.EType[i], b.InIf[i], b.OutIf[i] = decoder.TypeIPFIX, decoder.Addr(exporter.As16()), 0x0800, in, out
		b.SrcAddr[i] = decoder.Addr{10: 0xff, 11: 0xff, 12: 198, 13: byte(src >> 8), 14: byte(src), 15: 1}
		b.DstAddr[i] = decoder.Addr{10: 0xff, 11: 0xff, 12: 10, 14: byte(dst), 15: 7}
		b.Bytes[i], b.Packets[i], b.SamplingRate[i], b.SrcAS[i] = 1000, 1, 1, as
	}
	for n := range uint32(400) {
		add(edge, 1, 5, n, n%3, 0)    // transit
		add(edge, 2, 5, 400+n, 3, 0)  // another
		add(other, 1, 5, n, n%3, n%2) // has AS numbers
		if n < 150 {
			add(edge, 3, 5, 800+n, n%3, 0) // too many for a customer, too few for an uplink
		}
		if n < 20 {
			add(edge, 5, 1+n%2, 2000+n%3, n, 0)
		}
	}
	roll(t, s, "a", &b)
	roles, err := s.Roles(t.Context(), time.Now().Add(-2*time.Hour))
	want := map[Way]string{{Exporter: edge, IfIndex: 1}: "uplink", {Exporter: edge, IfIndex: 2}: "uplink", {Exporter: edge, IfIndex: 5}: "customer", {Exporter: other, IfIndex: 1}: "customer"}
	if err != nil || !maps.Equal(roles, want) {
		t.Errorf("%v: %v", roles, err)
	}
	if got := roleByPrefixes(90, 3, 90); got != "" {
		t.Errorf("%s of few prefixes", got)
	}
}

func TestGuessRoles(t *testing.T) {
	other := netip.MustParseAddr("192.0.2.2")
	even := func(first, cells int) (m Mix) {
		for i := range cells {
			m[first+i] = 1000
		}
		return m
	}
	of := func(far, near uint64, in, out Mix) *Passing { return &Passing{Far: far, Near: near, In: in, Out: out} }
	for name, tc := range map[string]struct {
		passing map[Way]*Passing
		want    map[Way]string
	}{
		"both ends of a link": {
			map[Way]*Passing{{Exporter: edge, IfIndex: 1}: of(50, 5, even(0, 40), even(40, 40)), {Exporter: other, IfIndex: 1}: of(9, 50, even(42, 40), even(2, 40)), {Exporter: edge, IfIndex: 2}: of(20, 3, even(60, 40), even(20, 40))},
			map[Way]string{{Exporter: edge, IfIndex: 1}: "internal", {Exporter: other, IfIndex: 1}: "internal", {Exporter: edge, IfIndex: 2}: "uplink"},
		},
		"alike in one direction only": {
			map[Way]*Passing{{Exporter: edge, IfIndex: 1}: of(50, 5, even(0, 40), even(40, 40)), {Exporter: other, IfIndex: 1}: of(2, 50, even(80, 40), even(0, 40))},
			map[Way]string{{Exporter: edge, IfIndex: 1}: "uplink", {Exporter: other, IfIndex: 1}: "customer"},
		},
		"too little to tell": {
			map[Way]*Passing{{Exporter: edge, IfIndex: 1}: of(4, 4, even(0, 4), even(4, 4)), {Exporter: other, IfIndex: 1}: of(1, 4, even(4, 4), even(0, 4))},
			map[Way]string{{Exporter: edge, IfIndex: 1}: "peer", {Exporter: other, IfIndex: 1}: "customer"},
		},
		"addresses without a network": {
			map[Way]*Passing{{Exporter: edge, IfIndex: 1}: of(0, 40, even(0, 40), even(40, 40)), {Exporter: edge, IfIndex: 2}: of(0, 0, Mix{}, Mix{})},
			map[Way]string{{Exporter: edge, IfIndex: 1}: "customer"},
		},
		"one router's own interfaces": { // what enters by one leaves by the other
			map[Way]*Passing{{Exporter: edge, IfIndex: 1}: of(40, 1, even(0, 40), even(40, 40)), {Exporter: edge, IfIndex: 2}: of(1, 40, even(40, 40), even(0, 40))},
			map[Way]string{{Exporter: edge, IfIndex: 1}: "uplink", {Exporter: edge, IfIndex: 2}: "customer"},
		},
	} {
		if got := GuessRoles(tc.passing); !maps.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
