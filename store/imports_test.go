package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
)

// importRows are flows that ended lately, so that no table drops them.
func importRows(n int, end time.Time) *decoder.Batch {
	b := new(decoder.Batch)
	b.Extend(n)
	for i := range n {
		b.Type[i], b.SamplingRate[i] = decoder.TypeNfdump, 1
		b.TimeReceived[i], b.TimeFlowStart[i], b.TimeFlowEnd[i] = end.UnixMilli(), end.UnixMilli()-1000, end.UnixMilli()
		b.Bytes[i], b.Packets[i] = 100, 1
	}
	return b
}

func TestImportsAreForgottenAndComeAgain(t *testing.T) {
	s := prepared(t)
	ctx := t.Context()
	rows := importRows(10, time.Now().Add(-time.Hour))
	put := func(id string, attempt uint32) {
		t.Helper()
		for range 2 { // the second one changes nothing
			if err := s.InsertFlows(ctx, Block{Token: fmt.Sprintf("import-%s-%d-0", id, attempt), Collector: "c", Source: id}, rows); err != nil {
				t.Fatal(err)
			}
			if err := s.RollUpSource(ctx, id, int(attempt)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.SaveImport(ctx, Import{ID: id, Attempt: attempt, Path: "/a/" + id, Format: "nfdump", State: ImportDone, Flows: 10, Bytes: 1000, FirstFlow: time.Unix(1700000000, 0), LastFlow: time.Unix(1700000001, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(id string, flows uint64) {
		t.Helper()
		for _, table := range []string{"flows", "flows_1m", "flows_1h"} {
			var bytes uint64
			if err := s.conn.QueryRow(ctx, "SELECT sum(bytes) FROM "+table+" WHERE source = $1", id).Scan(&bytes); err != nil || bytes != 100*flows {
				t.Errorf("%d octets of %s in %s (%v), want %d", bytes, id, table, err, 100*flows)
			}
		}
	}
	put("one", 1)
	put("two", 1)
	expect("one", 10)
	if i, err := s.FindImport(ctx, "never"); err != nil || i.Attempt != 0 {
		t.Errorf("found %+v, %v", i, err)
	}
	if _, err := s.ForgetImport(ctx, "never"); err == nil {
		t.Error("forgot what never was")
	}
	if _, err := s.ForgetImport(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	expect("one", 0)
	expect("two", 10)
	i, err := s.FindImport(ctx, "one")
	if err != nil || i.State != ImportForgotten || i.Attempt != 2 {
		t.Fatalf("%+v, %v", i, err)
	}
	put("one", i.Attempt)
	expect("one", 10)
	all, err := s.Imports(ctx, 0)
	if err != nil || len(all) != 2 || all[0].ID != "one" || all[0].State != ImportDone || all[0].FirstFlow.Unix() != 1700000000 {
		t.Errorf("%+v, %v", all, err)
	}
}

// What an import brings in is kept as long as what is received that day, in flows and
// in all that is rolled up from them, and then expires. Live flows beside it do not
// stay longer for it.
func TestImportedFlowsAreKeptFromTheirImport(t *testing.T) {
	s := prepared(t)
	enforced(t, newRetention(t, s, keepAll()))
	put := func(source string, flows int, received, imported time.Time) {
		t.Helper()
		block := Block{Token: source, Collector: "c", Source: source, Imported: imported}
		if err := s.InsertFlows(t.Context(), block, importRows(flows, received)); err != nil {
			t.Fatal(err)
		}
		if err := s.RollUpSource(t.Context(), source, 1); err != nil {
			t.Fatal(err)
		}
	}
	// While they come in, as if that had been in the past, nothing goes.
	execute(t, s, s.ttlMergesSQL("STOP", "flows"))
	now := time.Now()
	received := now.AddDate(-6, 0, 0).Truncate(time.Hour) // both live and imported flows of one minute
	put("today", 1, received, now)
	put("lately", 2, received.AddDate(0, -2, 0), now.AddDate(0, 0, -20))
	put("in the year before", 4, received.AddDate(0, -4, 0), now.AddDate(0, 0, -399))
	put("long ago", 8, received.AddDate(0, -6, 0), now.AddDate(0, 0, -401))
	put("", 16, received.AddDate(0, -8, 0), time.Time{})
	execute(t, s, s.ttlMergesSQL("START", "flows"))
	left := merged(t, s)
	for _, table := range importedTables {
		want := uint64(100)
		switch retainedAs(table) {
		case "flows_1m":
			want += 200
		case "flows_1h":
			want += 200 + 400
		}
		if left[table] != want {
			t.Errorf("%s has %d octets left, want %d", table, left[table], want)
		}
	}
	// Rows of the same minute: neither is added to the other.
	put("again", 32, now.Add(-time.Hour), now)
	execute(t, s, "INSERT INTO flows_1m (time, exporter_addr, bytes) SELECT time, exporter_addr, 1 FROM flows_1m WHERE source = 'again'")
	if left = merged(t, s); left["flows_1h"] != 100+200+400+3200+1 {
		t.Errorf("flows_1h has %d octets", left["flows_1h"])
	}
	for _, table := range importedTables[1:] {
		if got := number(t, s, "SELECT count() FROM "+table+" WHERE (source = '') != (time_imported = 0)"); got != 0 {
			t.Errorf("%d rows of %s have the import time of others", got, table)
		}
	}
}

// What is in a rollup is in all that are made from it.
func TestEveryColumnOfARollupReachesTheTablesBesideIt(t *testing.T) {
	s := prepared(t)
	const stored = `SELECT groupArray(name) FROM system.columns WHERE database = $1 AND table = $2 AND default_kind != 'ALIAS'`
	for _, table := range importedTables[2:] {
		var columns, filled []string
		if err := s.conn.QueryRow(t.Context(), stored, s.database, table).Scan(&columns); err != nil {
			t.Fatal(err)
		}
		if err := s.conn.QueryRow(t.Context(), stored, s.database, table+"_of_1m").Scan(&filled); err != nil {
			t.Fatal(err)
		}
		for _, column := range columns {
			if !slices.Contains(filled, column) {
				t.Errorf("%s has %s, which its view does not fill: %v", table, column, filled)
			}
		}
	}
}
