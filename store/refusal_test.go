package store

import (
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// TestRefusedTellsRowsFromCircumstances provokes both kinds with a real engine.
func TestRefusedTellsRowsFromCircumstances(t *testing.T) {
	s := prepared(t)
	for _, c := range []struct {
		prepare, restore string
		refused          bool
	}{
		{"ALTER TABLE flows ADD CONSTRAINT no_discard CHECK dst_port != 9", "ALTER TABLE flows DROP CONSTRAINT no_discard", true},
		{"RENAME TABLE flows TO elsewhere", "RENAME TABLE elsewhere TO flows", false},
		{"CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT throwIf(dst_port = 9) AS n FROM flows", "DROP TABLE v", true},
	} {
		if err := s.conn.Exec(t.Context(), c.prepare); err != nil {
			t.Fatal(err)
		}
		batch := filled(10, 3)
		for i := range batch.Len() {
			batch.DstPort[i] = 9
		}
		err := s.InsertFlows(t.Context(), Block{Token: c.prepare, Collector: "c"}, batch)
		if err == nil || Refused(err) != c.refused {
			t.Errorf("%s: refused is %v: %v", c.prepare, Refused(err), err)
		}
		if err := s.conn.Exec(t.Context(), c.restore); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		err     error
		refused bool
	}{
		{&clickhouse.Exception{Code: tooManyParts, Message: "Too many partitions for single INSERT block (more than 100)"}, true},
		{&clickhouse.Exception{Code: tooManyParts, Message: "Too many parts (3000). Merges are processing significantly slower than inserts"}, false},
		{&clickhouse.Exception{Code: 243}, false}, // NOT_ENOUGH_SPACE
		{&clickhouse.Exception{Code: 242}, false}, // TABLE_IS_READ_ONLY
		{&clickhouse.Exception{Code: 241}, false}, // MEMORY_LIMIT_EXCEEDED
		{errors.New("connection refused"), false},
	} {
		if Refused(fmt.Errorf("insert: %w", c.err)) != c.refused {
			t.Errorf("%v: refused is %v", c.err, !c.refused)
		}
	}
}

func TestReasonLeavesOutTheRequest(t *testing.T) {
	failed := &url.Error{Op: "Post", URL: "http://db:8123/?database=nfstats&insert_deduplication_token=1", Err: errors.New("dial tcp: connection refused")}
	if got, want := Reason(fmt.Errorf("insert 5 flows: %w", failed)), "ClickHouse at db:8123: dial tcp: connection refused"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Reason(errors.New("code: 60")); got != "code: 60" {
		t.Error(got)
	}
}
