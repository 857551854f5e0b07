package store

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfstats/nfstats/decoder"
)

func TestIdentities(t *testing.T) {
	always := func(names ...string) map[uint32][]named {
		all := map[uint32][]named{}
		for i, n := range names {
			all[uint32(i+1)] = []named{{0, n}}
		}
		return all
	}
	since := func(all map[uint32][]named, at int64, names ...string) map[uint32][]named {
		for i, n := range names {
			index := uint32(i + 1)
			if periods := all[index]; len(periods) == 0 || periods[len(periods)-1].name != n {
				all[index] = append(periods, named{at, n})
			}
		}
		return all
	}
	for name, tc := range map[string]struct {
		names map[uint32][]named
		at    int64
		want  []uint32 // of the ifIndexes 1 to 3
	}{
		"never renumbered":          {always("a", "b", "c"), 5, []uint32{1, 2, 3}},
		"shifted":                   {since(always("a", "b", "c"), 100, "c", "a", "b"), 99, []uint32{2, 3, 1}},
		"shifted, after it":         {since(always("a", "b", "c"), 100, "c", "a", "b"), 100, []uint32{1, 2, 3}},
		"shifted twice":             {since(since(always("a", "b", "c"), 100, "c", "a", "b"), 200, "b", "c", "a"), 50, []uint32{3, 1, 2}},
		"shifted twice, between":    {since(since(always("a", "b", "c"), 100, "c", "a", "b"), 200, "b", "c", "a"), 150, []uint32{2, 3, 1}},
		"there and back":            {since(since(always("a", "b", "c"), 100, "b", "a", "c"), 200, "a", "b", "c"), 150, []uint32{2, 1, 3}},
		"one is gone":               {since(always("a", "b", "c"), 100, "b", "c", ""), 50, []uint32{goneIfIndex, 1, 2}},
		"one got another name":      {since(always("a", "b", "c"), 100, "A", "b", "c"), 50, []uint32{1, 2, 3}},
		"names that are not single": {since(always("a", "a", "c"), 100, "c", "a", "a"), 50, []uint32{1, 2, 1}},
	} {
		ids := newIdentities()
		ids.follow(edge, tc.names)
		var got []uint32
		for i := range uint32(3) {
			got = append(got, ids.Current(edge, i+1, tc.at))
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// steady is a flow of one interface over some minutes, at 1 Mb/s for each number.
func steady(in, out uint32, from time.Time, minutes int, megabits uint64) *decoder.Batch {
	b := new(decoder.Batch)
	b.Extend(minutes)
	for m := range minutes {
		at := from.Add(time.Duration(m) * time.Minute).UnixMilli()
		b.TimeFlowStart[m], b.TimeFlowEnd[m], b.TimeReceived[m] = at, at+59_999, at+59_999
		b.Type[m], b.ExporterAddr[m], b.InIf[m], b.OutIf[m], b.SrcAS[m] = decoder.TypeIPFIX, decoder.Addr(edge.As16()), in, out, 64500
		b.Bytes[m], b.Packets[m], b.SamplingRate[m] = megabits*60*125_000, megabits*60*125, 1
	}
	return b
}

// A device renumbers in the middle of the range, and of an hour: each interface
// stays one, with one name, in every answer, and a filter on it reaches all of its
// flows; calibration follows.
func TestAnswersSurviveRenumbering(t *testing.T) {
	s := prepared(t)
	ctx := t.Context()
	begin := time.Now().Add(-11 * time.Hour).Truncate(time.Hour)
	change := begin.Add(5*time.Hour + 20*time.Minute)
	end := begin.Add(10 * time.Hour)
	before, after := int(change.Sub(begin).Minutes()), int(end.Sub(change).Minutes())
	walk := func(at time.Time, names ...string) {
		t.Helper()
		var found []Interface
		for i, name := range names {
			if name != "" {
				found = append(found, Interface{IfIndex: uint32(i + 1), IfName: name, Type: 6})
			}
		}
		if err := s.SaveInterfaces(ctx, edge, found, at); err != nil {
			t.Fatal(err)
		}
	}
	// a, b and c carry 1, 2 and 4 Mb/s all the time, d 8 until it is gone; its ifIndex becomes that of a, and 1 is nobody's.
	walk(begin, "a", "b", "c", "d")
	walk(change, "", "c", "b", "a")
	for i, b := range []*decoder.Batch{steady(1, 9, begin, before, 1), steady(2, 9, begin, before, 2), steady(3, 9, begin, before, 4), steady(4, 9, begin, before, 8),
		steady(4, 9, change, after, 1), steady(3, 9, change, after, 2), steady(2, 9, change, after, 4)} {
		roll(t, s, fmt.Sprint("part ", i), b)
	}
	var rows []CalibrationRow // a carries twice as much as its flows say, the others a tenth more
	for at := begin.Unix(); at < end.Unix(); at += calibrationBucket {
		for index, name := range map[uint32]string{1: "a", 2: "b", 3: "c", 4: "d"} {
			if at >= change.Unix() {
				name = map[uint32]string{2: "c", 3: "b", 4: "a"}[index]
			}
			if factor := map[string]float64{"a": 2, "b": 1.1, "c": 1.1, "d": 1.1}[name]; name != "" {
				rows = append(rows, CalibrationRow{Way: Way{edge, index, "in"}, Bucket: at, FlowOctets: 1, SNMPOctets: factor, Factor: factor, Status: "applied", Final: true})
			}
		}
	}
	if err := s.InsertCalibration(ctx, rows); err != nil {
		t.Fatal(err)
	}
	known, err := s.Interfaces(ctx, edge)
	if err != nil || len(known) != 3 || known[0].IfIndex != 2 || known[0].Name != "c" {
		t.Fatalf("%+v %v", known, err)
	}
	c := known[0]
	c.Edit.SamplingRate = 5
	d := Interface{Exporter: edge, IfIndex: 1, IfName: "a", Edit: c.Edit} // where a was
	for _, i := range []Interface{c, d} {
		if err := s.EditInterface(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	rates, err := s.SamplingRates(ctx)
	if err != nil || len(rates) != 2 || rates[0].IfIndex != 2 || rates[1].IfIndex != 4 {
		t.Errorf("rates that are set: %+v %v", rates, err)
	}
	whole := func(megabits, seconds float64) float64 { return megabits * 1e6 * seconds / end.Sub(begin).Seconds() }
	all := end.Sub(begin).Seconds()
	want := map[string]float64{"a 192.0.2.1/4": whole(2, all), "b 192.0.2.1/3": whole(2.2, all), "c 192.0.2.1/2": whole(4.4, all), "d 192.0.2.1/d": whole(8.8, change.Sub(begin).Seconds())}
	expect := func(what string, got map[string]float64) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-3*b })); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	for _, to := range []time.Time{end, end.Add(-time.Minute), end.Add(30 * time.Minute)} { // whole hours, and not
		selection := Selection{From: begin, To: to}
		scale := to.Sub(begin).Seconds() / all
		shares, err := s.Shares(ctx, selection, "in_if", 10)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, row := range shares.Rows {
			got[row.Name+" "+row.Value] = row.BitsPerSecond * scale
			if to == end.Add(-time.Minute) && row.Name != "d" {
				got[row.Name+" "+row.Value] /= scale // all of it but the last minute
			}
		}
		expect("shares until "+to.Format("15:04")+" from "+shares.Meta.Table, got)
	}
	for _, points := range []int{10, 600} {
		series, err := s.Series(ctx, Selection{From: begin, To: end}, "in_if", 10, points)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, row := range series.Rows {
			for _, bits := range row.BitsPerSecond {
				got[row.Name+" "+row.Value] += bits / float64(len(row.BitsPerSecond))
			}
		}
		expect("series from "+series.Meta.Table, got)
	}
	paths, err := s.Paths(ctx, Selection{From: begin, To: end}, []string{"in_if", "src_as"}, 10)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, node := range paths.Nodes {
		if node.Layer == 0 {
			got[node.Name+" "+node.Value] = node.BitsPerSecond
		}
	}
	expect("paths", got)
	for text, name := range map[string]string{"in_if = 192.0.2.1/4": "a 192.0.2.1/4", "in_if = 3": "b 192.0.2.1/3", "interface = 192.0.2.1/c": "c 192.0.2.1/2", `in_if = "192.0.2.1/d"`: "d 192.0.2.1/d"} {
		selection := Selection{From: begin, To: end, Filter: parsed(t, text)}
		for _, by := range []string{"src_as", "src_addr"} { // of the rollups, and of flows
			shares, err := s.Shares(ctx, selection, by, 10)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(shares.Total.BitsPerSecond-want[name]) > 1e-3*want[name] {
				t.Errorf("%s by %s: %.0f b/s, want %.0f", text, by, shares.Total.BitsPerSecond, want[name])
			}
		}
		page, err := s.Flows(ctx, selection, "time_received", 1000, 0)
		if err != nil {
			t.Fatal(err)
		}
		minutes := before + after
		if name[0] == 'd' {
			minutes = before
		}
		if page.Total.Flows != uint64(minutes) || page.Rows[0].InIfName != name[:1] || page.Rows[len(page.Rows)-1].InIfName != name[:1] {
			t.Errorf("%s: %d flows from %s, want %d", text, page.Total.Flows, page.Rows[0].InIfName, minutes)
		}
	}
	calibration, err := s.Calibration(ctx, CalibrationQuery{Exporter: edge, IfIndex: 4, From: begin, To: end})
	if err != nil || len(calibration) != 120 || calibration[0].Factor != 2 || calibration[119].Factor != 2 {
		t.Errorf("%d buckets of a: %v", len(calibration), err)
	}
	buckets, err := s.Calibration(ctx, CalibrationQuery{Exporter: edge, From: begin, To: end})
	for _, row := range buckets {
		if row.IfIndex < 2 || row.IfIndex > 4 {
			t.Fatalf("of an interface that is gone: %+v", row)
		}
	}
	if err != nil || len(buckets) != 3*120 {
		t.Errorf("%d buckets: %v", len(buckets), err)
	}
	found, err := s.Complete(ctx, "interface", "192.0.2.1/")
	if err != nil || len(found) != 3 {
		t.Errorf("%+v %v", found, err)
	}
}

// Where many devices have renumbered, and often, a question is still one that
// ClickHouse answers.
func TestManyRenumberings(t *testing.T) {
	s := prepared(t)
	ctx := t.Context()
	now := time.Now().Truncate(time.Hour)
	// 250 devices of 100 interfaces, each of which moves by one place each of 20 hours.
	if err := s.Conn().Exec(ctx, `INSERT INTO interface_names (exporter_addr, if_index, valid_from, if_name)
SELECT toIPv6(concat('192.168.', toString(intDiv(n, 200)), '.', toString(n % 200))), i + 1, if(h = 20, toDateTime(0, 'UTC'), toDateTime($1, 'UTC') - h * 3600), concat('if', toString((i + h) % 100))
FROM (SELECT arrayJoin(range(250)) AS n, arrayJoin(range(100)) AS i, arrayJoin(range(1, 21)) AS h)`, now.Unix()); err != nil {
		t.Fatal(err)
	}
	if err := s.Conn().Exec(ctx, `INSERT INTO flows_1m (time, exporter_addr, in_if, out_if, src_as, sampling_rate, bytes, packets, flows, bytes_sq)
SELECT toDateTime($1, 'UTC') - 60 * (number % 1440), toIPv6(concat('192.168.', toString(intDiv(number % 250, 200)), '.', toString(number % 250 % 200))), number % 100 + 1, 1, number % 7, 1, 1000, 1, 1, 1 FROM numbers(250000)`, now.Unix()); err != nil {
		t.Fatal(err)
	}
	ids, err := s.Identities(ctx)
	if err != nil {
		t.Fatal(err)
	}
	some := ids.within(now.Add(-24*time.Hour).Unix(), now.Unix())
	sum, periods := 0, map[netip.Addr]int{}
	for _, r := range some.renumbered {
		sum += len(r.was)
		periods[r.exporter]++
	}
	if sum > maxRenumbered || len(ids.renumbered) != 250*maxPeriods {
		t.Errorf("%d ifIndexes of %d devices are replaced, of %d renumberings", sum, len(periods), len(ids.renumbered))
	}
	lately := ids.within(now.Add(-2*time.Hour).Unix(), now.Unix())
	first := netip.MustParseAddr("192.168.0.0")
	if is := lately.Current(first, 5, now.Add(-90*time.Minute).Unix()); is != 6 {
		t.Errorf("5 is %d now, want 6", is)
	}
	for _, hours := range []int{1, 24} {
		shares, err := s.Shares(ctx, Selection{From: now.Add(time.Duration(-hours) * time.Hour), To: now}, "in_if", 3)
		if err != nil || shares.Total.Values == 0 || shares.Total.Values > 25_000 {
			t.Fatalf("%d hours: %+v %v", hours, shares, err)
		}
	}
}

// Of a device with tens of thousands of interfaces that come and go, such as one that
// ends subscribers' sessions, it takes no longer than others by interface.
func BenchmarkIdentitiesOfManyInterfaces(b *testing.B) {
	const n = 20_000
	names := map[uint32][]named{}
	for i := range uint32(n) { // each half of the names moves to where the other was, which is gone
		for period := range int64(4) {
			names[i+1] = append(names[i+1], named{from: period * 3600, name: fmt.Sprintf("ppp%d", int64(i)+period*n/2)})
		}
	}
	for b.Loop() {
		ids := newIdentities()
		ids.follow(edge, names)
	}
}
