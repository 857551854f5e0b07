package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/zap"
)

// When rows expire. ClickHouse adds days to a DateTime in 32 bits: a sum beyond
// 2106-02-07 06:28:15 UTC wraps around to the years after 1970, and the rows that
// were to be kept longest are gone at the next merge. So the sum is made in 64 bits
// and held within the type.
//
// A part knows when the last of its rows expires, by the TTL that was in force when
// it was written, and ClickHouse drops it by that without looking at a row, also
// when the table has got another TTL since. Therefore nothing expires from before
// a TTL changes until all parts have learned the new one by a mutation, which reads
// nothing but the times.

// Forever is how many days rows are kept that never expire.
const Forever = 0

// maxDays bounds how long rows can be kept, if not forever.
const maxDays = 36500

// endlessDays is more than DateTime holds: rows of any time then expire at its end.
// Parts learn it before a TTL is removed, so that none remembers an earlier one
// when the table has a TTL again.
const endlessDays = 100_000

// dateTimeEnd is the last moment that DateTime holds, in Unix seconds.
const dateTimeEnd = 1<<32 - 1

// A retainedTable is one whose rows expire.
type retainedTable struct {
	name   string
	since  string   // what the days are added to, an SQL expression in Unix seconds
	tables []string // that go with it, itself first
}

// retainedTables are in the order in which the answers list them. Of flows the days
// count from the reception, or from the import where that was later.
var retainedTables = []retainedTable{
	{"flows", "greatest(intDiv(toUnixTimestamp64Milli(time_received), 1000), toUnixTimestamp(time_imported))", []string{"flows"}},
	{"flows_1m", "greatest(toUnixTimestamp(time), toUnixTimestamp(time_imported))", withNarrow("flows_1m")},
	{"flows_1h", "greatest(toUnixTimestamp(time), toUnixTimestamp(time_imported))", withNarrow("flows_1h")},
	{"if_counters", "intDiv(toUnixTimestamp64Milli(time), 1000)", []string{"if_counters"}},
	{"calibration", "toUnixTimestamp(bucket)", []string{"calibration"}},
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

// ttl returns when rows that are kept for some days expire. The least is 1, because
// 0 means never to ClickHouse.
func (t retainedTable) ttl(days int) string {
	return fmt.Sprintf("toDateTime(least(greatest(%s + %d * 86400, 1), %d))", t.since, days, dateTimeEnd)
}

// ttlDays finds the days of a TTL as ttl writes it in what ClickHouse tells of a
// table, daysThatWrap those of a TTL that programs before this one wrote.
var (
	ttlDays      = regexp.MustCompile(`TTL toDateTime\(least\(greatest\(.* \+ \(?(\d+) \* 86400\)?, 1\), 4294967295\)\)`)
	daysThatWrap = regexp.MustCompile(`TTL .* \+ toIntervalDay\((\d+)\)`)
)

// An expiry is what the TTL of a table says.
type expiry struct {
	days  int  // Forever where there is none, -1 where it is of another kind
	wraps bool // it adds the days in 32 bits
}

// expiry reads the TTL of a table.
func (s *Store) expiry(ctx context.Context, table string) (expiry, error) {
	var engine string
	const query = "SELECT engine_full FROM system.tables WHERE database = $1 AND name = $2"
	if err := s.conn.QueryRow(ctx, query, s.database, s.partName(table)).Scan(&engine); err != nil {
		return expiry{}, fmt.Errorf("read the TTL of %s: %w", table, err)
	}
	e := expiry{days: -1}
	if match := ttlDays.FindStringSubmatch(engine); match != nil {
		e.days, _ = strconv.Atoi(match[1]) // digits
	} else if match := daysThatWrap.FindStringSubmatch(engine); match != nil {
		e.days, _ = strconv.Atoi(match[1])
		e.wraps = true
	} else if !strings.Contains(engine, " TTL ") {
		e.days = Forever
	}
	return e, nil
}

// mendTTL gives tables whose TTL wraps around one that does not, for the same days.
// It is done before anything is inserted. The tables of a new database have such a
// TTL as well, because their migrations were written before this was known.
func (s *Store) mendTTL(ctx context.Context) error {
	for _, t := range retainedTables {
		for _, table := range t.tables {
			e, err := s.expiry(ctx, table)
			if err == nil && e.wraps {
				err = s.mend(ctx, t, table, e.days)
			}
			if err != nil {
				return fmt.Errorf("keep rows of %s from expiring early: %w", table, err)
			}
		}
	}
	return nil
}

func (s *Store) mend(ctx context.Context, t retainedTable, table string, days int) error {
	statement := fmt.Sprintf("ALTER TABLE %s MODIFY TTL %s", table, t.ttl(days))
	if time.Now().AddDate(0, 0, days).Unix() <= dateTimeEnd {
		// The parts know the same already.
		ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"materialize_ttl_after_modify": 0}))
		return s.apply(ctx, statement)
	}
	s.logger.Warn("the days that rows are kept went beyond what ClickHouse can add up: "+
		"rows that came in were dropped, from now on they are kept",
		zap.String("table", table), zap.Int("days", days))
	if err := s.ttlMerges(ctx, "STOP", table); err != nil {
		return err
	}
	// There cannot be much to wait for: whatever came in was dropped.
	waiting := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"mutations_sync": 2}))
	err := s.apply(waiting, statement)
	return errors.Join(err, s.ttlMerges(ctx, "START", table))
}

