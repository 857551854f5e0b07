package collector

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/engine/enginetest"
	"github.com/nfstats/nfstats/store/filter"
)

// absurdRate is the sampling rate set for the exporter 127.0.9.32.
const absurdRate = math.MaxUint32

// received is a collector with its store, and what it logs.
type received struct {
	*Collector
	store *store.Store
	log   *observer.ObservedLogs
}

// receive has a collector store what exporters send, datagrams by address, and rolls it up.
func receive(t *testing.T, datagrams map[string][][]byte, flows uint64) received {
	t.Helper()
	supervisor := enginetest.Start(t)
	s, err := store.New(store.Config{Dial: supervisor.Dial, Key: supervisor.Key(), Database: "nfstats"}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	gigabit := []store.Interface{{IfIndex: 900, IfName: "ge-0/0/9", Type: 6, Speed: 1_000_000_000}}
	if err := s.SaveInterfaces(t.Context(), netip.MustParseAddr("127.0.9.5"), gigabit, time.Now()); err != nil {
		t.Fatal(err)
	}
	config := Config{Listen: []string{"127.0.0.1:0"}, Name: "test", ReceiveBuffer: 1 << 20, Journal: journal.Default(), Decoder: netflow.Default()}
	config.Journal.Dir, config.Journal.BlockAge = t.TempDir(), 20*time.Millisecond
	config.Decoder.SamplingOverrides = []netflow.SamplingOverride{{Exporters: netip.MustParsePrefix("127.0.9.32/32"), Rate: absurdRate}}
	core, log := observer.New(zap.WarnLevel)
	c, err := New(config, s, prometheus.NewRegistry(), zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	speeds, err := s.InterfaceSpeeds(t.Context())
	if err != nil || len(speeds) != 1 {
		t.Fatalf("%v %v", speeds, err)
	}
	c.SetInterfaceSpeeds(speeds)
	runUntilStored(t, c, s, datagrams, flows)
	if err := store.NewRollups(s, "test", func() time.Time { return time.Now().Add(2 * time.Minute) }).CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return received{c, s, log}
}

// runUntilStored sends datagrams and waits until so many flows are stored.
func runUntilStored(t *testing.T, c *Collector, s *store.Store, datagrams map[string][][]byte, flows uint64) {
	t.Helper()
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	ctx, stop := contextOf(t)
	go func() { defer close(stopped); c.Run(ctx) }()
	t.Cleanup(func() { stop(); <-stopped })
	for from, all := range datagrams {
		conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.ParseIP(from)}, net.UDPAddrFromAddrPort(c.Addresses()[0]))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			if _, err := conn.Write(d); err != nil {
				t.Fatal(err)
			}
		}
		conn.Close()
	}
	stored := uint64(0)
	for deadline := time.Now().Add(time.Minute); stored < flows; time.Sleep(20 * time.Millisecond) {
		if err := s.Conn().QueryRow(t.Context(), "SELECT count() FROM flows").Scan(&stored); err != nil || time.Now().After(deadline) {
			t.Fatalf("%d flows are stored, want %d: %v", stored, flows, err)
		}
	}
}

// A sending is a version's template and exporter.
type sending struct {
	version  uint16
	exporter string
	template generate.Template
}

var sendings = []sending{{generate.NetFlowV5, "127.0.9.5", generate.Template{}}, {generate.NetFlowV9, "127.0.9.9", wide(generate.V9IPv4(256))},
	{generate.IPFIX, "127.0.9.10", wide(generate.IPFIXIPv4(256))}}

// wide returns a template with counters of 64 bits and the sampling rate in the record.
func wide(t generate.Template) generate.Template {
	for i, f := range t.Fields {
		if f.ID == 1 || f.ID == 2 {
			t.Fields[i].Length = 8
		}
	}
	t.Fields = slices.DeleteFunc(t.Fields, func(f generate.Field) bool { return f.ID == 48 })
	t.Fields = append(t.Fields, generate.Field{ID: 34, Length: 4})
	return t
}

// datagrams encodes flows, few to a datagram. v5 tells the rate of the first flow.
func (s sending) datagrams(at time.Time, flows []generate.Flow) (all [][]byte) {
	for part := range slices.Chunk(flows, 10) {
		h := generate.Header{Version: s.version, Domain: 1, Export: at, Uptime: 5 * time.Hour}
		if s.version == generate.NetFlowV5 {
			all = append(all, generate.V5(h, uint16(part[0].SamplingRate), part))
			continue
		}
		m, records := generate.New(h).Templates(s.template), [][]byte{}
		for i := range part {
			records = append(records, s.template.Record(h, &part[i]))
		}
		all = append(all, m.Data(s.template.ID, records...).Bytes())
	}
	return all
}

