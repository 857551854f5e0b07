package store

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// A retainedTable is one whose rows expire.
type retainedTable struct {
	name   string
	ttl    string   // the expression that the days are added to
	tables []string // that go with it, itself first
}

// retainedTables are in the order in which the answers list them.
var retainedTables = []retainedTable{
	{"flows", "toDateTime(time_received)", []string{"flows"}},
	{"flows_1m", "time", withNarrow("flows_1m")},
	{"flows_1h", "time", withNarrow("flows_1h")},
	{"if_counters", "toDateTime(time)", []string{"if_counters"}},
	{"calibration", "bucket", []string{"calibration"}},
}

// retainedAs returns the name under which a table's rows are kept.
func retainedAs(table string) string {
	for _, t := range retainedTables {
		if slices.Contains(t.tables, table) {
			return t.name
		}
	}
	return table
}

// maxDays bounds how long rows can be kept. DateTime ends in 2106.
const maxDays = 36500

// RetentionSettings say how long rows are kept.
type RetentionSettings struct {
	Days    map[string]int // by table: flows, flows_1m, flows_1h, if_counters, calibration
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

	mu      sync.Mutex // one change or look at the disk at a time
	problem string     // of the last look at the disk
	warned  time.Time
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
	return &Retention{store: s, configured: configured, metrics: m, logger: logger}, nil
}

// Check returns what is wrong, by setting; nothing when all is right.
func (r RetentionSettings) Check() map[string]string {
	problems := map[string]string{}
	for _, t := range retainedTables {
		if days := r.Days[t.name]; days < 1 || days > maxDays {
			problems[t.name] = fmt.Sprintf("%d days is not between 1 and %d", days, maxDays)
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
		values[t.name] = strconv.Itoa(r.Days[t.name])
	}
	return values
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
		settings.Days[t.name], _ = strconv.Atoi(values[t.name]) // what is not a number fails the check
	}
	if err := rows.Err(); err != nil {
		return RetentionSettings{}, fmt.Errorf("read the retention: %w", err)
	}
	if problems := settings.Check(); len(problems) > 0 {
		return RetentionSettings{}, fmt.Errorf("table retention: %v", problems)
	}
	return settings, nil
}

// ttlDays finds the days of a TTL in the definition of a table.
var ttlDays = regexp.MustCompile(`TTL .* \+ toIntervalDay\((\d+)\)`)

// apply changes the TTL of the tables where it is another one. Parts learn it by
// a mutation that reads nothing but the times, in the background.
func (r *Retention) apply(ctx context.Context, settings RetentionSettings) error {
	for _, t := range retainedTables {
		for _, table := range t.tables {
			if err := r.keep(ctx, table, t.ttl, settings.Days[t.name]); err != nil {
				return fmt.Errorf("keep %s for %d days: %w", table, settings.Days[t.name], err)
			}
		}
	}
	return nil
}

// keep makes the TTL of a table so many days, if it is another one.
func (r *Retention) keep(ctx context.Context, table, ttl string, days int) error {
	var definition string
	const query = "SELECT create_table_query FROM system.tables WHERE database = $1 AND name = $2"
	if err := r.store.conn.QueryRow(ctx, query, r.store.database, r.store.partName(table)).Scan(&definition); err != nil {
		return fmt.Errorf("read its definition: %w", err)
	}
	if match := ttlDays.FindStringSubmatch(definition); match != nil && match[1] == strconv.Itoa(days) {
		return nil
	}
	for _, statement := range []string{
		fmt.Sprintf("ALTER TABLE %s MODIFY SETTING materialize_ttl_recalculate_only = 1", table),
		fmt.Sprintf("ALTER TABLE %s MODIFY TTL %s + INTERVAL %d DAY", table, ttl, days),
	} {
		if err := r.store.apply(ctx, statement); err != nil {
			return err
		}
	}
	r.logger.Info("rows are kept", zap.String("table", table), zap.Int("days", days))
	return nil
}

// partName returns the name under which a node has its rows of a table.
func (s *Store) partName(table string) string {
	if s.cluster == "" {
		return table
	}
	return localName(table)
}

// ExpiresOnArrival returns warnings, one for each table, for rows as old as oldest
// that are about to be inserted: ClickHouse drops them at its next merge.
func (r *Retention) ExpiresOnArrival(ctx context.Context, oldest time.Time) ([]string, error) {
	settings, err := r.Settings(ctx)
	if err != nil {
		return nil, err
	}
	var warnings []string
	age := int(time.Since(oldest).Hours() / 24)
	for _, table := range []string{"flows", "flows_1m", "flows_1h"} {
		if days := settings.Days[table]; age >= days {
			warnings = append(warnings, fmt.Sprintf("rows from %s are %d days old, table %s keeps %d: raise store.retention.%s first, else they are dropped soon",
				oldest.UTC().Format(time.DateOnly), age, table, days, table))
		}
	}
	return warnings, nil
}
