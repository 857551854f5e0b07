package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
)

// aged gives the flows of a batch random lifetimes: most short, some of an hour,
// some with absurd clocks; received in the minutes after from.
func aged(b *decoder.Batch, from time.Time, minutes int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	for i := range b.Len() {
		received := from.UnixMilli() + r.Int64N(int64(minutes)*60_000)
		end := received - r.Int64N(20_000)
		start := end - r.Int64N([]int64{1, 500, 60_000, 300_000, 3_600_000, 90_000_000}[r.IntN(6)]+1)
		switch r.IntN(20) {
		case 0:
			end, start = received+5_000_000, received+4_000_000
		case 1:
			end, start = received-90_000_000_000, received-90_000_060_000
		case 2:
			start = end + 10
		}
		b.TimeReceived[i], b.TimeFlowStart[i], b.TimeFlowEnd[i] = received, start, end
		b.FlowDirection[i] = uint8(r.IntN(2))
		if r.IntN(50) == 0 {
			b.Bytes[i], b.Packets[i] = 1<<50+uint64(r.IntN(1000)), 1<<40
		}
	}
}

// insertAged stores n flows of a collector received in the minutes after from.
func insertAged(t testing.TB, s *Store, n int, from time.Time, minutes int, block Block, seed uint64) {
	t.Helper()
	b := filled(n, seed)
	aged(b, from, minutes, seed)
	if err := s.InsertFlows(context.Background(), block, b); err != nil {
		t.Fatal(err)
	}
}

// until returns a storedUntil that says the same time always.
func until(at time.Time) func() time.Time { return func() time.Time { return at } }

