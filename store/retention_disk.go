package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/zap"
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

// toShed returns the partitions to drop, in this order, so that at least excess
// bytes go: the oldest raw flows first, then the oldest minutes, never a partition
// that reaches into today, nor flows that are not rolled up. It may find less.
func toShed(partitions []partition, excess int64, now, rolledTo time.Time) []partition {
	today := now.UTC().Truncate(24 * time.Hour)
	var found []partition
	for _, table := range []string{"flows", "flows_1m"} {
		var old []partition
		for _, p := range partitions {
			if p.table == table && !p.end.After(today) && (table != "flows" || !p.end.After(rolledTo)) {
				old = append(old, p)
			}
		}
		slices.SortFunc(old, func(a, b partition) int { return a.start.Compare(b.start) })
		for _, p := range old {
			if excess <= 0 {
				return found
			}
			found, excess = append(found, p), excess-p.bytes
		}
	}
	return found
}

// shed drops what exceeds the budget and updates the metrics.
func (r *Retention) shed(ctx context.Context, settings RetentionSettings) error {
	d, err := r.readDisk(ctx)
	if err != nil {
		return err
	}
	budget, err := ParseBudget(settings.MaxDisk)
	if err != nil {
		return err
	}
	limit := budget.of(d.total)
	if limit > 0 && d.used > limit {
		var rolledTo time.Time
		if rolledTo, err = r.rolledTo(ctx); err != nil {
			return err
		}
		dropped := toShed(d.partitions, d.used-limit, time.Now(), rolledTo)
		for _, p := range dropped {
			if err := r.drop(ctx, p); err != nil {
				return err
			}
			d.used -= p.bytes
			r.metrics.partitions.WithLabelValues(p.table).Inc()
			r.metrics.bytes.WithLabelValues(p.table).Add(float64(p.bytes))
			r.logger.Warn("the disk budget is exceeded: the oldest flows are dropped", zap.String("table", p.table),
				zap.String("of", p.start.Format(time.DateOnly)), zap.Int64("bytes", p.bytes), zap.String("max_disk", settings.MaxDisk))
		}
		if d.used > limit {
			err = fmt.Errorf("the tables take %d bytes, store.max_disk allows %d, and nothing older than today that is rolled up is left to drop in flows and flows_1m", d.used, limit)
		}
		d.partitions = slices.DeleteFunc(d.partitions, func(p partition) bool { return slices.Contains(dropped, p) })
	}
	r.metrics.used.Set(float64(d.used))
	r.metrics.budget.Set(float64(limit))
	r.metrics.free.Set(float64(d.free))
	extent, extentErr := r.store.Extent(ctx)
	if extentErr != nil {
		return errors.Join(err, extentErr)
	}
	d.beginFlows(extent.Oldest)
	r.metrics.fullIn.Set(float64(forecast(d, settings, limit, time.Now())))
	return err
}

// rolledTo returns a time before which all flows are rolled up, whichever collector
// received them.
func (r *Retention) rolledTo(ctx context.Context) (time.Time, error) {
	all, err := r.store.readSeam(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if all, err = r.store.withoutIdle(ctx, all); err != nil {
		return time.Time{}, err
	}
	rolledTo := time.Now()
	for _, c := range all.collectors {
		if at := time.Unix(c.rolledTo, 0); at.Before(rolledTo) {
			rolledTo = at
		}
	}
	return rolledTo, nil
}

// tooLargeToDrop is ClickHouse's error code TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT.
const tooLargeToDrop = 359

// drop drops a partition of all the tables that are kept together, the one that
// the others follow from first: what is left of them is found again by the next
// look.
func (r *Retention) drop(ctx context.Context, p partition) error {
	for _, t := range retainedTables {
		if t.name != p.table {
			continue
		}
		for _, table := range t.tables {
			if err := r.dropFrom(ctx, table, p.id); err != nil {
				return fmt.Errorf("drop partition %s of %s: %w", p.id, table, err)
			}
		}
	}
	return nil
}

// dropFrom drops a partition of one table, also one beyond the size that ClickHouse
// guards against mistakes (50 GB).
func (r *Retention) dropFrom(ctx context.Context, table, id string) error {
	statement := "ALTER TABLE " + table + " DROP PARTITION ID " + quoted(id)
	err := r.store.apply(ctx, statement)
	if exception := (*clickhouse.Exception)(nil); errors.As(err, &exception) && exception.Code == tooLargeToDrop {
		ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_partition_size_to_drop": 0}))
		err = r.store.apply(ctx, statement)
	}
	return err
}
