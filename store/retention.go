package store

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// RetentionSettings say how long rows are kept.
type RetentionSettings struct {
	Days    map[string]int // by table: flows, flows_1m, flows_1h, if_counters, calibration; or Forever
	MaxDisk string         // "" for no budget, see ParseBudget
}

// retentionInterval is the time between two looks at the disk.
const retentionInterval = time.Minute

// Retention is the one owner of how long rows are kept: it sets the TTL of the
// tables and sheds the oldest partitions where the disk budget is exceeded.
//
// A setting made at run time is stored in table retention, together with what the
// configuration said then. It holds until the configuration says something else:
// whatever an operator changed last, wins.
type Retention struct {
	store      *Store
	configured RetentionSettings
	metrics    retentionMetrics
	logger     *zap.Logger

	mu       sync.Mutex      // one change or look at the disk at a time
	expiring map[string]bool // tables whose rows expire, as far as this process knows
	problem  string          // of the last look at the disk
	warned   time.Time
}

type retentionMetrics struct {
	used, budget, free prometheus.Gauge
	fullIn             prometheus.Gauge
	partitions, bytes  *prometheus.CounterVec
}

// NewRetention makes the retention of a store's tables; Run applies it. The
// settings are those of the configuration.
func NewRetention(s *Store, configured RetentionSettings, registry prometheus.Registerer, logger *zap.Logger) (*Retention, error) {
	if problems := configured.Check(); len(problems) > 0 {
		return nil, fmt.Errorf("configured retention: %v", problems)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "nfstats_store_" + name, Help: help})
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "nfstats_store_" + name, Help: help}, []string{"table"})
	}
	m := retentionMetrics{
		used:       gauge("disk_used_bytes", "Size of the tables on disk."),
		budget:     gauge("disk_budget_bytes", "What the tables may take (store.max_disk), 0 for no limit."),
		free:       gauge("disk_free_bytes", "Free space of ClickHouse's disks."),
		fullIn:     gauge("disk_full_in_days", "Days until the budget or the disk is full at the growth of the last days, -1 if it does not get full."),
		partitions: counter("shed_partitions_total", "Partitions dropped because of the disk budget."),
		bytes:      counter("shed_bytes_total", "Bytes dropped because of the disk budget."),
	}
	registry.MustRegister(m.used, m.budget, m.free, m.fullIn, m.partitions, m.bytes)
	return &Retention{store: s, configured: configured, metrics: m, logger: logger, expiring: map[string]bool{}}, nil
}

// Check returns what is wrong, by setting; nothing when all is right.
func (r RetentionSettings) Check() map[string]string {
	problems := map[string]string{}
	for _, t := range retainedTables {
		if days, set := r.Days[t.name]; !set {
			problems[t.name] = "is not said"
		} else if days < 0 || days > maxDays {
			problems[t.name] = fmt.Sprintf("%d days is not between 1 and %d, nor 0 for forever", days, maxDays)
		}
	}
	if _, err := ParseBudget(r.MaxDisk); err != nil {
		problems["max_disk"] = err.Error()
	}
	return problems
}

// Run applies the settings, then looks at the disk each minute until ctx ends.
// What ClickHouse does not take is tried again.
func (r *Retention) Run(ctx context.Context) error {
	for {
		err := r.Enforce(ctx)
		if err != nil && ctx.Err() == nil && time.Since(r.warned) >= 10*time.Minute {
			r.logger.Error("old flows are not dropped as configured", zap.Error(err))
			r.warned = time.Now()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retentionInterval):
		}
	}
}

// Enforce makes the tables' TTL what the settings say and sheds what exceeds the
// disk budget.
func (r *Retention) Enforce(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	settings, err := r.settings(ctx)
	if err == nil {
		err = r.apply(ctx, settings)
	}
	if err == nil {
		err = r.shed(ctx, settings)
	}
	r.problem = ""
	if err != nil {
		r.problem = "old flows are not dropped as configured: " + err.Error()
	}
	return err
}

