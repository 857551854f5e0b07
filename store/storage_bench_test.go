package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nfstats/nfstats/store/engine/enginetest"
)

// A storageChoice is table flows with something else in its definition.
type storageChoice struct {
	name    string
	changes []string // old, new, old, new …
}

const (
	benchOrder   = "ORDER BY (toStartOfMinute(time_received), exporter_addr, in_if, out_if, src_addr)"
	benchIndexes = ", INDEX src_addr_index src_addr TYPE bloom_filter(0.01) GRANULARITY 4, INDEX dst_addr_index dst_addr TYPE bloom_filter(0.01) GRANULARITY 4"
)

func ordered(by string) []string {
	return []string{benchOrder, "ORDER BY (toStartOfMinute(time_received), " + by + ")"}
}

var storageChoices = []storageChoice{
	{"as it is", nil},
	{"ordered by minute, exporter", ordered("exporter_addr")},
	{"ordered by minute, exporter, in_if, out_if", ordered("exporter_addr, in_if, out_if")},
	{"ordered by minute, exporter, in_if, out_if, src_as, dst_as", ordered("exporter_addr, in_if, out_if, src_as, dst_as")},
	{"ordered by minute, exporter, in_if, out_if, src_as, src_addr", ordered("exporter_addr, in_if, out_if, src_as, src_addr")},
	{"ordered by minute, exporter, in_if, out_if, dst_addr, src_addr", ordered("exporter_addr, in_if, out_if, dst_addr, src_addr")},
	{"ordered by time_received alone", []string{benchOrder, "ORDER BY time_received"}},
	{"times by Delta, ZSTD(1)", []string{"'UTC') CODEC(T64,", "'UTC') CODEC(Delta,"}},
	{"times by DoubleDelta, ZSTD(1)", []string{"'UTC') CODEC(T64,", "'UTC') CODEC(DoubleDelta,"}},
	{"times by ZSTD(1)", []string{"'UTC') CODEC(T64,", "'UTC') CODEC("}},
	{"bytes and packets by ZSTD(1)", []string{"UInt64 CODEC(T64,", "UInt64 CODEC("}},
	{"bytes and packets by DoubleDelta, ZSTD(1)", []string{"UInt64 CODEC(T64,", "UInt64 CODEC(DoubleDelta,"}},
	{"ports by T64, ZSTD(1)", []string{"`src_port` UInt16 CODEC(", "`src_port` UInt16 CODEC(T64, ", "`dst_port` UInt16 CODEC(", "`dst_port` UInt16 CODEC(T64, "}},
	{"ZSTD(3) throughout", []string{"ZSTD(1)", "ZSTD(3)"}},
	{"LZ4 in place of ZSTD(1)", []string{"ZSTD(1)", "LZ4"}},
	{"no indexes of addresses", []string{benchIndexes, ""}},
}

// BenchmarkStorage inserts the same flows into tables that differ in codecs, order
// and indexes, and prints octets a flow once merged and the median of the time to insert a
// block beside that of the table as it is.
func BenchmarkStorage(b *testing.B) {
	d := &benchDay{Store: open(b, enginetest.Start(b))}
	if err := d.Prepare(b.Context()); err != nil {
		b.Fatal(err)
	}
	var created string
	if err := d.conn.QueryRow(b.Context(), "SELECT create_table_query FROM system.tables WHERE name = 'flows' AND database = currentDatabase()").Scan(&created); err != nil {
		b.Fatal(err)
	}
	for i, c := range storageChoices {
		text := strings.Replace(created, ".flows ", fmt.Sprintf(".flows_%d ", i), 1)
		for k := 0; k < len(c.changes); k += 2 {
			if !strings.Contains(text, c.changes[k]) {
				b.Fatalf("%s: no %q in %s", c.name, c.changes[k], text)
			}
			text = strings.ReplaceAll(text, c.changes[k], c.changes[k+1])
		}
		d.exec(b, text)
	}
	d.exec(b, "CREATE TABLE given AS flows ENGINE = Memory")
	const rows = 250_000
	spent := make([][]time.Duration, len(storageChoices))
	blocks := 0
	from := time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Hour)
	for b.Loop() {
		for range 16 {
			d.exec(b, "TRUNCATE TABLE given")
			d.exec(b, strings.Replace(fmt.Sprintf(benchSelect, from.Add(time.Duration(blocks%12)*5*time.Minute).Unix(), rows, benchUplinks, benchCustomers), "INTO flows", "INTO given", 1))
			for i := range storageChoices {
				at := (i + blocks) % len(storageChoices) // none is always the first
				start := time.Now()
				d.exec(b, fmt.Sprintf("INSERT INTO flows_%d SELECT * FROM given SETTINGS max_insert_threads = 1, min_insert_block_size_rows = %d", at, rows))
				spent[at] = append(spent[at], time.Since(start))
			}
			blocks++
		}
	}
	for i, c := range storageChoices {
		slices.Sort(spent[i])
		d.exec(b, fmt.Sprintf("OPTIMIZE TABLE flows_%d FINAL", i))
		var octets float64
		if err := d.conn.QueryRow(b.Context(), fmt.Sprintf("SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND table = 'flows_%d'", i)).Scan(&octets); err != nil {
			b.Fatal(err)
		}
		b.Logf("%-70s %5.1f octets a flow, inserted in %.2f of the time", c.name, octets, float64(spent[i][len(spent[i])/2])/float64(spent[0][len(spent[0])/2]))
	}
	d.columns(b)
}

// columns prints what takes the room in the table as it is.
func (d *benchDay) columns(b *testing.B) {
	rows, err := d.conn.Query(b.Context(), `SELECT column, sum(column_bytes_on_disk) / sum(rows) AS octets FROM system.parts_columns WHERE active AND table = 'flows_0' GROUP BY column HAVING octets > 0.05 ORDER BY octets DESC`)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var column string
		var octets float64
		if err := rows.Scan(&column, &octets); err != nil {
			b.Fatal(err)
		}
		b.Logf("%-20s %5.2f octets", column, octets)
	}
}
