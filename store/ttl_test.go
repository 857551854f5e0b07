package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nfstats/nfstats/store/engine/enginetest"
)

// expiringTables are all tables that have a TTL.
func expiringTables() (all []string) {
	for _, t := range retainedTables {
		all = append(all, t.tables...)
	}
	return all
}

func keepAllFor(days int) RetentionSettings {
	settings := RetentionSettings{Days: map[string]int{}}
	for _, t := range retainedTables {
		settings.Days[t.name] = days
	}
	return settings
}

func execute(t *testing.T, s *Store, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := s.conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%v in\n%s", err, statement)
		}
	}
}

// insertAt puts a row of each time into every table that has a TTL; those that a
// DateTime does not hold only where the table's time is of a wider type. A row
// has one octet.
func insertAt(t *testing.T, s *Store, times ...time.Time) {
	t.Helper()
	var narrow, wide []string
	for _, at := range times {
		wide = append(wide, fmt.Sprint(at.Unix()))
		if at.Unix() >= 0 && at.Unix() <= dateTimeEnd {
			narrow = append(narrow, fmt.Sprint(at.Unix()))
		}
	}
	from := func(seconds []string) string {
		return " FROM (SELECT arrayJoin([" + strings.Join(seconds, ", ") + "]::Array(Int64)) AS at)"
	}
	const at64 = "SELECT toDateTime64(at, 3, 'UTC'), 1"
	execute(t, s,
		"INSERT INTO flows (time_received, bytes) "+at64+from(wide),
		"INSERT INTO if_counters (time, in_octets) "+at64+from(wide),
		// The other rollups follow from the minutes.
		"INSERT INTO flows_1m (time, bytes) SELECT toDateTime(at, 'UTC'), 1"+from(narrow),
		"INSERT INTO calibration (bucket, snmp_octets) SELECT toDateTime(at, 'UTC'), 1"+from(narrow))
}

// octetsOf is what sums up the octets of a table.
func octetsOf(table string) string {
	switch table {
	case "if_counters":
		return "toUInt64(sum(in_octets))"
	case "calibration":
		return "toUInt64(sum(snmp_octets))"
	}
	return "toUInt64(sum(bytes))"
}

// merged has all parts of the tables merged, and with that all dropped that has
// expired, and returns the octets that are left by table.
func merged(t *testing.T, s *Store) map[string]uint64 {
	t.Helper()
	left := map[string]uint64{}
	for _, table := range expiringTables() {
		execute(t, s, "OPTIMIZE TABLE "+table+" FINAL")
		left[table] = number(t, s, "SELECT "+octetsOf(table)+" FROM "+table)
	}
	return left
}

// enforced applies settings and waits until all parts have learned them.
func enforced(t *testing.T, r *Retention) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if err := r.Enforce(t.Context()); err != nil {
			t.Fatal(err)
		}
		waiting := slices.DeleteFunc(expiringTables(), func(table string) bool { return r.expiring[table] })
		if len(waiting) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("these have not learned their TTL: %s", waiting)
		}
	}
}