// keep goes on with making the TTL of a table so many days, as far as ClickHouse is
// with what has been asked of it before: it is called again and again.
func (r *Retention) keep(ctx context.Context, t retainedTable, table string, days int) error {
	e, err := r.store.expiry(ctx, table)
	if err != nil {
		return err
	}
	wanted := cmp.Or(days, endlessDays)
	if e.wraps || e.days != days && e.days != wanted {
		if err := r.learn(ctx, t, table, wanted); err != nil {
			return err
		}
		r.logger.Info("rows are kept", zap.String("table", table), zap.String("for", inDays(days)))
		e = expiry{days: wanted}
	}
	learning, err := r.store.learning(ctx, table)
	if learning {
		delete(r.expiring, table)
		// Once more, for a ClickHouse that has started again meanwhile.
		return errors.Join(err, r.store.ttlMerges(ctx, "STOP", table))
	}
	if err == nil && e.days == endlessDays {
		err = r.store.apply(ctx, "ALTER TABLE "+table+" REMOVE TTL")
	}
	if err != nil || r.expiring[table] {
		return err
	}
	// Also where an earlier process was stopped before it came here.
	if err = r.store.ttlMerges(ctx, "START", table); err == nil {
		r.expiring[table] = true
	}
	return err
}

// learn gives a table another TTL and lets its parts learn it. Until they have,
// nothing expires.
func (r *Retention) learn(ctx context.Context, t retainedTable, table string, days int) error {
	delete(r.expiring, table)
	if err := r.store.ttlMerges(ctx, "STOP", table); err != nil {
		return err
	}
	// It does not wait for the parts, which may take long.
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"alter_sync": 0}))
	for _, statement := range []string{
		"ALTER TABLE " + table + " MODIFY SETTING materialize_ttl_recalculate_only = 1",
		"ALTER TABLE " + table + " MODIFY TTL " + t.ttl(days),
	} {
		if err := r.store.apply(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// learning reports whether parts of a table have not learned its TTL yet; on a
// cluster those of the node that answers. The error is what keeps them from it.
func (s *Store) learning(ctx context.Context, table string) (bool, error) {
	const query = `SELECT count(), anyIf(latest_fail_reason, latest_fail_reason != '') FROM system.mutations
WHERE database = $1 AND table = $2 AND command LIKE '%MATERIALIZE TTL%' AND NOT is_done`
	var mutations uint64
	var problem string
	if err := s.conn.QueryRow(ctx, query, s.database, s.partName(table)).Scan(&mutations, &problem); err != nil {
		return false, fmt.Errorf("read the mutations of %s: %w", table, err)
	}
	if problem != "" {
		return true, fmt.Errorf("nothing expires in %s, because ClickHouse cannot recalculate its TTL: %s", table, problem)
	}
	return mutations > 0, nil
}

// ttlMerges stops or starts the expiry of a table's rows, until ClickHouse ends.
func (s *Store) ttlMerges(ctx context.Context, verb, table string) error {
	if err := s.conn.Exec(ctx, s.ttlMergesSQL(verb, table)); err != nil {
		return fmt.Errorf("%s the expiry of %s: %w", strings.ToLower(verb), table, err)
	}
	return nil
}

func (s *Store) ttlMergesSQL(verb, table string) string {
	on := ""
	if s.cluster != "" {
		on = "ON CLUSTER " + quoted(s.cluster) + " "
	}
	return "SYSTEM " + verb + " TTL MERGES " + on + s.database + "." + s.partName(table)
}

// partName returns the name under which a node has its rows of a table.
func (s *Store) partName(table string) string {
	if s.cluster == "" {
		return table
	}
	return localName(table)
}
