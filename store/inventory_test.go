package store

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfstats/nfstats/decoder"
)

var edge = netip.MustParseAddr("192.0.2.1")

// flowsOver returns a batch of flows of an exporter between two interfaces, one
// for each source AS, that lived for the minute before at.
func flowsOver(exporter netip.Addr, in, out uint32, at time.Time, rate uint32, ases ...uint32) *decoder.Batch {
	b := new(decoder.Batch)
	b.Extend(len(ases))
	for i, as := range ases {
		b.TimeReceived[i], b.TimeFlowStart[i], b.TimeFlowEnd[i] = at.UnixMilli(), at.UnixMilli()-60_000, at.UnixMilli()
		b.Type[i], b.ExporterAddr[i], b.InIf[i], b.OutIf[i], b.SrcAS[i] = decoder.TypeIPFIX, decoder.Addr(exporter.As16()), in, out, as
		b.Bytes[i], b.Packets[i], b.SamplingRate[i] = 1000, 2, rate
	}
	return b
}

func roll(t *testing.T, s *Store, source string, b *decoder.Batch) {
	t.Helper()
	if err := s.InsertFlows(t.Context(), Block{Token: source, Collector: "test", Source: source}, b); err != nil {
		t.Fatal(err)
	}
	if err := s.RollUpSource(t.Context(), source, 1); err != nil {
		t.Fatal(err)
	}
}

