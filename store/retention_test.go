package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"
)

func keepAll() RetentionSettings {
	return RetentionSettings{Days: map[string]int{"flows": 10, "flows_1m": 30, "flows_1h": 400, "if_counters": 400, "calibration": 400}}
}

func newRetention(t *testing.T, s *Store, settings RetentionSettings) *Retention {
	t.Helper()
	r, err := NewRetention(s, settings, prometheus.NewRegistry(), zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// insertDay inserts n flows received at noon some days ago, or an instant ago.
func insertDay(t *testing.T, s *Store, n, daysAgo int) {
	t.Helper()
	b := filled(n, uint64(daysAgo))
	at := time.Now()
	if daysAgo > 0 {
		at = at.UTC().Truncate(24*time.Hour).AddDate(0, 0, -daysAgo).Add(12 * time.Hour)
	}
	for i := range n {
		b.TimeReceived[i] = at.UnixMilli()
	}
	if err := s.InsertFlows(t.Context(), Block{Token: fmt.Sprint("day", daysAgo), Collector: "c"}, b); err != nil {
		t.Fatal(err)
	}
}

// storedDays returns how many days ago the flows in the table were received.
func storedDays(t *testing.T, s *Store, table, column string) string {
	t.Helper()
	var days string
	query := fmt.Sprintf("SELECT arrayStringConcat(arraySort(groupUniqArray(dateDiff('day', toDate(%s), toDate(now('UTC'))))), ' ') FROM %s", column, table)
	if err := s.conn.QueryRow(t.Context(), query).Scan(&days); err != nil {
		t.Fatal(err)
	}
	return days
}

func ttlOf(t *testing.T, s *Store, table string) string {
	t.Helper()
	var definition string
	if err := s.conn.QueryRow(t.Context(), "SELECT create_table_query FROM system.tables WHERE database = $1 AND name = $2", s.database, table).Scan(&definition); err != nil {
		t.Fatal(err)
	}
	return ttlDays.FindStringSubmatch(definition)[1]
}

func TestRetentionExpiresRows(t *testing.T) {
	s := prepared(t)
	for _, day := range []int{0, 1, 6} {
		insertDay(t, s, 1000, day)
	}
	settings := keepAll()
	settings.Days["flows"], settings.Days["calibration"] = 3, 77
	if err := newRetention(t, s, settings).Enforce(t.Context()); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]string{"flows": "3", "flows_1m": "30", "flows_1h": "400", "if_counters": "400", "calibration": "77"} {
		if got := ttlOf(t, s, table); got != want {
			t.Errorf("%s: %s days, want %s", table, got, want)
		}
	}
	for deadline := time.Now().Add(time.Minute); storedDays(t, s, "flows", "time_received") != "0 1"; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("flows of these days remain: %s", storedDays(t, s, "flows", "time_received"))
		}
	}
}

