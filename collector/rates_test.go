package collector

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder/netflow"
)

func TestOperatorRatesAreKeptWithTheirBeginning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rates.json")
	one := netip.MustParsePrefix("192.0.2.1/32")
	seven := uint32(7)
	whole := func(rate uint32) netflow.SamplingOverride {
		return netflow.SamplingOverride{Exporters: one, Rate: rate}
	}
	part := func(rate uint32) netflow.SamplingOverride {
		return netflow.SamplingOverride{Exporters: one, Interface: &seven, Rate: rate}
	}
	since := func(o netflow.SamplingOverride, at time.Time) netflow.SamplingOverride {
		o.SinceMs = at.Add(ratesBegin).UnixMilli()
		return o
	}
	start := time.UnixMilli(1_800_000_000_000)
	at := func(hours int) time.Time { return start.Add(time.Duration(hours) * time.Hour) }
	for _, step := range []struct {
		hours   int
		wanted  []netflow.SamplingOverride
		changed bool
		kept    []netflow.SamplingOverride
	}{
		{0, nil, false, nil},
		{1, []netflow.SamplingOverride{part(100)}, true, []netflow.SamplingOverride{since(part(100), at(1))}},
		{2, []netflow.SamplingOverride{part(100)}, false, []netflow.SamplingOverride{since(part(100), at(1))}},
		{3, []netflow.SamplingOverride{part(200), whole(5)}, true, []netflow.SamplingOverride{since(part(100), at(1)), since(part(200), at(3)), since(whole(5), at(3))}},
		{4, []netflow.SamplingOverride{part(200)}, true, []netflow.SamplingOverride{since(part(100), at(1)), since(part(200), at(3)), since(whole(5), at(3)), since(whole(0), at(4))}},
		{24 * 100, []netflow.SamplingOverride{part(300)}, true, []netflow.SamplingOverride{since(part(200), at(3)), since(part(300), at(24*100))}},
	} {
		r := operatorRates{path: path} // a restart at each step
		if err := r.load(); err != nil {
			t.Fatal(err)
		}
		next, changed := r.update(step.wanted, at(step.hours))
		if changed != step.changed {
			t.Errorf("hour %d: changed %t", step.hours, changed)
		}
		if !changed {
			continue
		}
		if !reflect.DeepEqual(next, step.kept) {
			t.Errorf("hour %d: %+v, want %+v", step.hours, next, step.kept)
		}
		if err := r.save(next); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&operatorRates{path: path}).load(); err == nil {
		t.Error("a damaged file is taken")
	}
}
