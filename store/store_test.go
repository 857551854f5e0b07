package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/store/engine"
	"github.com/nfstats/nfstats/store/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// open returns a store over a running engine, without tables yet.
func open(t testing.TB, s *engine.Supervisor) *Store {
	t.Helper()
	store, err := New(Config{Dial: s.Dial, Key: s.Key(), Database: "nfstats"}, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// prepared returns a store with tables on an engine of its own.
func prepared(t testing.TB) *Store {
	t.Helper()
	s := open(t, enginetest.Start(t))
	if err := s.Prepare(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPrepareIsSafeForManyAtOnceAndAgain(t *testing.T) {
	s := enginetest.Start(t)
	var wg sync.WaitGroup
	for range 5 {
		store := open(t, s)
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := store.Prepare(t.Context()); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	store := open(t, s)
	if err := store.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	migrations, err := readMigrations(migrationFiles)
	if err != nil {
		t.Fatal(err)
	}
	var applied uint64
	if err := store.Conn().QueryRow(t.Context(), "SELECT uniqExact(version) FROM schema_migrations").Scan(&applied); err != nil || applied != uint64(len(migrations)) {
		t.Errorf("%d migrations recorded, want %d: %v", applied, len(migrations), err)
	}
	var names uint64
	if err := store.Conn().QueryRow(t.Context(), "SELECT count() FROM as_names FINAL").Scan(&names); err != nil || names != 91065 {
		t.Errorf("%d AS names: %v", names, err)
	}
}

// Tables of another build are left alone: questions would fail one by one.
func TestTablesOfAnotherBuildAreRefused(t *testing.T) {
	s := prepared(t)
	refused := func(want string) {
		t.Helper()
		if err := s.Prepare(t.Context()); !errors.Is(err, ErrOtherBuild) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	exec := func(query string) {
		t.Helper()
		if err := s.Conn().Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	exec("INSERT INTO schema_migrations (version, name, digest, applied_at) VALUES (4, 'rollups', 'another', now64(3) + 1)")
	refused("0004_rollups")
	exec("ALTER TABLE schema_migrations DROP COLUMN digest")
	refused("digests")
}

func TestBadMigrationFilesAreNamed(t *testing.T) {
	for name, want := range map[string]string{"migrations/1_x.sql": "not named like", "migrations/0002_x.sql": "want number 0001"} {
		if _, err := readMigrations(fstest.MapFS{name: {Data: []byte("SELECT 1;\n")}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// filled returns a batch of n random rows.
func filled(n int, seed uint64) *decoder.Batch {
	r := rand.New(rand.NewPCG(seed, 1))
	b := new(decoder.Batch)
	b.Extend(n)
	at := time.Now().UnixMilli()
	address := func(last int) decoder.Addr {
		return decoder.Addr{10: 0xff, 11: 0xff, 12: 10, 13: byte(r.IntN(4)), 14: byte(last >> 8), 15: byte(last)}
	}
	for i := range n {
		b.TimeReceived[i], b.TimeFlowStart[i], b.TimeFlowEnd[i] = at, at-5000, at-1000
		b.Type[i] = decoder.TypeIPFIX
		b.ExporterAddr[i], b.SrcAddr[i], b.DstAddr[i] = address(1), address(r.IntN(5000)), address(r.IntN(5000))
		b.SrcAS[i], b.DstAS[i] = uint32(64500+r.IntN(30)), uint32(64500+r.IntN(30))
		b.Bytes[i], b.Packets[i], b.SamplingRate[i] = uint64(r.IntN(100000)), uint64(1+r.IntN(100)), uint32(1+r.IntN(3))
		b.Proto[i], b.EType[i] = 6, 0x0800
		b.SrcPort[i], b.DstPort[i] = uint16(r.IntN(65536)), 443
		b.InIf[i], b.OutIf[i] = uint32(r.IntN(4)), uint32(r.IntN(4))
	}
	return b
}

func TestEveryColumnArrives(t *testing.T) {
	s := prepared(t)
	b := new(decoder.Batch)
	b.Extend(2)
	at := time.Now().UTC().Add(-time.Hour).Truncate(time.Second) // older ones may expire
	b.TimeReceived[0], b.TimeFlowStart[0], b.TimeFlowEnd[0] = at.UnixMilli()+123, at.UnixMilli()-999_544, at.UnixMilli()-211
	b.TimeReceived[1] = b.TimeReceived[0]
	b.Type[0], b.Type[1] = decoder.TypeNetFlowV9, decoder.TypeNfdump
	v6 := func(last byte) decoder.Addr { return decoder.Addr{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: last} }
	b.ExporterAddr[0], b.SrcAddr[0], b.DstAddr[0], b.NextHop[0], b.BGPNextHop[0] = v6(1), v6(2), decoder.Addr{10: 0xff, 11: 0xff, 12: 192, 15: 9}, v6(4), v6(5)
	b.SrcAddrXlate[0], b.DstAddrXlate[0] = v6(6), v6(7)
	b.ObservationDomainID[0], b.InIf[0], b.OutIf[0], b.SrcAS[0], b.DstAS[0], b.InVRF[0], b.OutVRF[0] = 11, 12, 13, 3356, 15, 16, 17
	b.Bytes[0], b.Packets[0], b.SamplingRate[0], b.SamplingRate[1] = 1<<62+1, 19, 1000, 1
	b.EType[0], b.Proto[0], b.SrcPort[0], b.DstPort[0], b.TCPFlags[0], b.IPTos[0], b.IPTTL[0] = 0x86dd, 6, 22, 23, 24, 25, 26
	b.ICMPType[0], b.ICMPCode[0], b.FlowDirection[0], b.ForwardingStatus[0] = 27, 28, 1, 64
	b.SrcVLAN[0], b.DstVLAN[0], b.SrcMAC[0], b.DstMAC[0], b.SrcNet[0], b.DstNet[0] = 31, 32, 33, 34, 35, 36
	b.SrcPortXlate[0], b.DstPortXlate[0] = 37, 38
	b.MarkImplausible(0)
	b.SetMPLSLabels(0, []uint32{16, 1048575})
	imported := time.Now().UTC() // else they would have expired
	if err := s.InsertFlows(t.Context(), Block{Token: "t", Collector: "c1", Source: "file.nf", Imported: imported}, b); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := s.Raw(t.Context(), "SELECT *, src_ip, dst_ip, src_as_name, bytes_scaled, packets_scaled FROM flows ORDER BY bytes DESC FORMAT CSV", "", &out); err != nil {
		t.Fatal(err)
	}
	times := ""
	for _, ms := range []int64{b.TimeReceived[0], b.TimeFlowStart[0], b.TimeFlowEnd[0]} {
		times += time.UnixMilli(ms).UTC().Format(`"2006-01-02 15:04:05.000",`)
	}
	want := times + `"NETFLOW_V9","c1","file.nf","2001:db8::1",11,"2001:db8::2","::ffff:192.0.0.9","2001:db8::4","2001:db8::5",35,36,12,13,3356,15,16,17,4611686018427387905,19,1000,34525,6,22,23,24,25,26,27,28,1,64,31,32,33,34,"2001:db8::6","2001:db8::7",37,38,"[16,1048575]",1,"` + imported.Format(time.DateTime) + `","2001:db8::2","192.0.0.9","Level 3 Communications, Inc.",`
	if line, _, _ := strings.Cut(out.String(), "\n"); !strings.HasPrefix(line, want) || !strings.HasSuffix(line, ",0,0") {
		t.Errorf("got\n%s, want\n%s…", line, want)
	}
	if !strings.Contains(out.String(), `"NFDUMP"`) {
		t.Errorf("second row: %s", out.String())
	}
}

func TestTokenMakesInsertsIdempotent(t *testing.T) {
	s := prepared(t)
	b := filled(1000, 1)
	for _, token := range []string{"a", "a", "b", "a"} {
		if err := s.InsertFlows(t.Context(), Block{Token: token, Collector: "c"}, b); err != nil {
			t.Fatal(err)
		}
	}
	var n uint64
	if err := s.Conn().QueryRow(t.Context(), "SELECT count() FROM flows").Scan(&n); err != nil || n != 2000 {
		t.Errorf("%d rows, want 2000: %v", n, err)
	}
}

func TestExporters(t *testing.T) {
	s := prepared(t)
	if err := s.InsertFlows(t.Context(), Block{Token: "t", Collector: "c"}, filled(5000, 2)); err != nil {
		t.Fatal(err)
	}
	from := time.Now().Add(-time.Minute)
	exporters, err := s.Exporters(t.Context(), from, from.Add(time.Hour))
	if err != nil || len(exporters) != 4 {
		t.Errorf("exporters %v %v", exporters, err)
	}
}

func TestUnusableServers(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "Code: 1. DB::Exception: nothing", http.StatusInternalServerError)
	}))
	defer proxy.Close()
	store, err := New(Config{URL: strings.Replace(proxy.URL, "http://", "http://u:hunter2@", 1), Database: "nfstats"}, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := store.Prepare(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an unusable server: %v, want retries until the end", err)
	}
	for version, want := range map[[2]uint64]bool{{22, 3}: true, {23, 7}: true, {23, 8}: false, {26, 7}: false} {
		if got := tooOld(version[0], version[1]); got != want {
			t.Errorf("version %v: too old is %v", version, got)
		}
	}
}

func TestURLErrorsHideThePassword(t *testing.T) {
	if _, err := New(Config{URL: "clickhouse://user:hunter2@[::1", Database: "d"}, zaptest.NewLogger(t)); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkInsert(b *testing.B) {
	s := prepared(b)
	batch := filled(200_000, 3)
	b.ResetTimer()
	for i := range b.N {
		if err := s.InsertFlows(b.Context(), Block{Token: fmt.Sprint(i), Collector: "c"}, batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(batch.Len())*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
