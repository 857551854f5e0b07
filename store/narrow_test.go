package store

import (
	"strings"
	"testing"
	"time"
)

// The narrow rollups have the sums of those beside them, and go where they go.
func TestNarrowRollups(t *testing.T) {
	from := time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Hour)
	s, _ := seamed(t, from)
	sums := func(table, by string) (sum uint64) {
		t.Helper()
		query := "SELECT sum(cityHash64(time, exporter_addr, " + by + ", sampling_rate, collector, source, b, p, f)) FROM (SELECT time, exporter_addr, " + by +
			", sampling_rate, collector, source, sum(bytes) AS b, sum(packets) AS p, sum(flows) AS f FROM " + table + " GROUP BY ALL)"
		if err := s.Conn().QueryRow(t.Context(), query).Scan(&sum); err != nil {
			t.Fatal(err)
		}
		return sum
	}
	compare := func() {
		t.Helper()
		for _, n := range narrowRollups {
			by := strings.Join(n.columns[1:len(n.columns)-3], ", ")
			for _, rollup := range n.rollups {
				if whole, narrow := sums(rollup, by), sums(rollup+n.suffix, by); whole != narrow || whole == 0 {
					t.Errorf("%s and %s differ", rollup, rollup+n.suffix)
				}
			}
		}
	}
	compare()
	if err := s.RollUpSource(t.Context(), "file", 1); err != nil { // again, which changes nothing
		t.Fatal(err)
	}
	compare()
	if err := s.removeSource(t.Context(), "file"); err != nil {
		t.Fatal(err)
	}
	compare()
}
