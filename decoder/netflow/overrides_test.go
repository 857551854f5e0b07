package netflow

import (
	"net/netip"
	"testing"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// An override that begins at a time holds for what is received from then on,
// whenever that is decoded, and whether it was known from the start or not.
func TestOverridesBeginAtATime(t *testing.T) {
	source := netip.MustParseAddrPort("192.0.2.1:2055")
	exporter, everyone := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("0.0.0.0/0")
	seven, eight := uint32(7), uint32(8)
	overrides := []SamplingOverride{
		{Exporters: exporter, Interface: &seven, Rate: 10},
		{Exporters: everyone, Rate: 3},
		{Exporters: exporter, Interface: &seven, Rate: 100, SinceMs: 2000},
		{Exporters: exporter, Interface: &seven, Rate: 200, SinceMs: 3000},
		{Exporters: exporter, Interface: &seven, Rate: 0, SinceMs: 4000},
		{Exporters: exporter, Interface: &eight, Rate: 50, SinceMs: 1500},
		{Exporters: exporter, Rate: 5, SinceMs: 5000},
		{Exporters: exporter, Rate: 0, SinceMs: 6000},
	}
	want := []struct {
		atMs         int64
		seven, eight uint32
	}{{1000, 10, 3}, {1500, 10, 50}, {2000, 100, 50}, {2999, 100, 50}, {3000, 200, 50}, {4000, 10, 50}, {5000, 10, 50}, {6000, 10, 50}, {2500, 100, 50}, {1000, 10, 3}}
	rates := func(d *Decoder, atMs int64) (rates [2]uint32) {
		t.Helper()
		for i, ifIndex := range []uint32{seven, eight} {
			b := new(decoder.Batch)
			fields, octets := fieldsOf([]fieldValue{num(1, 4, 1000), num(2, 4, 1), num(10, 4, uint64(ifIndex))})
			datagram := generate.New(header(10)).Templates(generate.Template{ID: 256, Fields: fields}).Data(256, octets).Bytes()
			if err := d.Decode(atMs, source, datagram, b); err != nil || b.Len() != 1 {
				t.Fatalf("%d rows: %v", b.Len(), err)
			}
			rates[i] = b.SamplingRate[0]
		}
		return rates
	}
	config := Default()
	config.SamplingOverrides = overrides
	known, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	told, err := New(Default())
	if err != nil {
		t.Fatal(err)
	}
	if got := rates(told, 500); got != [2]uint32{1, 1} {
		t.Errorf("without overrides: %v", got)
	}
	if err := told.SetSamplingOverrides(overrides); err != nil {
		t.Fatal(err)
	}
	restored, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if err := restored.RestoreState(known.AppendState(nil), nil); err != nil {
			t.Fatal(err)
		}
		for name, d := range map[string]*Decoder{"known": known, "told": told, "restored": restored} {
			if got := rates(d, w.atMs); got != [2]uint32{w.seven, w.eight} {
				t.Errorf("%s at %d ms: %v, want %d and %d", name, w.atMs, got, w.seven, w.eight)
			}
		}
	}
	if err := told.SetSamplingOverrides([]SamplingOverride{{Exporters: exporter}}); err == nil {
		t.Error("a rate of 0 that always holds is taken")
	}
}
