package store

import (
	"maps"
	"net/netip"
	"testing"
)

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
