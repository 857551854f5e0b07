package store

import (
	"slices"
	"strings"
)

// A narrow rollup has the sums of flows_1m or flows_1h by fewer columns, and so
// fewer rows. Materialized views fill it from the same blocks: whatever it can
// answer, it answers alike.
type narrowRollup struct {
	suffix  string   // of the table's name
	rollups []string // that it stands beside
	columns []string
}

// narrowRollups are those with few rows before those with more.
var narrowRollups = []narrowRollup{
	{"_in", []string{"flows_1m", "flows_1h"}, []string{"exporter_addr", "in_if", "src_as", "sampling_rate", "collector", "source"}},
	{"_out", []string{"flows_1m", "flows_1h"}, []string{"exporter_addr", "out_if", "dst_as", "sampling_rate", "collector", "source"}},
	{"_path", []string{"flows_1h"}, []string{"exporter_addr", "in_if", "out_if", "src_as", "dst_as", "sampling_rate", "collector", "source"}},
}

// narrowest returns the table with the fewest rows that has the columns of a rollup:
// a narrow one beside it, or the rollup itself.
func narrowest(rollup string, columns []string) string {
	for _, n := range narrowRollups {
		if slices.Contains(n.rollups, rollup) && !slices.ContainsFunc(columns, func(c string) bool { return !slices.Contains(n.columns, c) }) {
			return rollup + n.suffix
		}
	}
	return rollup
}

// withNarrow returns a rollup and the narrow ones beside it.
func withNarrow(rollup string) []string {
	tables := []string{rollup}
	for _, n := range narrowRollups {
		if slices.Contains(n.rollups, rollup) {
			tables = append(tables, rollup+n.suffix)
		}
	}
	return tables
}

// narrowColumns returns which of some columns a table has, if it is a narrow rollup.
func narrowColumns(table string, columns []string) []string {
	for _, n := range narrowRollups {
		if strings.HasSuffix(table, n.suffix) {
			return slices.DeleteFunc(columns, func(c string) bool { return !slices.Contains(n.columns, c) })
		}
	}
	return columns
}