// normal returns flows that ended before a time, all through a few interfaces.
func normal(seed uint64, before time.Time) (flows []generate.Flow) {
	r := rand.New(rand.NewPCG(seed, 7))
	for range 300 {
		f := generate.RandomFlow(r, before, false)
		f.InIf, f.OutIf, f.SrcAS, f.DstAS = 900+r.Uint32N(2), 910+r.Uint32N(2), 64500+r.Uint32N(9), 64600+r.Uint32N(9)
		flows = append(flows, f)
	}
	return flows
}

// absurd returns what a record of normal traffic becomes: v5 has 32 bits.
func absurd(version uint16, f generate.Flow) (all []generate.Flow) {
	add := func(octets, packets uint64, rate uint32, lifetime time.Duration) {
		f.Bytes, f.Packets, f.SamplingRate, f.Start = octets, packets, rate, f.End.Add(-lifetime)
		all = append(all, f)
	}
	for _, lifetime := range []time.Duration{0, time.Minute} {
		if version == generate.NetFlowV5 {
			f.InIf = 900 // of which the speed is known
			add(math.MaxUint32, math.MaxUint32, 16383, lifetime)
			add(math.MaxUint32, 1, 16383, lifetime)
			add(1, math.MaxUint32, 16383, lifetime)
			continue
		}
		for _, octets := range []uint64{1 << 62, 1 << 63, math.MaxUint64} {
			for _, packets := range []uint64{1, 1 << 63, math.MaxUint64} {
				for _, rate := range []uint32{1, 1000, 1 << 31, absurdRate} {
					add(octets, packets, rate, lifetime)
				}
			}
		}
		add(100, math.MaxUint64, 1, lifetime)
		add(1<<32, 1, absurdRate, lifetime)
		add(0, 1<<62, 16, lifetime)
	}
	return all
}

// Whatever absurd counters routers send, in any version and beside whatever traffic,
// every number that is shown is what it is without them.
func TestImplausibleRecordsChangeNoNumber(t *testing.T) {
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	datagrams, flows := map[string][][]byte{}, uint64(0)
	for i, s := range sendings {
		all := normal(uint64(i), at)
		datagrams[s.exporter], flows = s.datagrams(at, all), flows+uint64(len(all))
	}
	without := receive(t, datagrams, flows)
	want := without.shown(t, at)

	marked := uint64(0)
	for i, s := range sendings {
		broken := absurd(s.version, normal(uint64(i), at)[0])
		datagrams[s.exporter] = append(s.datagrams(at, broken), datagrams[s.exporter]...)
		marked += uint64(len(broken))
	}
	set := normal(1, at)[:30]
	for i := range set {
		set[i].Bytes, set[i].SamplingRate = math.MaxUint32, 1
	}
	datagrams["127.0.9.32"], marked = sendings[0].datagrams(at, set), marked+30
	with := receive(t, datagrams, flows+marked)
	if diff := cmp.Diff(want, with.shown(t, at)); diff != "" {
		t.Error(diff)
	}
	with.isWarnedOf(t, marked)
	with.areThere(t, at, marked)
}

// fraction is a number whose last digits depend on the order in which ClickHouse
// adds up.
var fraction = regexp.MustCompile(`-?[0-9]+\.[0-9]+(e[-+]?[0-9]+)?`)

