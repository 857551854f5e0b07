package snmp

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func prepared(t testing.TB) *store.Store {
	t.Helper()
	engine := enginetest.Start(t)
	s, err := store.New(store.Config{Dial: engine.Dial, Key: engine.Key(), Database: "nfstats"}, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Prepare(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

var edge = netip.MustParseAddr("192.0.2.1")

// history stores an hour of flows that enter by interface 7 and leave by 8, at
// 8 Mb/s before sampling 1:rate, announced as 1:announced, and the counters of
// both: those of 8 have no traffic of their own.
func history(t *testing.T, s *store.Store, from time.Time, rate, announced uint32) {
	t.Helper()
	b := new(decoder.Batch)
	const minutes, octetsPerMinute, size = 60, 60_000_000, 1000
	b.Extend(minutes)
	var counters []store.Counter
	var total uint64
	for m := range minutes {
		at := from.Add(time.Duration(m) * time.Minute).UnixMilli()
		b.TimeFlowStart[m], b.TimeFlowEnd[m], b.TimeReceived[m] = at, at+60_000, at+60_000
		b.Type[m], b.ExporterAddr[m], b.InIf[m], b.OutIf[m] = decoder.TypeIPFIX, decoder.Addr(edge.As16()), 7, 8
		b.Packets[m] = octetsPerMinute / size / uint64(rate)
		b.Bytes[m], b.SamplingRate[m] = b.Packets[m]*size, announced
	}
	for m := range minutes + 1 {
		for _, i := range []uint32{7, 8} {
			counters = append(counters, store.Counter{Exporter: edge, IfIndex: i, AtMs: from.Add(time.Duration(m)*time.Minute).UnixMilli() + 20, UptimeMs: uint64(1_000_000 + m*60_000),
				InOctets: total, OutOctets: total, Bits: 64})
		}
		total += octetsPerMinute + octetsPerMinute/size*18
	}
	if err := s.InsertFlows(t.Context(), store.Block{Token: "x", Collector: "test", Source: "x"}, b); err != nil {
		t.Fatal(err)
	}
	if err := s.RollUpSource(t.Context(), "x", 1); err != nil {
		t.Fatal(err)
	}
	if err := s.InsertCounters(t.Context(), counters); err != nil {
		t.Fatal(err)
	}
}

func TestCalibrationIsWritten(t *testing.T) {
	s := prepared(t)
	now := time.Now()
	from := now.Truncate(5 * time.Minute).Add(-62 * time.Minute).Truncate(5 * time.Minute)
	history(t, s, from, 100, 80)
	c := NewCalibrator(s, 5*time.Minute, zaptest.NewLogger(t))
	for range 2 { // again changes nothing
		if err := c.CatchUp(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := s.Calibration(t.Context(), store.CalibrationQuery{Exporter: edge, IfIndex: 7, Direction: "in", From: from, To: now})
	if err != nil || len(rows) < 11 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for _, r := range rows[1:11] { // readings start 20 ms into the first
		if !r.Final && r.Bucket < now.Add(-11*time.Minute).Unix() || r.Status != "applied" || math.Abs(r.Coverage-0.8) > 0.002 || math.Abs(r.Factor*r.FlowOctets/r.SNMPOctets-1) > 0.005 || r.SamplingRate != 80 {
			t.Errorf("%+v", r)
		}
	}
	rows, err = s.Calibration(t.Context(), store.CalibrationQuery{Exporter: edge, IfIndex: 7, Direction: "out", From: from, To: now})
	if err != nil || len(rows) < 11 || rows[5].Status != "refused" || rows[5].Reason != "no flows" {
		t.Errorf("%+v: %v", rows, err)
	}
}

func TestInventoryOfFlowsAndDevices(t *testing.T) {
	s := prepared(t)
	history(t, s, time.Now().Truncate(5*time.Minute).Add(-time.Hour), 100, 100)
	options := []netflow.ExporterNames{{Address: edge, Interfaces: []netflow.InterfaceName{{IfIndex: 7, Name: "seven"}, {IfIndex: 9, Name: "nine"}}}}
	k := NewKeeper(s, func(context.Context) ([]netflow.ExporterNames, error) { return options, nil }, prometheus.NewRegistry(), zaptest.NewLogger(t))
	if err := k.look(t.Context(), time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	names := func() map[uint32]string {
		all, err := s.Interfaces(t.Context(), edge)
		if err != nil {
			t.Fatal(err)
		}
		names := map[uint32]string{}
		for _, i := range all {
			names[i.IfIndex] = i.Name
		}
		return names
	}
	if n := names(); len(n) != 3 || n[7] != "seven" || n[8] != "" || n[9] != "nine" {
		t.Errorf("%v", n)
	}
	if w := k.Wanted(edge); len(w) != 2 || !w[7] || !w[8] {
		t.Errorf("%v", w)
	}
	if err := k.Discovered(t.Context(), edge, System{Name: "edge1"}, []Interface{{IfIndex: 7, Name: "xe-7", Type: 6}, {IfIndex: 8, Name: "xe-8", Type: 6}}); err != nil {
		t.Fatal(err)
	}
	if err := k.look(t.Context(), time.Now().Add(-2*time.Hour)); err != nil { // options data do not take the names back
		t.Fatal(err)
	}
	if n := names(); n[7] != "xe-7" || n[8] != "xe-8" {
		t.Errorf("%v", n)
	}
	k.Counters(edge, []Counters{{IfIndex: 7, AtMs: time.Now().UnixMilli(), InOctets: 5, Bits: 64}})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.flush(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := k.flush(t.Context()); err != nil || len(k.pending) != 0 {
		t.Errorf("%v", err)
	}
	got, err := s.Counters(t.Context(), edge, time.Now().Add(-time.Second), time.Now().Add(time.Minute))
	if err != nil || len(got) != 1 || got[0].InOctets != 5 {
		t.Errorf("%+v: %v", got, err)
	}
}

// A device restarts and renumbers: each ifIndex is calibrated as the interface
// that it was at the time.
func TestCalibrationFollowsRenumbering(t *testing.T) {
	s := prepared(t)
	ctx := t.Context()
	now := time.Now()
	from := now.Truncate(5 * time.Minute).Add(-65 * time.Minute)
	history(t, s, from, 100, 80)
	k := NewKeeper(s, nil, prometheus.NewRegistry(), zaptest.NewLogger(t))
	walk := func(restarted time.Time, seven, eight string) {
		t.Helper()
		if err := k.Discovered(ctx, edge, System{Restarted: restarted}, []Interface{{IfIndex: 7, Name: seven, Type: 6}, {IfIndex: 8, Name: eight, Type: 6}}); err != nil {
			t.Fatal(err)
		}
	}
	walk(time.Time{}, "a", "b")
	i := store.Interface{Exporter: edge, IfIndex: 7, IfName: "a", Type: 6, Edit: store.Unedited}
	i.Edit.Overhead = 100 // of a, and not of what has its number today
	if err := s.EditInterface(ctx, i); err != nil {
		t.Fatal(err)
	}
	walk(from.Add(30*time.Minute), "b", "a")
	if err := NewCalibrator(s, 5*time.Minute, zaptest.NewLogger(t)).CatchUp(ctx, now); err != nil {
		t.Fatal(err)
	}
	for today, part := range map[uint32]struct {
		start    int
		overhead float64
	}{8: {1, 100}, 7: {7, 18}} { // the flows entered by 7, which was a for half an hour, and then b
		rows, err := s.Calibration(ctx, store.CalibrationQuery{Exporter: edge, IfIndex: today, Direction: "in", From: from.Add(time.Duration(part.start) * 5 * time.Minute), To: from.Add(time.Duration(part.start+5) * 5 * time.Minute)})
		if err != nil || len(rows) != 5 {
			t.Fatalf("%d: %d rows %v", today, len(rows), err)
		}
		for _, r := range rows {
			if packets := r.FlowOctets / 1000; math.Abs(r.FlowOverhead/packets-part.overhead) > 0.01 || r.FlowPackets == 0 {
				t.Errorf("%d: %+v", today, r)
			}
		}
	}
}
