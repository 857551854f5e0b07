package ipas

import (
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"go.uber.org/zap/zaptest"

	"github.com/nfstats/nfstats/decoder"
)

// write makes a database of networks and their records.
func write(t testing.TB, path string, records map[string]mmdbtype.Map) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-ASN", RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	// A network inserted later replaces the narrower ones within it: widest first.
	prefixes := slices.SortedFunc(maps.Keys(records), func(a, b string) int {
		return netip.MustParsePrefix(a).Bits() - netip.MustParsePrefix(b).Bits()
	})
	for _, prefix := range prefixes {
		_, network, err := net.ParseCIDR(prefix)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(network, records[prefix]); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func maxMind(number uint32) mmdbtype.Map {
	return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(number), "autonomous_system_organization": mmdbtype.String("Example")}
}

var example = map[string]mmdbtype.Map{
	"192.0.2.0/24":      maxMind(64500),
	"198.51.100.0/25":   maxMind(64501),
	"198.51.100.128/25": maxMind(64502),
	"2001:db8::/32":     maxMind(64503),
	"2001:db8:7:8::/64": {"asn": mmdbtype.String("AS64504")},
	"203.0.113.0/24":    {"asn": mmdbtype.Uint32(64505)},
	"10.0.0.0/8":        {"country": mmdbtype.String("none")},
}

func opened(t testing.TB, source Source, path string) *Database {
	t.Helper()
	d, err := New(source, path, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	d.Open()
	return d
}

// flows returns a batch of flows from these addresses to 192.0.2.9, with the AS
// number that the exporter tells.
func flows(as uint32, sources ...string) *decoder.Batch {
	b := new(decoder.Batch)
	b.ExtendColumns(len(sources), decoder.ColumnSrcAddr|decoder.ColumnDstAddr, 0)
	if as != 0 {
		b.ExtendColumns(0, 0, decoder.ColumnSrcAS)
	}
	for i, s := range sources {
		b.SrcAddr[i], b.DstAddr[i] = netip.MustParseAddr(s).As16(), netip.MustParseAddr("::ffff:192.0.2.9").As16()
		if as != 0 {
			b.SrcAS[i] = as
		}
	}
	return b
}

func TestComplete(t *testing.T) {
	path := filepath.Join(t.TempDir(), "asn.mmdb")
	write(t, path, example)
	sources := []string{"192.0.2.1", "198.51.100.1", "198.51.100.200", "198.51.100.2", "2001:db8::1", "2001:db8:7:8::1", "2001:db8:7:9::1", "203.0.113.1", "10.1.1.1", "8.8.8.8", "::"}
	database := []uint32{64500, 64501, 64502, 64501, 64503, 64504, 64503, 64505, 0, 0, 0}
	or := func(exporter uint32) []uint32 {
		all := slices.Clone(database)
		for i := range all {
			if all[i] == 0 {
				all[i] = exporter
			}
		}
		return all
	}
	for _, c := range []struct {
		source   Source
		exporter uint32
		want     []uint32
	}{
		{PreferExporter, 0, database},
		{PreferExporter, 7, slices.Repeat([]uint32{7}, len(sources))},
		{DatabaseFirst, 0, database},
		{DatabaseFirst, 7, or(7)},
		{Exporter, 0, make([]uint32, len(sources))},
		{Exporter, 7, slices.Repeat([]uint32{7}, len(sources))},
	} {
		l := opened(t, c.source, path).NewLookup()
		for range 2 { // the second time from the cache
			b := flows(c.exporter, sources...)
			l.Complete(b)
			if got := b.SrcAS[:b.Len()]; !slices.Equal(got, c.want) {
				t.Errorf("%s, exporter tells %d: %v, want %v", c.source, c.exporter, got, c.want)
			}
			if c.source != Exporter && b.DstAS[0] != 64500 {
				t.Errorf("%s: destination %d", c.source, b.DstAS[0])
			}
		}
	}
}

// TestCompletedRowsLeaveNothing refills a batch: AS numbers of its first filling
// must not show where the second has none.
func TestCompletedRowsLeaveNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "asn.mmdb")
	write(t, path, example)
	l := opened(t, PreferExporter, path).NewLookup()
	b := flows(0, "192.0.2.1", "192.0.2.2")
	l.Complete(b)
	b.Reset()
	b.ExtendColumns(2, decoder.ColumnSrcAddr|decoder.ColumnDstAddr, 0)
	b.SrcAddr[0], b.SrcAddr[1] = netip.MustParseAddr("8.8.8.8").As16(), netip.MustParseAddr("9.9.9.9").As16()
	b.DstAddr[0], b.DstAddr[1] = b.SrcAddr[0], b.SrcAddr[1]
	l.Complete(b)
	if b.SrcAS[0] != 0 || b.SrcAS[1] != 0 || b.DstAS[0] != 0 {
		t.Errorf("%v %v", b.SrcAS[:2], b.DstAS[:2])
	}
}

func TestFileChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "asn.mmdb")
	d := opened(t, PreferExporter, path)
	l := d.NewLookup()
	expect := func(step string, want uint32, problem string) {
		t.Helper()
		d.Open()
		b := flows(0, "192.0.2.1")
		l.Complete(b)
		if b.SrcAS[0] != want || !strings.Contains(d.Problem(), problem) || (problem == "") != (d.Problem() == "") {
			t.Errorf("%s: AS %d, problem %q, want %d, %q", step, b.SrcAS[0], d.Problem(), want, problem)
		}
	}
	expect("no file", 0, "no such file")
	write(t, path, example)
	expect("a file", 64500, "")
	write(t, path, map[string]mmdbtype.Map{"192.0.2.0/24": maxMind(64999), "2001:db8::/32": maxMind(1)})
	expect("another edition", 64999, "")
	if err := os.WriteFile(path, []byte("half a download"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect("damaged", 64999, "cannot be used")
	write(t, path, map[string]mmdbtype.Map{"192.0.2.0/24": {"country": mmdbtype.String("DE")}})
	expect("a database of something else", 64999, "has no AS numbers")
	write(t, path, example)
	expect("repaired", 64500, "")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect("gone", 64500, "no such file")
}

func TestNewRefuses(t *testing.T) {
	for source, path := range map[Source]string{"whois": "x.mmdb", DatabaseFirst: ""} {
		if _, err := New(source, path, zaptest.NewLogger(t)); err == nil {
			t.Errorf("%s, %q is accepted", source, path)
		}
	}
}

// skewed returns flows of n addresses of which few bring most, as traffic has it, and
// the database of their 20,000 networks.
func skewed(t testing.TB, n int) (*Lookup, *decoder.Batch) {
	path := filepath.Join(t.TempDir(), "asn.mmdb")
	records := map[string]mmdbtype.Map{}
	for i := range 20_000 {
		records[netip.PrefixFrom(netip.AddrFrom4([4]byte{20 + byte(i>>12), byte(i >> 4), byte(i << 4)}), 20).String()] = maxMind(uint32(1000 + i/4))
	}
	write(t, path, records)
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.2, 8, 20_000*4096-1)
	b := new(decoder.Batch)
	b.ExtendColumns(n, decoder.ColumnSrcAddr|decoder.ColumnDstAddr, 0)
	address := func() decoder.Addr {
		v := uint32(zipf.Uint64()*2654435761) % (20_000 * 4096)
		return decoder.Addr{10: 0xff, 11: 0xff, 12: 20 + byte(v>>24), 13: byte(v >> 16), 14: byte(v >> 8), 15: byte(v)}
	}
	for i := range n {
		b.SrcAddr[i], b.DstAddr[i] = address(), address()
	}
	return opened(t, DatabaseFirst, path).NewLookup(), b
}

func TestCompleteAllocatesNothing(t *testing.T) {
	l, b := skewed(t, 10_000)
	l.Complete(b)
	if allocations := testing.AllocsPerRun(10, func() { l.Complete(b) }); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// BenchmarkComplete reports what both AS numbers of a flow cost.
func BenchmarkComplete(b *testing.B) {
	const rows = 100_000
	l, batch := skewed(b, rows)
	b.ReportAllocs()
	start := time.Now()
	for b.Loop() {
		l.Complete(batch)
	}
	b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(b.N)/rows, "ns/flow")
}