// shown returns everything that is made of counters, fractions to twelve digits.
func (r received) shown(t *testing.T, at time.Time) map[string]string {
	t.Helper()
	all := map[string]string{}
	keep := func(name string, answer any, err error) {
		t.Helper()
		text, wrong := json.Marshal(answer)
		if err != nil || wrong != nil {
			t.Fatalf("%s: %v %v", name, err, wrong)
		}
		all[name] = fraction.ReplaceAllStringFunc(string(text), func(number string) string {
			value, err := strconv.ParseFloat(number, 64)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return strconv.FormatFloat(value, 'g', 12, 64)
		})
	}
	for name, from := range map[string]time.Time{"minutes": at.Add(-10 * time.Minute).Truncate(time.Minute), "hours": at.Add(-9 * time.Hour).Truncate(time.Hour)} {
		for _, scale := range []store.Scale{store.ScaleAuto, store.ScaleRaw} {
			selection := store.Selection{From: from, To: at.Truncate(time.Hour).Add(2 * time.Hour), Scale: scale}
			for _, by := range []string{"src_as", "dst_as", "in_if", "exporter", "proto", "src_addr", "sampling_rate"} {
				shares, err := r.store.Shares(t.Context(), selection, by, 10)
				keep(fmt.Sprint("shares ", name, scale, by), []any{shares.Rows, shares.Total}, err)
				series, err := r.store.Series(t.Context(), selection, by, 10, 5)
				keep(fmt.Sprint("series ", name, scale, by), []any{series.Rows, series.Total, series.FlowsPerSecond, series.PacketsPerSecond}, err)
				paths, err := r.store.Paths(t.Context(), selection, []string{by, "out_if"}, 10)
				keep(fmt.Sprint("paths ", name, scale, by), []any{paths.Total, len(paths.Paths), paths.Paths[0].Rates}, err)
			}
		}
	}
	sums, err := r.store.FlowSums(t.Context(), at.Add(-time.Hour), at.Add(time.Hour))
	slices.SortFunc(sums, func(a, b store.FlowSum) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	keep("what calibrates", sums, err)
	roles, err := r.store.Roles(t.Context(), at.Add(-time.Hour))
	keep("roles", fmt.Sprint(roles), err)
	for _, table := range []string{"flows", "flows_1m", "flows_1h", "flows_1m_in", "flows_1m_out", "flows_1h_in", "flows_1h_out", "flows_1h_path"} {
		var octets, packets float64
		err := r.store.Conn().QueryRow(t.Context(), "SELECT sum(bytes_scaled), sum(packets_scaled) FROM "+table).Scan(&octets, &packets)
		keep(table, []float64{octets, packets}, err)
	}
	exporters, err := r.store.Exporters(t.Context(), at.Add(-time.Hour), at.Add(time.Hour))
	exporters = slices.DeleteFunc(exporters, func(e store.Exporter) bool { return e.Flows == e.Implausible })
	for i := range exporters {
		e := &exporters[i]
		e.Flows, e.Implausible, e.FirstSeen, e.LastSeen = e.Flows-e.Implausible, 0, 0, 0
	}
	keep("exporters", exporters, err)
	page, err := r.store.Flows(t.Context(), store.Selection{From: at.Add(-time.Hour), To: at.Add(time.Hour)}, "-bytes", 1, 0)
	page.Total.Flows, page.Total.Implausible = page.Total.Flows-page.Total.Implausible, 0
	keep("flows", page.Total, err)
	return all
}

// isWarnedOf wants a line in the log, a warning and counts, by exporter.
func (r received) isWarnedOf(t *testing.T, marked uint64) {
	t.Helper()
	suspects, total := r.implausible.list()
	if total != marked || len(suspects) != len(sendings)+1 {
		t.Errorf("%d records of %d exporters are counted, want %d", total, len(suspects), marked)
	}
	warnings := strings.Join(r.Warnings(), "\n")
	if !strings.Contains(warnings, "flow records that no network can have carried") || !strings.Contains(warnings, "1 more exporters sent") {
		t.Errorf("warnings: %s", warnings)
	}
	for _, s := range sendings {
		lines := r.log.FilterField(zap.Stringer("exporter", netip.MustParseAddr(s.exporter))).Len()
		if lines != 1 {
			t.Errorf("%s: %d lines in the log", s.exporter, lines)
		}
	}
}

// areThere wants the records as they came, on the page and in SQL.
func (r received) areThere(t *testing.T, at time.Time, marked uint64) {
	t.Helper()
	selection := store.Selection{From: at.Add(-time.Hour), To: at.Add(time.Hour), Filter: mustParse(t, "implausible = yes")}
	page, err := r.store.Flows(t.Context(), selection, "-bytes", 1, 0)
	if err != nil || page.Total.Flows != marked || page.Total.Implausible != marked || page.Total.Bytes != 0 || page.Total.BytesScaled != 0 {
		t.Fatalf("%+v %v", page, err)
	}
	if f := page.Rows[0]; !f.Implausible || f.Bytes != math.MaxUint64 {
		t.Errorf("%+v", f)
	}
	var n, octets, packets uint64
	err = r.store.Conn().QueryRow(t.Context(), "SELECT count(), max(bytes), max(packets) FROM flows WHERE implausible").Scan(&n, &octets, &packets)
	if err != nil || n != marked || octets != math.MaxUint64 || packets != math.MaxUint64 {
		t.Errorf("%d records, up to %d octets and %d packets: %v", n, octets, packets, err)
	}
}

// Records that are plausible by themselves, as many as somebody likes to send, make no
// sum wrap: all tables agree.
func TestManyLargeRecordsDoNotWrap(t *testing.T) {
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	flow := normal(1, at)[0]
	flow.Bytes, flow.Packets, flow.SamplingRate, flow.Start = 1<<51, 1, 1, flow.End.Add(-3*time.Hour)
	flows := slices.Repeat([]generate.Flow{flow}, 9000) // of 2⁶⁴ octets and more
	r := receive(t, map[string][][]byte{"127.0.9.10": sendings[2].datagrams(at, flows)}, uint64(len(flows)))
	for _, table := range []string{"flows", "flows_1m", "flows_1h", "flows_1m_in", "flows_1h_out", "flows_1h_path"} {
		var octets float64
		if err := r.store.Conn().QueryRow(t.Context(), "SELECT sum(bytes_scaled) FROM "+table).Scan(&octets); err != nil {
			t.Fatal(err)
		}
		minutes := math.Round(octets / (1 << 53)) // in which they came
		if octets != minutes*(1<<53) || minutes < 1 || minutes > 4 {
			t.Errorf("%s: %v octets", table, octets)
		}
	}
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(context.WithoutCancel(t.Context()))
}

func mustParse(t *testing.T, text string) *filter.Filter {
	t.Helper()
	f, err := filter.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