// contents returns what a table holds of flows, by everything that is exact.
func contents(t testing.TB, s *Store, table, where string) string {
	t.Helper()
	flows := "sum(flows)"
	if table == "flows" {
		flows = "count()"
	}
	var text string
	query := fmt.Sprintf(`SELECT toString(groupArray(tuple(exporter_addr, in_if, src_as, sampling_rate, collector, source, b, p, f))) FROM (
		SELECT exporter_addr, in_if, src_as, sampling_rate, collector, source, sum(bytes) AS b, sum(packets) AS p, %s AS f FROM %s WHERE %s GROUP BY ALL ORDER BY ALL)`, flows, table, where)
	if err := s.Conn().QueryRow(t.Context(), query).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func number(t testing.TB, s *Store, query string) (n uint64) {
	t.Helper()
	if err := s.Conn().QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

var rollupStart = time.Now().UTC().Add(-26 * time.Hour).Truncate(time.Minute)

func TestRollupsEqualFlows(t *testing.T) {
	s := prepared(t)
	insertAged(t, s, 20_000, rollupStart, 10, Block{Token: "a", Collector: "c1"}, 1)
	insertAged(t, s, 5_000, rollupStart, 10, Block{Token: "b", Collector: "c2"}, 2)
	insertAged(t, s, 5_000, rollupStart, 10, Block{Token: "c", Collector: "c1", Source: "file"}, 3)
	r := NewRollups(s, "c1", until(rollupStart.Add(time.Hour+30*time.Second)))
	for range 2 { // the second changes nothing
		if err := r.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		const mine = "collector = 'c1' AND source = ''"
		want := contents(t, s, "flows", mine)
		for _, table := range []string{"flows_1m", "flows_1h"} {
			if got := contents(t, s, table, "1"); got != want {
				t.Fatalf("%s differs from flows:\n%.300s\n%.300s", table, got, want)
			}
		}
	}
	if w, err := r.progress(t.Context()); err != nil || w.seconds != 0 || !w.from.Equal(rollupStart.Add(time.Hour)) {
		t.Errorf("rolled up to %v, %v; want %s", w, err, rollupStart.Add(time.Hour))
	}
	for range 2 {
		if err := s.RollUpSource(t.Context(), "file", 1); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := contents(t, s, "flows_1h", "1"), contents(t, s, "flows", "collector = 'c1'"); got != want {
		t.Errorf("with the imported file, flows_1h differs from flows:\n%.300s\n%.300s", got, want)
	}
	// bytes_sq is a sum of squares, the same in all three but for the rounding of Float32.
	var raw, minutes, hours float64
	row := s.Conn().QueryRow(t.Context(), `SELECT (SELECT sum(toFloat64(bytes) * bytes / greatest(packets, 1)) FROM flows WHERE collector = 'c1'),
		(SELECT sum(bytes_sq) FROM flows_1m), (SELECT sum(bytes_sq) FROM flows_1h)`)
	if err := row.Scan(&raw, &minutes, &hours); err != nil || minutes/raw-1 > 1e-6 || raw/minutes-1 > 1e-6 || hours/raw-1 > 1e-6 || raw/hours-1 > 1e-6 {
		t.Errorf("bytes_sq: %v in flows, %v in flows_1m, %v in flows_1h: %v", raw, minutes, hours, err)
	}
}

// A flow of 100 s, 40 s of it in the first minute, has its octets there.
func TestFlowsAreSpreadOverTheirLifetime(t *testing.T) {
	s := prepared(t)
	b := filled(3, 1)
	at := rollupStart.UnixMilli()
	for i := range 3 {
		b.ExporterAddr[i], b.InIf[i], b.OutIf[i], b.SrcAS[i], b.DstAS[i], b.SamplingRate[i] = b.ExporterAddr[0], uint32(i), 0, 0, 0, 1
		b.Bytes[i], b.Packets[i] = 100_001, 10
		b.TimeReceived[i] = at + 200_000
	}
	b.TimeFlowStart[0], b.TimeFlowEnd[0] = at+20_000, at+120_000-1              // 40 s in minute 0, 60 s in minute 1
	b.TimeFlowStart[1], b.TimeFlowEnd[1] = at+900_000, at+960_000               // ends after its reception: moved to end at it
	b.TimeFlowStart[2], b.TimeFlowEnd[2] = at-86_400_000*300, at-86_400_000*299 // a clock that was never set
	if err := s.InsertFlows(t.Context(), Block{Token: "a", Collector: "c"}, b); err != nil {
		t.Fatal(err)
	}
	if err := NewRollups(s, "c", until(rollupStart.Add(4*time.Minute))).CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	row := func(in int, minute int) string {
		return fmt.Sprintf("SELECT sum(bytes) * 1000000 + sum(packets) * 1000 + sum(flows) FROM flows_1m WHERE in_if = %d AND time = toDateTime(%d, 'UTC')", in, rollupStart.Unix()+int64(minute)*60)
	}
	for _, tc := range []struct {
		in, minute             int
		octets, packets, flows uint64
	}{
		{0, 0, 40_000, 4, 0}, {0, 1, 60_001, 6, 1}, {0, 3, 0, 0, 0},
		{1, 2, 66_666, 6, 0}, {1, 3, 33_335, 4, 1}, {1, 15, 0, 0, 0},
		{2, -57, 1_111, 0, 0}, {2, 2, 1666, 0, 0},
	} {
		got := number(t, s, row(tc.in, tc.minute))
		octets, packets, flows := got/1_000_000, got/1000%1000, got%1000
		// The inclusive millisecond of the end shifts a share by some octets.
		if max(octets, tc.octets)-min(octets, tc.octets) > 3 || max(packets, tc.packets)-min(packets, tc.packets) > 1 || flows != tc.flows {
			t.Errorf("interface %d, minute %d: %d octets, %d packets, %d flows; want %d, %d, %d", tc.in, tc.minute, octets, packets, flows, tc.octets, tc.packets, tc.flows)
		}
	}
	if n := number(t, s, "SELECT sum(flows) FROM flows_1m"); n != 3 {
		t.Errorf("%d flows, want 3", n)
	}
}

// A crash may come before, between and after the two tables, and before the
// progress is written.
func TestRollupsSurviveCrashes(t *testing.T) {
	s := prepared(t)
	insertAged(t, s, 3000, rollupStart, 3, Block{Token: "a", Collector: "c"}, 1)
	r := NewRollups(s, "c", until(rollupStart.Add(3*time.Minute)))
	crashed := window{rollupStart, 120} // the third minute was not over
	exec := func(statement string) {
		t.Helper()
		if err := s.Conn().Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var view string
	if err := s.Conn().QueryRow(t.Context(), "SELECT create_table_query FROM system.tables WHERE name = 'flows_1h_of_1m'").Scan(&view); err != nil {
		t.Fatal(err)
	}
	exec("DROP TABLE flows_1h_of_1m SYNC") // so the minutes are in and the hours are not
	if err := r.rollUp(t.Context(), crashed); err != nil {
		t.Fatal(err)
	}
	exec("TRUNCATE TABLE rollups SYNC")
	if err := r.record(t.Context(), crashed); err != nil {
		t.Fatal(err)
	}
	exec(view)
	for range 2 { // the second changes nothing
		if err := r.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := contents(t, s, "flows", "1")
		for _, table := range []string{"flows_1m", "flows_1h"} {
			if got := contents(t, s, table, "1"); got != want {
				t.Fatalf("%s differs from flows:\n%.300s\n%.300s", table, got, want)
			}
		}
	}
}

// After a long stop only the minutes that have flows cost anything.
func TestRollupsCatchUp(t *testing.T) {
	s := prepared(t)
	for i := range 3 {
		insertAged(t, s, 500, rollupStart.Add(time.Duration(i)*7*time.Hour), 3, Block{Token: fmt.Sprint(i), Collector: "c"}, uint64(i))
	}
	if err := NewRollups(s, "c", until(time.Now())).CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := contents(t, s, "flows_1m", "1"), contents(t, s, "flows", "1"); got != want {
		t.Errorf("flows_1m differs from flows:\n%.300s\n%.300s", got, want)
	}
	if n := number(t, s, "SELECT count() FROM rollups"); n > 8 {
		t.Errorf("%d steps for three times three minutes with flows", n)
	}
}

// Where many flows wait, a minute is rolled up in slices while it runs; few wait
// until it is over.
func TestRollupsAreEarlyWithManyFlows(t *testing.T) {
	s := prepared(t)
	storedUntil := rollupStart.Add(34 * time.Second)
	r := NewRollups(s, "c", func() time.Time { return storedUntil })
	rolledTo := func() time.Duration {
		t.Helper()
		if err := r.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		w, err := r.progress(t.Context())
		if err != nil || w.seconds != 0 {
			t.Fatalf("%+v is left half done: %v", w, err)
		}
		return w.from.Sub(rollupStart)
	}
	insertAged(t, s, 1000, rollupStart, 1, Block{Token: "few", Collector: "c"}, 1)
	if to := rolledTo(); to != 0 {
		t.Errorf("few flows are rolled up to second %v of the minute", to.Seconds())
	}
	insertAged(t, s, 8*earlyFlows/5, rollupStart, 1, Block{Token: "many", Collector: "c"}, 2)
	storedUntil = rollupStart.Add(47 * time.Second)
	if to := rolledTo(); to != 40*time.Second {
		t.Errorf("many flows are rolled up to second %v of the minute", to.Seconds())
	}
	storedUntil = rollupStart.Add(58 * time.Second)
	if to := rolledTo(); to != 40*time.Second {
		t.Errorf("the few of ten seconds are rolled up to second %v of the minute", to.Seconds())
	}
	storedUntil = rollupStart.Add(61 * time.Second)
	if to := rolledTo(); to != time.Minute {
		t.Errorf("rolled up to second %v when the minute is over", to.Seconds())
	}
	want := contents(t, s, "flows", "1")
	for _, table := range []string{"flows_1m", "flows_1h"} {
		if got := contents(t, s, table, "1"); got != want {
			t.Errorf("%s differs from flows:\n%.300s\n%.300s", table, got, want)
		}
	}
}

func BenchmarkRollUp(b *testing.B) {
	s := prepared(b)
	const n = 200_000
	inserting := time.Duration(0)
	for i := range 5 {
		batch := filled(n, uint64(i))
		r := rand.New(rand.NewPCG(uint64(i), 3))
		for j := range n { // an active timeout of 60 s; most flows are short
			received := rollupStart.UnixMilli() + r.Int64N(60_000)
			batch.TimeReceived[j], batch.TimeFlowEnd[j] = received, received-r.Int64N(15_000)
			batch.TimeFlowStart[j] = batch.TimeFlowEnd[j] - min(int64(r.ExpFloat64()*10_000), 60_000)
			batch.SamplingRate[j] = 1000
		}
		start := time.Now()
		if err := s.InsertFlows(b.Context(), Block{Token: fmt.Sprint(i), Collector: "c"}, batch); err != nil {
			b.Fatal(err)
		}
		inserting += time.Since(start)
	}
	b.ResetTimer()
	for i := range b.N {
		if err := s.RollUpSource(b.Context(), "", i); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(5*n*float64(b.N)/b.Elapsed().Seconds(), "flows/s")
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/inserting.Seconds(), "of-inserts")
}