func TestRetentionSetAtRunTimeHoldsUntilTheConfigurationChanges(t *testing.T) {
	s := prepared(t)
	changed := keepAll()
	changed.Days["flows"], changed.MaxDisk = 5, "70%"
	if err := newRetention(t, s, keepAll()).Set(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if got := ttlOf(t, s, "flows"); got != "5" {
		t.Errorf("set: %s days", got)
	}
	again, err := newRetention(t, s, keepAll()).Settings(t.Context())
	if err != nil || again.Days["flows"] != 5 || again.MaxDisk != "70%" {
		t.Errorf("started again: %+v %v", again, err)
	}
	other := keepAll()
	other.Days["flows"] = 20
	r := newRetention(t, s, other)
	if err := r.Enforce(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, err := r.Settings(t.Context())
	if err != nil || now.Days["flows"] != 20 || now.MaxDisk != "70%" || ttlOf(t, s, "flows") != "20" {
		t.Errorf("configured anew: %+v %v", now, err)
	}
	changed.Days["flows_1h"], changed.MaxDisk = -1, "much"
	if err := r.Set(t.Context(), changed); err == nil || len(changed.Check()) != 2 {
		t.Errorf("wrong settings: %v, %v", err, changed.Check())
	}
}

func TestDiskBudgetShedsTheOldestButNeverToday(t *testing.T) {
	s := prepared(t)
	settings := keepAll()
	r := newRetention(t, s, settings)
	for _, day := range []int{0, 1, 2, 3} {
		insertDay(t, s, 20_000, day)
	}
	const minute = `INSERT INTO flows_1m (time, exporter_addr, bytes) SELECT now() - INTERVAL number DAY, toIPv6('::1'), 1 FROM numbers(3)`
	if err := s.conn.Exec(t.Context(), minute); err != nil {
		t.Fatal(err)
	}
	status, err := r.Status(t.Context())
	if err != nil || status.UsedBytes == 0 || status.DiskBytes == 0 || status.FreeBytes == 0 || status.Tables[0].Bytes == 0 {
		t.Fatalf("%+v %v", status, err)
	}
	day := status.Tables[0].Bytes / 4

	settings.MaxDisk = fmt.Sprint(status.UsedBytes - day/2) // a day too much
	if err := newRetention(t, s, settings).Enforce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := storedDays(t, s, "flows", "time_received"); got != "0 1 2" {
		t.Errorf("a day shed: %s", got)
	}
	settings.MaxDisk = "1kB"
	r = newRetention(t, s, settings)
	if err := r.Enforce(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing older than today") {
		t.Errorf("no room at all: %v", err)
	}
	if flows, minutes := storedDays(t, s, "flows", "time_received"), storedDays(t, s, "flows_1m", "time"); flows != "0" || minutes != "0" {
		t.Errorf("all shed: flows of %q, flows_1m of %q", flows, minutes)
	}
	if status, err = r.Status(t.Context()); err != nil || len(status.Warnings) == 0 {
		t.Errorf("no warning: %+v %v", status, err)
	}
}

func TestShedding(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 30, 0, 0, time.UTC)
	partitions := func(names ...string) (all []partition) {
		for _, name := range names {
			table, day, _ := strings.Cut(name, " ")
			p := partition{table: table, id: day, bytes: 10}
			p.start, p.end = partitionSpan(day)
			all = append(all, p)
		}
		return all
	}
	all := partitions("flows 2026-11-23", "flows 2026-11-22", "flows 2026-11-20", "flows_1m 2026-11-19", "flows_1m 2026-11-23", "flows_1h 202610", "flows 2026-11-24")
	for excess, want := range map[int64]string{0: "", 1: "2026-11-20", 10: "2026-11-20", 11: "2026-11-20 2026-11-22", 30: "2026-11-20 2026-11-22 2026-11-19", 999: "2026-11-20 2026-11-22 2026-11-19"} {
		var ids []string
		for _, p := range toShed(all, excess, now, now) {
			ids = append(ids, p.id)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("excess %d: %q, want %q", excess, got, want)
		}
	}
	lagging := toShed(all, 999, now, now.Add(-time.Hour)) // yesterday is not all rolled up
	if len(lagging) != 2 || lagging[0].id != "2026-11-20" || lagging[1].id != "2026-11-19" {
		t.Errorf("while the rollups lag: %+v", lagging)
	}
}

func TestForecast(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	d := &disk{total: 100_000, free: 50_000}
	for day := range 4 { // 1000 bytes a day since four days
		p := partition{table: "flows", bytes: 1000}
		p.start = now.Truncate(24*time.Hour).AddDate(0, 0, -1-day)
		p.end = p.start.AddDate(0, 0, 1)
		d.partitions, d.used = append(d.partitions, p), d.used+p.bytes
	}
	if sizes := tableSizes(d.partitions, keepAll(), now); sizes[0].BytesPerDay != 1000 || sizes[0].Bytes != 4000 || sizes[1].BytesPerDay != 0 {
		t.Errorf("sizes %+v", sizes)
	}
	for _, tc := range []struct{ days, budget, free, want int }{
		{10, 0, 50_000, -1},      // expires long before
		{10, 10_000, 50_000, -1}, // exactly fits
		{10, 9_000, 50_000, 5},
		{100, 20_000, 50_000, 16},
		{100, 20_000, 3_500, 3}, // the disk is smaller than the budget
		{100, 4_000, 50_000, 0},
	} {
		settings := keepAll()
		settings.Days["flows"] = tc.days
		d.free = int64(tc.free)
		if got := forecast(d, settings, int64(tc.budget), now); got != tc.want {
			t.Errorf("%+v: %d", tc, got)
		}
	}
	if got := forecast(&disk{free: 1}, keepAll(), 0, now); got != -1 {
		t.Errorf("empty: %d", got)
	}
}

func TestTheFirstDayGrowsFromItsFirstRow(t *testing.T) {
	s := prepared(t)
	insertDay(t, s, 20_000, 0)
	for _, table := range []string{"flows_1m (time, bytes)", "flows_1h (time, bytes)", "if_counters (time, in_octets)", "calibration (bucket, coverage)"} {
		if err := s.conn.Exec(t.Context(), "INSERT INTO "+table+" SELECT now(), 1"); err != nil {
			t.Fatal(err)
		}
	}
	status, err := newRetention(t, s, keepAll()).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range status.Tables {
		if age := time.Since(size.Oldest); age > 70*time.Minute || age < -time.Minute { // flows_1h has the hour's start
			t.Errorf("the oldest row of %s is %v old", size.Table, age)
		}
		if size.BytesPerDay > 24*size.Bytes || size.BytesPerDay < 20*size.Bytes { // an hour is the least that counts
			t.Errorf("%s takes %d bytes after a moment, and grows by %d a day", size.Table, size.Bytes, size.BytesPerDay)
		}
	}
}

func TestParseBudget(t *testing.T) {
	for text, want := range map[string]Budget{"": {}, "80%": {Percent: 80}, "1.5kB": {Bytes: 1500}, "2 GiB": {Bytes: 2 << 30}, "77": {Bytes: 77}} {
		if got, err := ParseBudget(text); err != nil || got != want {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"0%", "101%", "-1", "x", "NaN", "NaN%", "1e30", "GB", "0"} {
		if got, err := ParseBudget(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestImportsTellUntilWhenTheyAreKept(t *testing.T) {
	settings := keepAll()
	r := newRetention(t, prepared(t), settings)
	told := func(want int, daysAgo int) {
		t.Helper()
		texts, err := r.KeptUntil(t.Context(), time.Now().AddDate(0, 0, -daysAgo))
		if err != nil || len(texts) != want {
			t.Errorf("%d days: %q %v", daysAgo, texts, err)
		}
		if until := time.Now().UTC().AddDate(0, 0, 10).Format(time.DateOnly); want > 0 && !strings.Contains(texts[0], "until "+until) {
			t.Errorf("%d days: %q", daysAgo, texts)
		}
	}
	for days, want := range map[int]int{1: 0, 11: 1, 31: 2, 500: 3} {
		told(want, days)
	}
	settings.Days["flows_1h"] = Forever
	if err := r.Set(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	told(2, 20_000)
}