// Every number of days that is accepted keeps what is younger, whatever its time
// is, and drops what is older.
func TestDaysOfAnyNumberKeepRowsOfAnyTime(t *testing.T) {
	s := prepared(t)
	now := time.Now()
	day := func(text string) time.Time {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	toEnd := int(time.Unix(dateTimeEnd, 0).Sub(now).Hours() / 24) // days from now until DateTime ends
	for _, days := range []int{1, 2, 10, 400, toEnd - 1, toEnd, toEnd + 1, maxDays - 1, maxDays, Forever} {
		t.Run(inDays(days), func(t *testing.T) {
			for _, table := range expiringTables() {
				execute(t, s, "TRUNCATE TABLE "+table)
			}
			r := newRetention(t, s, keepAllFor(days))
			enforced(t, r)
			times := []time.Time{now, now.AddDate(0, 0, 1), day("1970-01-01"), day("1971-06-01"), day("2037-01-01"), day("2038-02-01"),
				day("2105-06-01"), day("2106-01-01"), time.Unix(dateTimeEnd, 0), day("1950-01-01"), day("2149-01-01"), day("2250-01-01")}
			if at := now.AddDate(0, 0, -days).Add(2 * time.Hour); days != Forever && at.Unix() > 0 {
				times = append(times, at) // the oldest that is kept
			}
			if at := now.AddDate(0, 0, -days-40); days != Forever && at.Unix() > 0 {
				times = append(times, at) // of a month in which nothing is kept
			}
			insertAt(t, s, times...)
			var wide, narrow uint64 // that are to be kept
			for _, at := range times {
				if days != Forever && !at.AddDate(0, 0, days).After(now) {
					continue
				}
				wide++
				if at.Unix() >= 0 && at.Unix() <= dateTimeEnd {
					narrow++
				}
			}
			for table, got := range merged(t, s) {
				want := narrow
				if table == "flows" || table == "if_counters" {
					want = wide
				}
				if got != want {
					t.Errorf("%s has %d rows after merging, want %d of %d", table, got, want, len(times))
				}
				if definition := ttlText(t, s, table); strings.Contains(definition, "TTL") == (days == Forever) {
					t.Errorf("%s: %s", table, definition)
				}
			}
		})
	}
}

func ttlText(t *testing.T, s *Store, table string) string {
	t.Helper()
	var text string
	if err := s.conn.QueryRow(t.Context(), "SELECT engine_full FROM system.tables WHERE database = $1 AND name = $2", s.database, table).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// A part remembers when it expires by an earlier TTL; another one must count from
// the moment that it is set.
func TestRowsOutliveATTLThatWasChanged(t *testing.T) {
	for _, later := range [][]int{{Forever, 400}, {400}, {maxDays, Forever, 200}} {
		t.Run(fmt.Sprint(later), func(t *testing.T) {
			s := prepared(t)
			r := newRetention(t, s, keepAllFor(10))
			enforced(t, r)
			for _, table := range expiringTables() {
				execute(t, s, s.ttlMergesSQL("STOP", table)) // a moment in which they have not gone
			}
			insertAt(t, s, time.Now().AddDate(0, 0, -100))
			for _, days := range later {
				if err := r.Set(t.Context(), keepAllFor(days)); err != nil {
					t.Fatal(err)
				}
				enforced(t, r)
				merged(t, s)
			}
			for table, rows := range merged(t, s) {
				if rows != 1 {
					t.Errorf("%s has %d rows", table, rows)
				}
			}
		})
	}
}

// While the parts learn a TTL, nothing expires, and it goes on afterwards.
func TestNothingExpiresWhilePartsLearn(t *testing.T) {
	s := prepared(t)
	enforced(t, newRetention(t, s, keepAllFor(10)))
	execute(t, s, "SYSTEM STOP MERGES flows") // mutations as well
	r := newRetention(t, s, keepAllFor(10))
	insertAt(t, s, time.Now().AddDate(0, 0, -9))
	settings := keepAllFor(10)
	settings.Days["flows"] = 5
	if err := r.Set(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	if err := r.Enforce(t.Context()); err != nil || r.expiring["flows"] || !r.expiring["flows_1m"] {
		t.Errorf("%v, rows expire in %v", err, r.expiring)
	}
	execute(t, s, "SYSTEM START MERGES flows")
	enforced(t, r)
	if left := merged(t, s); left["flows"] != 0 || left["flows_1m"] != 1 {
		t.Errorf("left: %v", left)
	}
}

// A database of a program before this one, in which 36500 days dropped whatever
// came in, is mended by the start, before more comes in. What is there expires as
// it did.
func TestTablesThatDropEverythingAreMendedAtTheStart(t *testing.T) {
	s := open(t, enginetest.Start(t))
	if err := s.createDatabase(t.Context()); err != nil {
		t.Fatal(err)
	}
	migrations, err := readMigrations(migrationFiles)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range migrations {
		if m.version > 7 { // the first that knew of imports
			continue
		}
		for _, statement := range m.statements {
			if err := s.apply(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	old := map[string]string{"flows": "toDateTime(time_received)", "if_counters": "toDateTime(time)", "calibration": "bucket"}
	for _, table := range expiringTables() {
		column := old[table]
		if column == "" {
			column = "time"
		}
		execute(t, s, "ALTER TABLE "+table+" MODIFY TTL "+column+" + INTERVAL 36500 DAY")
	}
	now := time.Now()
	insertAt(t, s, now)
	for table, rows := range merged(t, s) {
		if rows != 0 {
			t.Fatalf("%s does not show the fault: %d rows", table, rows)
		}
	}
	for _, table := range expiringTables() {
		execute(t, s, "SYSTEM STOP TTL MERGES "+table) // a moment in which they have not gone
	}
	insertAt(t, s, now, now.AddDate(0, 0, -300), time.Unix(dateTimeEnd, 0))
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	insertAt(t, s, now.AddDate(0, 0, -100))
	for table, rows := range merged(t, s) {
		if rows != 4 {
			t.Errorf("%s has %d rows of 4 after the start", table, rows)
		}
		if got := ttlOf(t, s, table); got != "36500" {
			t.Errorf("%s is kept %s days", table, got)
		}
	}
	enforced(t, newRetention(t, s, keepAllFor(200)))
	for table, rows := range merged(t, s) {
		if rows != 3 {
			t.Errorf("%s has %d rows of 3 that are younger than 200 days", table, rows)
		}
	}
}
