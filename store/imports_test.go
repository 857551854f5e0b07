package store

import (
	"fmt"
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

func TestOldImportsReachTheHours(t *testing.T) {
	s := prepared(t)
	ctx := t.Context()
	resume, err := s.KeepExpired(ctx)
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-60 * 24 * time.Hour) // longer ago than flows and flows_1m hold
	if err := s.InsertFlows(ctx, Block{Token: "x", Collector: "c", Source: "old"}, importRows(10, old)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // ClickHouse would have dropped them
	if n, err := s.CountSource(ctx, "old"); err != nil || n != 10 {
		t.Errorf("%d flows are left before the rollup, %v", n, err)
	}
	if err := s.RollUpSource(ctx, "old", 1); err != nil {
		t.Fatal(err)
	}
	if err := resume(); err != nil {
		t.Fatal(err)
	}
	var bytes uint64
	if err := s.conn.QueryRow(ctx, "SELECT sum(bytes) FROM flows_1h WHERE source = 'old'").Scan(&bytes); err != nil || bytes != 1000 {
		t.Errorf("%d octets in flows_1h, %v", bytes, err)
	}
}
