package store

import (
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/store/filter"
)

func TestChoose(t *testing.T) {
	const day = 24 * hour
	now := int64(1_795_000_000 / day * day)
	for name, tc := range map[string]struct {
		q    question
		want choice
	}{
		"a minute of points":           {question{from: now, to: now + 60, points: 240, rolledUp: true, rawFrom: now - day}, choice{"flows", now, now + 60, 1, 0, 0}},
		"a minute of points, raw gone": {question{from: now, to: now + 60, points: 240, rolledUp: true, rawFrom: now + 1}, choice{"flows_1m", now, now + 60, 60, 0, 0}},
		"a minute in all":              {question{from: now + 60, to: now + 120, rolledUp: true}, choice{"flows_1m", now + 60, now + 120, 60, 0, 0}},
		"half a minute in all":         {question{from: now + 70, to: now + 100, rolledUp: true}, choice{"flows_1m", now + 60, now + 120, 60, 0, 0}},
		"half an hour of points":       {question{from: now + 7, to: now + 1807, points: 240, rolledUp: true, rawFrom: now - day}, choice{"flows", now, now + 1800, 10, 0, 0}},
		"an hour of points":            {question{from: now + 7, to: now + 7 + hour, points: 240, rolledUp: true, rawFrom: now - day}, choice{"flows_1m", now, now + hour, 60, 0, 0}},
		"a day of points":              {question{from: now + 7, to: now + 7 + day, points: 240, rolledUp: true, rawFrom: now - day}, choice{"flows_1m", now, now + day, 600, 0, 0}},
		"a day in all":                 {question{from: now + 67, to: now + 67 + day, rolledUp: true}, choice{"flows_1m", now + 60, now + 60 + day, day, now + hour, now + day}},
		"a month of points":            {question{from: now + 7, to: now + 7 + 30*day, points: 240, rolledUp: true}, choice{"flows_1h", now, now + 30*day, 4 * hour, 0, 0}},
		"a month in all":               {question{from: now + 7, to: now + 7 + 30*day, rolledUp: true}, choice{"flows_1m", now, now + 30*day, 30 * day, now, now + 30*day}},
		"a day, the minutes are gone":  {question{from: now, to: now + day, points: 240, rolledUp: true, minuteFrom: now + 2*day, hourFrom: now - day}, choice{"flows_1h", now, now + day, hour, 0, 0}},
		"a day, half of it in minutes": {question{from: now, to: now + day, rolledUp: true, minuteFrom: now + hour, hourFrom: now - day}, choice{"flows_1h", now, now + day, day, 0, 0}},
		"addresses of an hour":         {question{from: now + 7, to: now + 7 + hour}, choice{"flows", now + 7, now + 7 + hour, hour, 0, 0}},
		"addresses of a month, points": {question{from: now, to: now + 30*day, points: 240}, choice{"flows", now, now + 30*day, 4 * hour, 0, 0}},
		"a year of days":               {question{from: now, to: now + 400*day, points: 100, rolledUp: true}, choice{"flows_1h", now - now%(4*day), (now + 400*day) / (4 * day) * (4 * day), 4 * day, 0, 0}},
	} {
		if got := choose(tc.q); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

// spreadOf returns what a flow has in [from, to) ms, by the rules written down in
// spread.go, computed anew.
func spreadOf(b *decoder.Batch, i int, from, to int64) (octets, packets, flows uint64) {
	received, end := b.TimeReceived[i], b.TimeFlowEnd[i]
	if end > received || end < received-maxLagMs {
		end = received
	}
	start := end - min(max(b.TimeFlowEnd[i]-b.TimeFlowStart[i], 0), maxLifetimeMs)
	lifetime := uint64(end + 1 - start)
	until := func(total uint64, at int64) uint64 {
		x := uint64(min(max(at-start, 0), int64(lifetime)))
		return total/lifetime*x + total%lifetime*x/lifetime
	}
	if end >= from && end < to {
		flows = 1
	}
	return until(b.Bytes[i], to) - until(b.Bytes[i], from), until(b.Packets[i], to) - until(b.Packets[i], from), flows
}

// expected sums up what the flows that keep says have in [from, to).
func expected(batches []*decoder.Batch, from, to int64, keep func(b *decoder.Batch, i int) bool) (octets, packets, flows float64) {
	for _, b := range batches {
		for i := range b.Len() {
			if keep(b, i) {
				o, p, f := spreadOf(b, i, from*1000, to*1000)
				octets += float64(o * uint64(b.SamplingRate[i]))
				packets += float64(p * uint64(b.SamplingRate[i]))
				flows += float64(f)
			}
		}
	}
	return octets, packets, flows
}

// seamed returns a store with flows of which half are rolled up, and the flows.
func seamed(t *testing.T, from time.Time) (*Store, []*decoder.Batch) {
	s := prepared(t)
	var batches []*decoder.Batch
	for i, block := range []Block{{Token: "a", Collector: "c1"}, {Token: "b", Collector: "it's \\ c2"}, {Token: "c", Collector: "c1", Source: "file"}} {
		b := filled(3000, uint64(i))
		aged(b, from, 30, uint64(i))
		for j := range b.Len() {
			b.Bytes[j] %= 1 << 40 // so that sums are exact as floats
			b.Packets[j] = b.Packets[j]%(1<<20) + 1
		}
		if err := s.InsertFlows(t.Context(), block, b); err != nil {
			t.Fatal(err)
		}
		batches = append(batches, b)
	}
	for collector, rolledTo := range map[string]time.Time{"c1": from.Add(15 * time.Minute), "it's \\ c2": from.Add(5 * time.Minute)} {
		if err := NewRollups(s, collector, until(rolledTo)).CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.RollUpSource(t.Context(), "file", 1); err != nil {
		t.Fatal(err)
	}
	return s, batches
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b), 1) }

func parsed(t testing.TB, text string) *filter.Filter {
	t.Helper()
	f, err := filter.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Whatever table answers, and wherever the rollups end, the numbers are those of
// the flows.
func TestQueriesEqualFlows(t *testing.T) {
	from := time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Hour)
	s, batches := seamed(t, from)
	everything := func(*decoder.Batch, int) bool { return true }
	as := func(number uint32) func(b *decoder.Batch, i int) bool {
		return func(b *decoder.Batch, i int) bool { return b.SrcAS[i] == number }
	}
	for name, tc := range map[string]struct {
		from, to time.Duration
		points   int
		table    string
		by       string
		filter   string
		keep     func(b *decoder.Batch, i int) bool
	}{
		"minutes":            {-2 * time.Hour, time.Hour, 1000, "flows_1m_in", "src_as", "", everything},
		"minutes, protocols": {-2 * time.Hour, time.Hour, 1000, "flows_1m", "proto", "", everything},
		"minutes, one AS":    {0, 30 * time.Minute, 10, "flows_1m", "dst_as", "src_as = 64501", as(64501)},
		"whole hours":        {-5*time.Hour - 7*time.Minute, 25 * time.Minute, 30, "flows_1m_out", "dst_as", "", everything},
		"hours":              {-20 * 24 * time.Hour, 2 * time.Hour, 500, "flows_1h_in", "in_if", "", everything},
		"hours, EtherTypes":  {-20 * 24 * time.Hour, 2 * time.Hour, 500, "flows_1h", "etype", "", everything},
		"seconds":            {10 * time.Minute, 12 * time.Minute, 240, "flows", "src_as", "", everything},
		"seconds, addresses": {10*time.Minute + 7*time.Second, 13 * time.Minute, 40, "flows", "src_addr", "", everything},
		"a filter on ports":  {0, 30 * time.Minute, 10, "flows", "exporter", "dst_port = 443 and src_port < 30000", func(b *decoder.Batch, i int) bool { return b.SrcPort[i] < 30000 }},
		"by prefix":          {0, 40 * time.Minute, 10, "flows", "src_net", "", everything},
		"one collector":      {0, 30 * time.Minute, 10, "flows_1m_in", "collector", `collector = "it's \ c2"`, func(b *decoder.Batch, _ int) bool { return b == batches[1] }},
	} {
		t.Run(name, func(t *testing.T) {
			selection := Selection{From: from.Add(tc.from), To: from.Add(tc.to), Filter: parsed(t, tc.filter), Scale: ScaleSampled}
			series, err := s.Series(t.Context(), selection, tc.by, 5, tc.points)
			if err != nil {
				t.Fatal(err)
			}
			if series.Meta.Table != tc.table {
				t.Errorf("read from %s, want %s", series.Meta.Table, tc.table)
			}
			for i := range series.FlowsPerSecond {
				start := series.From + int64(i)*series.Step
				octets, packets, flows := expected(batches, start, start+series.Step, tc.keep)
				var bits float64
				for _, row := range series.Rows {
					bits += row.BitsPerSecond[i]
				}
				step := float64(series.Step)
				if !near(bits*step/8, octets) || !near(series.PacketsPerSecond[i]*step, packets) || !near(series.FlowsPerSecond[i]*step, flows) {
					t.Fatalf("point %d: %v octets, %v packets, %v flows; want %v, %v, %v", i, bits*step/8, series.PacketsPerSecond[i]*step, series.FlowsPerSecond[i]*step, octets, packets, flows)
				}
			}
			shares, err := s.Shares(t.Context(), selection, tc.by, 3)
			if err != nil {
				t.Fatal(err)
			}
			octets, packets, flows := expected(batches, shares.From, shares.To, tc.keep)
			seconds := float64(shares.To - shares.From)
			if got := shares.Total; !near(got.BitsPerSecond*seconds/8, octets) || !near(got.PacketsPerSecond*seconds, packets) || !near(got.FlowsPerSecond*seconds, flows) {
				t.Errorf("total %+v, want %v octets, %v packets, %v flows", got, octets, packets, flows)
			}
			var rows, share float64
			for i, row := range shares.Rows {
				rows += row.BitsPerSecond
				share += row.Share
				if row.Other != (i == 3) || !row.Other && row.Value == "" {
					t.Errorf("row %d: %+v", i, row)
				}
			}
			if !near(rows, shares.Total.BitsPerSecond) || !near(share, 1) {
				t.Errorf("the rows sum up to %v (%v), want %v", rows, share, shares.Total.BitsPerSecond)
			}
			dims := []string{"src_as", "in_if", "out_if", tc.by}
			if name == "hours" {
				dims = []string{"exporter", "collector", "type", "source"}
			}
			paths, err := s.Paths(t.Context(), selection, dims, 3)
			if err != nil {
				t.Fatal(err)
			}
			var bits float64
			for _, p := range paths.Paths {
				bits += p.BitsPerSecond
			}
			if !near(bits, shares.Total.BitsPerSecond) || !near(paths.Total.BitsPerSecond, bits) || len(paths.Nodes) == 0 {
				t.Errorf("the paths sum up to %v, want %v", bits, shares.Total.BitsPerSecond)
			}
			// A layer of the paths is what shares are by its dimension.
			for layer, dim := range dims {
				alone, err := s.Shares(t.Context(), selection, dim, 3)
				if err != nil {
					t.Fatal(err)
				}
				if alone.From != paths.From || alone.To != paths.To { // from flows by the second, from rollups by the minute
					continue
				}
				nodes := map[string]PathNode{}
				for _, n := range paths.Nodes {
					if n.Layer == layer {
						nodes[fmt.Sprint(n.Value, n.Other)] = n
					}
				}
				if len(nodes) != len(alone.Rows) {
					t.Errorf("%d nodes of %s, want %d", len(nodes), dim, len(alone.Rows))
				}
				for _, row := range alone.Rows {
					n := nodes[fmt.Sprint(row.Value, row.Other)]
					if !near(n.BitsPerSecond, row.BitsPerSecond) || !near(n.FlowsPerSecond, row.FlowsPerSecond) || math.Abs(n.Error-row.Error) > row.Error*1e-6 || n.Name != row.Name {
						t.Errorf("node of %s %+v, want %+v", dim, n, row)
					}
				}
			}
		})
	}
}

func TestLargestValuesComeFirstAndAreNamed(t *testing.T) {
	s := prepared(t)
	nothing := Selection{From: time.Now().Add(-time.Hour), To: time.Now()}
	if series, err := s.Series(t.Context(), nothing, "src_as", 5, 60); err != nil || len(series.Rows) != 0 || len(series.FlowsPerSecond) != 60 {
		t.Fatalf("without any flow: %+v, %v", series, err)
	}
	b := filled(4, 1)
	from := time.Now().UTC().Add(-time.Hour).Truncate(time.Minute)
	for i, as := range []uint32{3356, 3356, 15169, 2914} {
		b.TimeReceived[i] = from.UnixMilli() + 30_000
		b.TimeFlowStart[i], b.TimeFlowEnd[i] = b.TimeReceived[i]-1000, b.TimeReceived[i]-1
		b.SrcAS[i], b.Bytes[i], b.SamplingRate[i], b.InIf[i] = as, uint64(1000*(i+1)), 10, uint32(i)
		b.ExporterAddr[i] = decoder.Addr{10: 0xff, 11: 0xff, 12: 192, 13: 0, 14: 2, 15: 1}
	}
	if err := s.InsertFlows(t.Context(), Block{Token: "t", Collector: "c"}, b); err != nil {
		t.Fatal(err)
	}
	if err := s.RollUpSource(t.Context(), "", 0); err != nil {
		t.Fatal(err)
	}
	selection := Selection{From: from, To: from.Add(time.Minute)}
	shares, err := s.Shares(t.Context(), selection, "src_as", 2)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range shares.Rows {
		got = append(got, fmt.Sprintf("%s|%s|%v|%.0f|%.2f", r.Value, r.Name, r.Other, r.BitsPerSecond, r.Share))
	}
	want := []string{"2914|NTT America, Inc.|false|5333|0.40", "3356|Level 3 Communications, Inc.|false|4000|0.30", "||true|4000|0.30"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if shares.Total.Values != 3 || shares.Scale.Applied != ScaleSampled || shares.Meta.RowsRead != 4 {
		t.Errorf("total %+v, scale %+v, meta %+v", shares.Total, shares.Scale, shares.Meta)
	}
	paths, err := s.Paths(t.Context(), selection, []string{"src_as", "in_if"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	got = nil
	for _, p := range paths.Paths {
		line := fmt.Sprintf("%.0f", p.BitsPerSecond)
		for _, n := range p.Nodes {
			line += "|" + paths.Nodes[n].Value
		}
		got = append(got, line)
	}
	if diff := cmp.Diff([]string{"8000||", "5333|2914|192.0.2.1/3"}, got); diff != "" {
		t.Error(diff)
	}
	// What is shown as SQL gives the same.
	var out strings.Builder
	if err := s.Raw(t.Context(), "SELECT value, octets_sum FROM ("+shares.Meta.SQL+") FORMAT CSV", "", &out); err != nil {
		t.Fatalf("%v in\n%s", err, shares.Meta.SQL)
	}
	if got := out.String(); got != "\"2914\",40000\n\"3356\",30000\n" {
		t.Errorf("the SQL gives %q", got)
	}
	if _, err := s.Shares(t.Context(), selection, "1; DROP TABLE flows", 1); err == nil {
		t.Error("a column from outside is accepted")
	}
	found, err := s.Complete(t.Context(), "as", "googl")
	if err != nil || len(found) == 0 || found[0].Value != "15169" {
		t.Errorf("googl: %v %v", found, err)
	}
	if found, err = s.Complete(t.Context(), "as", "AS1516"); err != nil || len(found) == 0 || !strings.HasPrefix(found[0].Value, "1516") {
		t.Errorf("AS1516: %v %v", found, err)
	}
	for _, what := range []string{"exporter", "interface"} {
		if _, err := s.Complete(t.Context(), what, `x\`); err != nil {
			t.Error(err)
		}
	}
}

func TestRawFlows(t *testing.T) {
	from := time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Minute)
	s, batches := seamed(t, from)
	selection := Selection{From: from.Add(5 * time.Minute), To: from.Add(7 * time.Minute), Filter: parsed(t, "src_as in (64500..64510)")}
	want := 0
	for _, b := range batches {
		for i := range b.Len() {
			octets, _, flows := spreadOf(b, i, selection.From.UnixMilli(), selection.To.UnixMilli())
			if (octets > 0 || flows > 0) && b.SrcAS[i] <= 64510 {
				want++
			}
		}
	}
	var seen int
	last := uint64(math.MaxUint64)
	for {
		page, err := s.Flows(t.Context(), selection, "-bytes", 100, seen)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Rows {
			if f.Bytes > last || f.SrcAS < 64500 || f.SrcAS > 64510 || !strings.HasPrefix(f.SrcAddr, "10.") {
				t.Fatalf("row %+v after %d bytes", f, last)
			}
			last = f.Bytes
		}
		seen += len(page.Rows)
		if !page.More {
			// A flow of few octets may have none in the range.
			if int(page.Total.Flows) != seen || seen < want || seen > want+want/50+5 {
				t.Errorf("%d flows, total %d, want %d", seen, page.Total.Flows, want)
			}
			break
		}
	}
	var out strings.Builder
	if err := s.FlowsCSV(t.Context(), selection, "time_received", &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\r\n"), "\r\n")
	if len(lines) != seen+1 || !strings.HasPrefix(lines[0], "time_received,time_flow_start,") {
		t.Errorf("%d lines of CSV for %d flows: %.200s", len(lines), seen, out.String())
	}
	out.Reset()
	none := Selection{From: selection.From, To: selection.To, Filter: parsed(t, "src_as = 1")}
	if err := s.FlowsCSV(t.Context(), none, "time_received", &out); err != nil || out.String() != lines[0]+"\r\n" {
		t.Errorf("without any flow: %q %v", out.String(), err)
	}
	if _, err := s.Flows(t.Context(), selection, "-1", 1, 0); err == nil {
		t.Error("an order from outside is accepted")
	}
	if err := s.Raw(t.Context(), "DROP TABLE flows", "", io.Discard); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := s.FlowsCSV(t.Context(), selection, "time_received", &out); err == nil || out.Len() > 0 {
		t.Errorf("what ClickHouse refuses begins with %q: %v", out.String(), err)
	}
}

// Values that look like SQL select nothing, and break nothing.
func TestFiltersDoNotInject(t *testing.T) {
	s := prepared(t)
	b := filled(10, 1)
	if err := s.InsertFlows(t.Context(), Block{Token: "t", Collector: "c"}, b); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{`"x\' or 1=1 --"`, `"') OR 1=1 --"`, `'{from:Int64}'`, `"\"`, "'\x00'", "'\t'", `'\N'`, "'\n'", `'); DROP TABLE flows; --'`} {
		selection := Selection{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour), Filter: parsed(t, "collector = "+value+" or source = "+value+" and type = ipfix")}
		for _, by := range []string{"src_as", "src_addr"} {
			shares, err := s.Shares(t.Context(), selection, by, 3)
			if err != nil {
				t.Fatalf("%s: %v", value, err)
			}
			if len(shares.Rows) != 0 {
				t.Errorf("%s selects %+v", value, shares.Rows)
			}
			if err := s.Raw(t.Context(), "SELECT count() FROM ("+shares.Meta.SQL+")", "CSV", new(strings.Builder)); err != nil {
				t.Errorf("%s as SQL: %v\n%s", value, err, shares.Meta.SQL)
			}
		}
	}
	if n := number(t, s, "SELECT count() FROM flows"); n != 10 {
		t.Errorf("%d flows are left of 10", n)
	}
}
