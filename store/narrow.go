package store

import "slices"

// A narrow rollup has the sums of flows_1m or flows_1h by fewer columns, and so
// fewer rows. Materialized views fill it from the same blocks: whatever it can
// answer, it answers alike.
type narrowRollup struct {
	suffix  string // of the table's name
	columns []string
}

var narrowRollups = []narrowRollup{
	{"_in", []string{"exporter_addr", "in_if", "src_as", "sampling_rate", "collector", "source"}},
	{"_out", []string{"exporter_addr", "out_if", "dst_as", "sampling_rate", "collector", "source"}},
}

// narrowest returns the suffix of a narrow rollup that has all the columns, "" for
// none.
func narrowest(columns []string) string {
	for _, n := range narrowRollups {
		if !slices.ContainsFunc(columns, func(c string) bool { return !slices.Contains(n.columns, c) }) {
			return n.suffix
		}
	}
	return ""
}

// withNarrow returns a rollup and the narrow ones beside it.
func withNarrow(table string) []string {
	tables := []string{table}
	for _, n := range narrowRollups {
		tables = append(tables, table+n.suffix)
	}
	return tables
}