func TestInventory(t *testing.T) {
	s := prepared(t)
	ctx := t.Context()
	now := time.Now().Truncate(time.Second).Add(-time.Minute)
	var many []uint32
	for as := range uint32(20) {
		many = append(many, 64500+as)
	}
	roll(t, s, "a", flowsOver(edge, 1, 2, now, 1000, many...))
	roll(t, s, "b", flowsOver(edge, 2, 1, now, 1000, 64999))
	if err := s.AddSeen(ctx, now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.AddSeen(ctx, now.Add(-time.Hour)); err != nil { // changes nothing
		t.Fatal(err)
	}
	all, err := s.Interfaces(ctx, netip.Addr{})
	if err != nil || len(all) != 2 || all[0].Exporter != edge || all[0].IfIndex != 1 || all[0].Edit != Unedited {
		t.Fatalf("%+v %v", all, err)
	}
	seen, err := s.SeenInterfaces(ctx, now.Add(-2*time.Hour))
	if err != nil || len(seen) != 2 || seen[0].SamplingRate != 1000 {
		t.Errorf("%+v %v", seen, err)
	}
	roles, err := s.Roles(ctx, now.Add(-2*time.Hour))
	if want := map[Way]string{{Exporter: edge, IfIndex: 1}: "uplink", {Exporter: edge, IfIndex: 2}: "customer"}; err != nil || !maps.Equal(roles, want) {
		t.Errorf("%v %v", roles, err)
	}

	since, walks := now.Unix()-86_400, int64(0)
	walk := func(names ...string) {
		t.Helper()
		var found []Interface
		walks++
		for i, name := range names {
			found = append(found, Interface{IfIndex: uint32(i + 1), IfName: name, IfAlias: "about " + name, Speed: 1e10, OperStatus: 1, OperSince: since + walks})
		}
		if err := s.SaveInterfaces(ctx, edge, found, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	shown := func() (names []string) {
		t.Helper()
		all, err := s.Interfaces(ctx, edge)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range all {
			names = append(names, i.Name+" "+i.Description+" "+i.Edit.Role)
		}
		return names
	}
	expect := func(what string, got []string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	walk("xe-0", "xe-1")
	expect("found", shown(), "xe-0 about xe-0 ", "xe-1 about xe-1 ")
	all, _ = s.Interfaces(ctx, edge)
	all[0].Edit = InterfaceEdit{Name: "Transit A", Role: "uplink", Overhead: 22, Sampled: 1, SamplingRate: 2000, Force: true}
	if err := s.EditInterface(ctx, all[0]); err != nil {
		t.Fatal(err)
	}
	expect("edited", shown(), "Transit A about xe-0 uplink", "xe-1 about xe-1 ")
	walk("xe-0", "xe-1")
	expect("found again", shown(), "Transit A about xe-0 uplink", "xe-1 about xe-1 ")
	if all, _ = s.Interfaces(ctx, edge); all[1].OperSince != since+1 { // what an agent's clock is late is no change
		t.Errorf("since %d", all[1].OperSince-since)
	}
	if all, _ = s.Interfaces(ctx, edge); all[0].Edit != (InterfaceEdit{Name: "Transit A", Role: "uplink", Overhead: 22, Sampled: 1, SamplingRate: 2000, Force: true}) {
		t.Errorf("%+v", all[0])
	}

	if err := s.ChangeExporter(ctx, edge, func(e *KnownExporter) { e.SamplingRate = 500 }); err != nil {
		t.Fatal(err)
	}
	if rates, err := s.SamplingRates(ctx); err != nil || cmp.Diff([]SetRate{{edge, 0, 500}, {edge, 1, 2000}}, rates, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })) != "" {
		t.Errorf("%+v %v", rates, err)
	}
	walk("xe-1", "xe-0") // renumbered
	expect("renumbered", shown(), "xe-1 about xe-1 ", "Transit A about xe-0 uplink")
	s.reloadNames(ctx)
	roll(t, s, "c", flowsOver(edge, 1, 2, now.Add(time.Hour), 1, 64500))
	names := func(where string) (in, out string) {
		t.Helper()
		if err := s.Conn().QueryRow(ctx, "SELECT any(in_if_name), any(out_if_name) FROM flows WHERE in_if = 1 AND "+where).Scan(&in, &out); err != nil {
			t.Fatal(err)
		}
		return in, out
	}
	if in, out := names("source = 'a'"); in != "Transit A" || out != "xe-1" {
		t.Errorf("before: %s → %s", in, out)
	}
	if in, out := names("source = 'c'"); in != "xe-1" || out != "Transit A" {
		t.Errorf("after: %s → %s", in, out)
	}

	for range 2 {
		if err := s.ChangeExporter(ctx, edge, func(e *KnownExporter) { e.SystemName, e.Description = "edge1", "a router" }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ChangeExporter(ctx, edge, func(e *KnownExporter) { e.EditedName = "Frankfurt" }); err != nil {
		t.Fatal(err)
	}
	known, err := s.KnownExporters(ctx)
	if want := []KnownExporter{{edge, "Frankfurt", "a router", "edge1", "Frankfurt", 500}}; err != nil || cmp.Diff(want, known, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })) != "" {
		t.Errorf("%+v %v", known, err)
	}

	if err := s.ForgetExporter(ctx, edge); err != nil {
		t.Fatal(err)
	}
	known, err = s.KnownExporters(ctx)
	if all, failed := s.Interfaces(ctx, edge); len(known) != 0 || err != nil || len(all) != 0 || failed != nil {
		t.Errorf("after it was forgotten: %+v %v %+v %v", known, err, all, failed)
	}
	if err := s.AddSeen(ctx, now.Add(-time.Hour)); err != nil { // it sends
		t.Fatal(err)
	}
	walk("xe-0", "xe-1")
	expect("known again", shown(), "xe-0 about xe-0 ", "xe-1 about xe-1 ")
}

func TestCalibrationTables(t *testing.T) {
	s := prepared(t)
	ctx := context.Background()
	bucket := time.Now().Truncate(5 * time.Minute).Add(-10 * time.Minute)
	for _, step := range []struct {
		collector string
		ago, want time.Duration
	}{{"", 0, 0}, {"a", 5 * time.Hour, 5 * time.Hour}, {"b", 3 * time.Hour, 3 * time.Hour}, {"a", 2 * time.Minute, 2 * time.Minute}, {"b", 3 * time.Minute, 3 * time.Minute}} {
		now := time.Now().Truncate(time.Second)
		if step.collector != "" {
			if err := s.Conn().Exec(ctx, "INSERT INTO rollups (collector, source, rolled_to, rolling) VALUES ($1, '', $2, 0)", step.collector, now.Add(-step.ago).UTC()); err != nil {
				t.Fatal(err)
			}
		}
		rolled, err := s.RolledTo(ctx)
		if err != nil || step.collector == "" && rolled.Unix() > 0 || step.collector != "" && !rolled.Equal(now.Add(-step.want)) {
			t.Errorf("rolled to %s after %+v: %v", rolled, step, err)
		}
	}
	counters := []Counter{
		{Exporter: edge, IfIndex: 7, AtMs: bucket.UnixMilli() + 1, UptimeMs: 5, InOctets: 1 << 60, OutOctets: 2, Discontinuity: 3, Bits: 64},
		{Exporter: edge, IfIndex: 7, AtMs: bucket.UnixMilli() + 60_001, UptimeMs: 60_005, InOctets: 1<<60 + 5, OutOctets: 2, Discontinuity: 3, Bits: 64},
	}
	if err := s.InsertCounters(ctx, counters); err != nil {
		t.Fatal(err)
	}
	read, err := s.Counters(ctx, edge, bucket, bucket.Add(time.Hour))
	if err != nil || len(read) != 2 || read[1] != counters[1] {
		t.Errorf("%+v %v", read, err)
	}
	if todo, err := s.UncalibratedBuckets(ctx, bucket.Add(-time.Hour)); err != nil || len(todo) != 1 || todo[0] != bucket.Unix() {
		t.Errorf("%v %v", todo, err)
	}
	roll(t, s, "x", flowsOver(edge, 7, 8, bucket.Add(2*time.Minute), 100, 1, 2, 3))
	sums, err := s.FlowSums(ctx, bucket, bucket.Add(5*time.Minute))
	if err != nil || len(sums) != 2 {
		t.Fatalf("%+v %v", sums, err)
	}
	for _, sum := range sums {
		if sum.Bucket != bucket.Unix() || sum.Octets != 300_000 || sum.Packets != 600 || sum.Sampled != 6 || sum.Rate != 100 || sum.Egress != 0 {
			t.Errorf("%+v", sum)
		}
	}
	row := CalibrationRow{Way: Way{edge, 7, "in"}, Bucket: bucket.Unix(), SNMPOctets: 5, FlowOctets: 6, FlowOverhead: 0.5, FlowEgress: 1, FlowPackets: 7, SamplingRate: 100, Coverage: 1.2, FactorRaw: 0.8, Factor: 0.9, Status: "applied", Reason: "provisional"}
	final := row
	final.Final, final.Reason = true, ""
	for _, r := range []CalibrationRow{row, final} {
		if err := s.InsertCalibration(ctx, []CalibrationRow{r}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // the version is the time
	}
	got, err := s.Calibration(ctx, CalibrationQuery{Exporter: edge, IfIndex: 7, Direction: "in", From: bucket, To: bucket.Add(time.Second)})
	if err != nil || len(got) != 1 || got[0] != final {
		t.Errorf("%+v %v", got, err)
	}
	if todo, err := s.UncalibratedBuckets(ctx, bucket.Add(-time.Hour)); err != nil || len(todo) != 0 {
		t.Errorf("%v %v", todo, err)
	}
}

// Flows with forged interfaces fill no memory, and leave room for those that have traffic.
func TestSeenInterfacesAreBounded(t *testing.T) {
	s := prepared(t)
	from := time.Now().UTC().Add(-10 * time.Minute).Truncate(time.Minute)
	b := filled(maxSeenInterfaces+5000, 1)
	aged(b, from, 3, 1)
	for i := range b.Len() {
		b.ExporterAddr[i], b.InIf[i], b.OutIf[i], b.Bytes[i], b.SamplingRate[i] = b.ExporterAddr[0], uint32(i+1), 0, 64, 1
	}
	b.Bytes[b.Len()-1] = 1 << 40
	if err := s.InsertFlows(t.Context(), Block{Token: "a", Collector: "c"}, b); err != nil {
		t.Fatal(err)
	}
	if err := NewRollups(s, "c", until(from.Add(5*time.Minute))).CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.AddSeen(t.Context(), from.Add(-2*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if n := number(t, s, "SELECT uniqExact(if_index) FROM interfaces"); n != maxSeenInterfaces {
		t.Errorf("%d interfaces of one exporter, want %d", n, maxSeenInterfaces)
	}
	if n := number(t, s, fmt.Sprintf("SELECT count() FROM interfaces WHERE if_index = %d", b.Len())); n != 1 {
		t.Error("the interface with most of the traffic is not among them")
	}
}
