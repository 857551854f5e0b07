package store

import (
	"context"
	"fmt"
	"math"
	"time"
)

// RetentionStatus tells what is kept, how much room that takes and how it goes on.
type RetentionStatus struct {
	Settings   RetentionSettings // in force
	Configured RetentionSettings // by the configuration

	UsedBytes   int64 // by all tables
	BudgetBytes int64 // 0 for no limit
	DiskBytes   int64 // size of ClickHouse's disks
	FreeBytes   int64

	// FullInDays is when the budget or the disk is full at the growth of the last
	// days, -1 when rows expire as fast as new ones come before that.
	FullInDays int

	Tables   []TableSize
	Warnings []string // for an operator to act on
}

// TableSize is what one table takes.
type TableSize struct {
	Table       string
	Days        int // kept, or Forever
	Bytes       int64
	BytesPerDay int64     // growth of the last days
	Oldest      time.Time // row, zero when it is empty
}

// lowSpace is the share of the disks below which free space is worth a warning.
const lowSpace = 0.05

// soonFull is the number of days below which the forecast is worth a warning.
const soonFull = 7

// Status reads the sizes of the tables and makes the forecast.
func (r *Retention) Status(ctx context.Context) (*RetentionStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	settings, err := r.settings(ctx)
	if err != nil {
		return nil, err
	}
	d, err := r.readDisk(ctx)
	if err != nil {
		return nil, err
	}
	extent, err := r.store.Extent(ctx)
	if err != nil {
		return nil, err
	}
	d.beginFlows(extent.Oldest)
	budget, err := ParseBudget(settings.MaxDisk)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	status := &RetentionStatus{Settings: settings, Configured: r.configured, UsedBytes: d.used, BudgetBytes: budget.of(d.total), DiskBytes: d.total, FreeBytes: d.free}
	status.Tables = tableSizes(d.partitions, settings, now)
	status.FullInDays = forecast(d, settings, status.BudgetBytes, now)
	status.Warnings = []string{}
	if r.problem != "" {
		status.Warnings = append(status.Warnings, r.problem)
	}
	if d.total > 0 && float64(d.free) < lowSpace*float64(d.total) {
		status.Warnings = append(status.Warnings, fmt.Sprintf("ClickHouse's disk has %d MB free of %d MB: make room, or lower store.max_disk so that old flows go", d.free/1e6, d.total/1e6))
	}
	if status.FullInDays >= 0 && status.FullInDays < soonFull {
		what := "the disk is full"
		if status.BudgetBytes > 0 && status.BudgetBytes-d.used < d.free {
			what = "store.max_disk is reached, and the oldest flows go"
		}
		status.Warnings = append(status.Warnings, fmt.Sprintf("in %d days %s, at the growth of the last days", status.FullInDays, what))
	}
	return status, nil
}

// growthDays is how many days back the growth is taken from.
const growthDays = 7

// tableSizes sums the partitions up by table.
func tableSizes(partitions []partition, settings RetentionSettings, now time.Time) []TableSize {
	today := now.UTC().Truncate(24 * time.Hour)
	var began time.Time // of collecting, so far as the days tell
	for _, p := range partitions {
		lately := p.start.Before(now) && p.end.After(today.AddDate(0, 0, -growthDays))
		if lately && p.end.Sub(p.start) <= 24*time.Hour && (began.IsZero() || p.start.Before(began)) {
			began = p.start
		}
	}
	var sizes []TableSize
	for _, t := range retainedTables {
		size := TableSize{Table: t.name, Days: settings.Days[t.name]}
		var complete, open int64
		var completeTime, openTime time.Duration
		for _, p := range partitions {
			if p.table != t.name {
				continue
			}
			size.Bytes += p.bytes
			if size.Oldest.IsZero() || p.start.Before(size.Oldest) {
				size.Oldest = p.start
			}
			start := p.start
			if p.end.Sub(p.start) > 24*time.Hour && began.After(start) {
				start = began
			}
			switch {
			case p.end.Before(today.AddDate(0, 0, -growthDays)) || p.start.After(now):
			case !p.end.After(today):
				complete, completeTime = complete+p.bytes, completeTime+max(p.end.Sub(start), time.Hour)
			default:
				open, openTime = open+p.bytes, openTime+max(now.Sub(start), time.Hour)
			}
		}
		if completeTime <= 0 { // the day or month that runs is all that there is
			complete, completeTime = open, openTime
		}
		if completeTime > 0 {
			size.BytesPerDay = int64(float64(complete) / completeTime.Hours() * 24)
		}
		sizes = append(sizes, size)
	}
	return sizes
}

// forecastDays bounds how far the forecast looks.
const forecastDays = 3650

// forecast returns in how many days the budget (0 for none) or the disk is full.
// Each table grows as in the last days, while its partitions expire; once rows of
// that growth expire too, as much goes as comes. It returns -1 if it is not full
// within forecastDays.
func forecast(d *disk, settings RetentionSettings, budget int64, now time.Time) int {
	room := d.free
	if budget > 0 {
		room = min(room, budget-d.used)
	}
	var expire [forecastDays]int64 // bytes of partitions that are there, by day from now
	for _, p := range d.partitions {
		// What should have gone already stays for a reason of its own, such as imported rows.
		end := p.end.AddDate(0, 0, settings.Days[p.table])
		if settings.Days[p.table] == Forever || p.start.After(now) || !end.After(now) {
			continue
		}
		if day := int(math.Ceil(end.Sub(now).Hours() / 24)); day < forecastDays {
			expire[day] += p.bytes
		}
	}
	sizes := tableSizes(d.partitions, settings, now)
	for day := range forecastDays {
		room += expire[day]
		var growth int64
		for _, t := range sizes {
			grown := day
			if t.Days != Forever {
				grown = min(day, t.Days)
			}
			growth += t.BytesPerDay * int64(grown)
		}
		if growth > room {
			return max(day-1, 0)
		}
	}
	return -1
}
