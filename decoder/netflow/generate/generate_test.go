package generate

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	export = time.Unix(1_700_000_000, 0)
	flow   = Flow{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), NextHop: netip.MustParseAddr("10.0.0.3"),
		SrcPort: 1024, DstPort: 443, Proto: 6, Tos: 8, TCPFlags: 0x1b, Bytes: 1500, Packets: 3, Start: export.Add(-2 * time.Second), End: export,
		InIf: 7, OutIf: 9, SrcAS: 64500, DstAS: 64501, SrcNet: 24, DstNet: 16, InName: "eth0"}
)

// octets reads annotated hexadecimal: what follows // in a line is a comment.
func octets(t *testing.T, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "//")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDatagrams(t *testing.T) {
	h := func(version uint16) Header {
		return Header{Version: version, Domain: 0x0102, Sequence: 5, Export: export, Uptime: time.Hour}
	}
	template := Template{ID: 256, Fields: []Field{{ID: 8, Length: 4}, {ID: 82, Length: Variable}, {ID: 1, Length: 3}}}
	enterprise := Template{ID: 257, Fields: []Field{{ID: 1, Length: 4, Enterprise: 29305}}}
	options, sampler := Sampler(NetFlowV9, 300, 1, 1000)
	cases := []struct {
		name string
		got  []byte
		want string
	}{
		{"v5", V5(h(NetFlowV5), 1000, []Flow{flow}), `
			0005 0001 0036ee80 6553f100 00000000 00000005 0102 43e8 // header; the mode is above the interval
			0a000001 0a000002 0a000003 0007 0009                    // addresses, interfaces
			00000003 000005dc 0036e6b0 0036ee80                     // counters, uptimes
			0400 01bb 00 1b 06 08 fbf4 fbf5 18 10 0000`},
		{"v9", New(h(NetFlowV9)).Templates(options).Data(300, sampler).Bytes(), `
			0009 0002 0036ee80 6553f100 00000005 00000102  // two records
			0001 0018 012c 0004 0008 0001 0004 0030 0001 0032 0004 0000 // options template, padded
			012c 0010 00000000 01 000003e8 000000`},
		{"IPFIX", New(h(IPFIX)).Templates(template, enterprise).Withdraw(2, false).Data(256, template.Record(h(IPFIX), &flow)).Bytes(), `
			000a 0048 6553f100 00000005 00000102
			0002 0020 0100 0003 0008 0004 0052 ffff 0001 0003 0101 0001 8001 0004 00007279
			0002 0008 0002 0000
			0100 0010 0a000001 04 65746830 0005dc`},
	}
	for _, c := range cases {
		if want := octets(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s:\n%x, want\n%x", c.name, c.got, want)
		}
	}
}

func TestRandomDatagramsFit(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]struct {
		version  uint16
		template Template
	}{"v5": {NetFlowV5, Template{}}, "v9": {NetFlowV9, V9IPv4(256)}, "v9 IPv6": {NetFlowV9, V9IPv6(256)},
		"IPFIX": {IPFIX, IPFIXIPv4(256)}, "IPFIX IPv6": {IPFIX, IPFIXIPv6(256)}, "IPFIX variable": {IPFIX, IPFIXVariable(256)}} {
		datagram, flows := Datagram(r, Header{Version: c.version, Export: export}, c.template)
		if len(datagram) > maxPayload || len(datagram) < maxPayload*8/10 || flows < 10 {
			t.Errorf("%s: %d octets with %d flows", name, len(datagram), flows)
		}
	}
}
