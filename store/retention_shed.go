package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/zap"
)

// stored returns when the last of its rows had come in: with the end of its day, or a
// day after an import, which lasts a while.
func (p partition) stored() time.Time {
	if last := p.imported.Add(24 * time.Hour); !p.imported.IsZero() && last.After(p.end) {
		return last
	}
	return p.end
}

// toShed returns the partitions to drop, in this order, so that at least excess
// bytes go: the raw flows that were stored longest ago first, then such minutes,
// never a partition that reaches into today, nor flows that are not rolled up. What
// is dated in the future stays: only a wrong clock, the exporter's or this
// machine's, explains it, and by the latter all would look so. It may find less.
func toShed(partitions []partition, excess int64, now, rolledTo time.Time) []partition {
	today := now.UTC().Truncate(24 * time.Hour)
	var found []partition
	for _, table := range []string{"flows", "flows_1m"} {
		var old []partition
		for _, p := range partitions {
			if p.table == table && !p.stored().After(today) && (table != "flows" || !p.end.After(rolledTo)) {
				old = append(old, p)
			}
		}
		slices.SortFunc(old, func(a, b partition) int {
			return cmp.Or(a.stored().Compare(b.stored()), a.start.Compare(b.start))
		})
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
		if err := r.readImported(ctx, d.partitions); err != nil {
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
			err = fmt.Errorf("the tables take %d bytes, store.max_disk allows %d, and nothing older than today "+
				"that is rolled up is left to drop in flows and flows_1m%s", d.used, limit, inFuture(d.partitions, time.Now()))
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

// readImported finds out which partitions of flows and flows_1m hold imported rows,
// and since when.
func (r *Retention) readImported(ctx context.Context, partitions []partition) error {
	for table, day := range map[string]string{"flows": "date_received", "flows_1m": "toDate(time)"} {
		query := "SELECT " + day + " AS day, max(time_imported) FROM " + table +
			" WHERE time_imported > toDateTime(0) GROUP BY day"
		rows, err := r.store.conn.Query(ctx, query)
		if err != nil {
			return fmt.Errorf("look for imported rows in %s: %w", table, err)
		}
		defer rows.Close()
		for rows.Next() {
			var day, imported time.Time
			if err := rows.Scan(&day, &imported); err != nil {
				return fmt.Errorf("look for imported rows in %s: %w", table, err)
			}
			for i, p := range partitions {
				if p.table == table && p.end.Equal(day.AddDate(0, 0, 1)) {
					partitions[i].imported = imported
				}
			}
		}
		if err := rows.Err(); err != nil {
			return fmt.Errorf("look for imported rows in %s: %w", table, err)
		}
	}
	return nil
}

// inFuture says what flows and flows_1m hold that is dated after tomorrow, which is
// never shed.
func inFuture(partitions []partition, now time.Time) string {
	var bytes int64
	var first string
	for _, p := range partitions {
		if (p.table == "flows" || p.table == "flows_1m") && p.start.After(now.AddDate(0, 0, 1)) {
			if bytes += p.bytes; first == "" {
				first = fmt.Sprintf("%s of %s", p.table, p.start.Format(time.DateOnly))
			}
		}
	}
	if first == "" {
		return ""
	}
	return fmt.Sprintf("; %d bytes are dated in the future, such as %s, and wait for an operator to drop them",
		bytes, first)
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
