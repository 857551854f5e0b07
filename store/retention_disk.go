package store

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Budget bounds what the tables take on disk.
type Budget struct {
	Bytes   int64   // if set
	Percent float64 // else if set: of the size of ClickHouse's disks
}

var budgetUnits = []struct {
	suffix string
	size   float64
}{ // longer suffixes before their own endings
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// ParseBudget reads "80%", "200GB", "1.5TiB" or plain bytes; "" is no limit.
func ParseBudget(text string) (Budget, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Budget{}, nil
	}
	wrong := fmt.Errorf("%q is neither a size such as 200GB nor a share such as 80%%", text)
	if number, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(percent > 0 && percent <= 100) {
			return Budget{}, wrong
		}
		return Budget{Percent: percent}, nil
	}
	for _, u := range budgetUnits {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			if err != nil || !(n*u.size >= 1 && n*u.size < math.MaxInt64) {
				return Budget{}, wrong
			}
			return Budget{Bytes: int64(n * u.size)}, nil
		}
	}
	return Budget{}, wrong
}

// of returns the budget in bytes on disks of a size, 0 for no limit.
func (b Budget) of(total int64) int64 {
	if b.Bytes > 0 {
		return b.Bytes
	}
	return int64(b.Percent / 100 * float64(total))
}

// A partition is what is dropped at once: of a table, and of those that are kept
// as long as it.
type partition struct {
	table, id string
	start     time.Time // of its day or month, or its first row where ClickHouse tells that
	end       time.Time
	imported  time.Time // when the last of its rows came from an archive, as far as that was asked; or zero
	bytes     int64
}

// disk is what ClickHouse tells of its disks and of our tables on them; on a
// cluster the node that answers, for which the others, alike, go along.
type disk struct {
	total, free int64
	used        int64 // by all tables of the database
	partitions  []partition
}

func (r *Retention) readDisk(ctx context.Context) (*disk, error) {
	d := new(disk)
	var total, free uint64
	const space = "SELECT sum(total_space), sum(free_space) FROM system.disks WHERE total_space < pow(2, 60)" // object storage has no size
	if err := r.store.conn.QueryRow(ctx, space).Scan(&total, &free); err != nil {
		return nil, fmt.Errorf("read the space on ClickHouse's disks: %w", err)
	}
	d.total, d.free = int64(total), int64(free)
	const parts = "SELECT table, partition, partition_id, toUInt64(sum(bytes_on_disk)), min(min_time) FROM system.parts WHERE database = $1 AND active GROUP BY ALL"
	rows, err := r.store.conn.Query(ctx, parts, r.store.database)
	if err != nil {
		return nil, fmt.Errorf("read the partitions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var bytes uint64
		var p partition
		var first time.Time
		if err := rows.Scan(&p.table, &name, &p.id, &bytes, &first); err != nil {
			return nil, fmt.Errorf("read the partitions: %w", err)
		}
		p.bytes = int64(bytes)
		p.table = retainedAs(strings.TrimSuffix(p.table, localSuffix))
		d.used += p.bytes
		if p.start, p.end = partitionSpan(name); !p.start.IsZero() {
			if first.After(p.start) && first.Before(p.end) {
				p.start = first
			}
			d.add(p)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the partitions: %w", err)
	}
	return d, nil
}

// add adds a partition, to that of the same time where a rollup consists of several
// tables.
func (d *disk) add(p partition) {
	for i := range d.partitions {
		if same := &d.partitions[i]; same.table == p.table && same.id == p.id {
			same.bytes += p.bytes
			return
		}
	}
	d.partitions = append(d.partitions, p)
}

// beginFlows sets the start of the first day of table flows to its oldest row,
// which ClickHouse does not tell with the partitions of this table: its key is a
// date.
func (d *disk) beginFlows(oldest time.Time) {
	for i, p := range d.partitions {
		if p.table == "flows" && oldest.After(p.start) && oldest.Before(p.end) {
			d.partitions[i].start = oldest
		}
	}
}

// partitionSpan returns the times that a partition covers: 2026-11-23 a day,
// 202611 a month, anything else zero.
func partitionSpan(name string) (start, end time.Time) {
	if day, err := time.Parse(time.DateOnly, strings.Trim(name, "'")); err == nil {
		return day, day.AddDate(0, 0, 1)
	}
	if month, err := time.Parse("200601", name); err == nil {
		return month, month.AddDate(0, 1, 0)
	}
	return time.Time{}, time.Time{}
}