// Set changes the settings at run time, stores and applies them. They must have
// passed Check.
func (r *Retention) Set(ctx context.Context, settings RetentionSettings) error {
	if problems := settings.Check(); len(problems) > 0 {
		return fmt.Errorf("retention: %v", problems)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before, err := r.settings(ctx)
	if err != nil {
		return err
	}
	old, configured := before.values(), r.configured.values()
	for name, value := range settings.values() {
		if value == old[name] {
			continue
		}
		const insert = "INSERT INTO retention (name, value, configured) VALUES ($1, $2, $3)"
		if err := r.store.conn.Exec(ctx, insert, name, value, configured[name]); err != nil {
			return fmt.Errorf("store the retention of %s: %w", name, err)
		}
		r.logger.Info("the retention is changed", zap.String("of", name), zap.String("from", old[name]), zap.String("to", value))
	}
	return r.apply(ctx, settings)
}

// Settings returns what is in force.
func (r *Retention) Settings(ctx context.Context) (RetentionSettings, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.settings(ctx)
}

// values returns the settings as table retention holds them.
func (r RetentionSettings) values() map[string]string {
	values := map[string]string{"max_disk": r.MaxDisk}
	for _, t := range retainedTables {
		values[t.name] = spelled(r.Days[t.name])
	}
	return values
}

// forever is how Forever is spelled.
const forever = "forever"

// spelled returns days as table retention holds them, unspelled reads them; what it
// cannot read fails the check.
func spelled(days int) string {
	if days == Forever {
		return forever
	}
	return strconv.Itoa(days)
}

func unspelled(text string) int {
	if text == forever {
		return Forever
	}
	if days, err := strconv.Atoi(text); err == nil && days != Forever {
		return days
	}
	return -1
}

// inDays returns days as people read them.
func inDays(days int) string {
	if days == Forever {
		return forever
	}
	if days == 1 {
		return "1 day"
	}
	return strconv.Itoa(days) + " days"
}

// settings lays what was set at run time over the configuration, where that has
// not changed since.
func (r *Retention) settings(ctx context.Context) (RetentionSettings, error) {
	rows, err := r.store.conn.Query(ctx, "SELECT name, value, configured FROM retention FINAL")
	if err != nil {
		return RetentionSettings{}, fmt.Errorf("read the retention: %w", err)
	}
	defer rows.Close()
	values := r.configured.values()
	for rows.Next() {
		var name, value, configured string
		if err := rows.Scan(&name, &value, &configured); err != nil {
			return RetentionSettings{}, fmt.Errorf("read the retention: %w", err)
		}
		if now, known := r.configured.values()[name]; known && now == configured {
			values[name] = value
		}
	}
	settings := RetentionSettings{Days: map[string]int{}, MaxDisk: values["max_disk"]}
	for _, t := range retainedTables {
		settings.Days[t.name] = unspelled(values[t.name])
	}
	if err := rows.Err(); err != nil {
		return RetentionSettings{}, fmt.Errorf("read the retention: %w", err)
	}
	if problems := settings.Check(); len(problems) > 0 {
		return RetentionSettings{}, fmt.Errorf("table retention: %v", problems)
	}
	return settings, nil
}

// learningTime is how long a change waits until ClickHouse's parts know of it. With
// many flows they take longer, and the next look goes on.
const learningTime = 10 * time.Second

// apply changes the TTL of the tables where it is another one.
func (r *Retention) apply(ctx context.Context, settings RetentionSettings) error {
	for began := time.Now(); ; {
		done := true
		for _, t := range retainedTables {
			for _, table := range t.tables {
				if err := r.keep(ctx, t, table, settings.Days[t.name]); err != nil {
					return fmt.Errorf("keep %s %s: %w", table, inDays(settings.Days[t.name]), err)
				}
				done = done && r.expiring[table]
			}
		}
		if done || time.Since(began) >= learningTime {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// KeptUntil tells, for each table of flows that does not keep rows as old as oldest
// anyway, until when they are kept if they are imported now.
func (r *Retention) KeptUntil(ctx context.Context, oldest time.Time) ([]string, error) {
	settings, err := r.Settings(ctx)
	if err != nil {
		return nil, err
	}
	var texts []string
	now := time.Now()
	for _, table := range []string{"flows", "flows_1m", "flows_1h"} {
		days := settings.Days[table]
		if days == Forever || oldest.AddDate(0, 0, days).After(now) {
			continue
		}
		texts = append(texts, fmt.Sprintf("rows from %s are %d days old, table %s keeps %d from the import on, until %s: "+
			"to keep them longer, raise store.retention.%s first", oldest.UTC().Format(time.DateOnly),
			int(now.Sub(oldest).Hours()/24), table, days, now.UTC().AddDate(0, 0, days).Format(time.DateOnly), table))
	}
	return texts, nil
}
