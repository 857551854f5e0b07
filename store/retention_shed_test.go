package store

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// An import of years ago is not the first to go, rows of 1970 are, and what is dated
// in the future is neither shed nor in the way.
func TestDiskBudgetShedsWhatWasStoredLongestAgo(t *testing.T) {
	s := prepared(t)
	settings := keepAll()
	settings.Days["flows"], settings.Days["flows_1m"] = Forever, Forever
	enforced(t, newRetention(t, s, settings))
	insertDay(t, s, 10_000, 3)
	insertDay(t, s, 10_000, 30)
	put := func(source string, at, imported time.Time) {
		t.Helper()
		b := filled(10_000, uint64(at.Unix()))
		for i := range b.Len() {
			b.TimeReceived[i] = at.UnixMilli()
		}
		if err := s.InsertFlows(t.Context(), Block{Token: source, Collector: "c", Source: source, Imported: imported}, b); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	put("import", now.AddDate(0, 0, -2000), now.AddDate(0, 0, -10)) // after the flows of 30 days ago
	put("import of today", now.AddDate(0, 0, -1000), now)
	put("epoch", time.Unix(3600, 0), time.Time{})
	put("forged", time.Date(2105, 6, 1, 0, 0, 0, 0, time.UTC), time.Time{})

	status, err := newRetention(t, s, settings).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	day, used := status.Tables[0].Bytes/6, status.UsedBytes
	for i, want := range []string{"3 30 1000 2000", "3 1000 2000", "3 1000", "1000"} {
		settings.MaxDisk = fmt.Sprint(used - int64(i)*day - day/2)
		if err := newRetention(t, s, settings).Enforce(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := storedDays(t, s, "flows", "if(time_received > now(), now(), time_received)")
		if got = strings.TrimPrefix(got, "0 "); got != want { // 0 is the forged one
			t.Errorf("%d shed: the flows of %s days ago are left, want %s", i+1, got, want)
		}
	}
	settings.MaxDisk = "1kB"
	if err := newRetention(t, s, settings).Enforce(t.Context()); err == nil || !strings.Contains(err.Error(), "such as flows of 2105-06-01") {
		t.Errorf("no room, and flows of the future: %v", err)
	}
}

// Rows of any time, and tables that keep forever, do not mislead the forecast.
func TestForecastWithRowsOfOtherTimes(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	d := &disk{total: 1 << 40, free: 1 << 40}
	put := func(day time.Time, bytes int64) {
		d.partitions = append(d.partitions, partition{table: "flows", start: day, end: day.AddDate(0, 0, 1), bytes: bytes})
		d.used += bytes
	}
	for day := range 4 {
		put(now.Truncate(24*time.Hour).AddDate(0, 0, -1-day), 1000)
	}
	put(time.Unix(0, 0).UTC(), 500)
	put(time.Date(2105, 6, 1, 0, 0, 0, 0, time.UTC), 500)
	if sizes := tableSizes(d.partitions, keepAll(), now); sizes[0].BytesPerDay != 1000 || sizes[0].Bytes != 5000 {
		t.Errorf("sizes %+v", sizes)
	}
	for _, tc := range []struct{ days, budget, want int }{
		{10, 11_000, -1}, {10, 10_000, 5}, {Forever, 11_000, 6}, {Forever, 105_000, 100}, {maxDays, 105_000, 100},
	} {
		settings := keepAll()
		settings.Days["flows"] = tc.days
		if got := forecast(d, settings, int64(tc.budget), now); got != tc.want {
			t.Errorf("%+v: %d", tc, got)
		}
	}
}
