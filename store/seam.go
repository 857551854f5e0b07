package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// A seam is where the rollups end and flows begin: for each collector the time of
// reception up to which its flows are in the rollups.
type seam struct {
	collectors []collectorSeam
	moving     bool // a minute is on its way from flows to the rollups
}

type collectorSeam struct {
	name     string
	rolledTo int64 // Unix seconds
	version  uint64
}

// staleAfter is how far a collector's rollups may lag before it is asked whether
// there is anything left to roll up. Collectors that are no more have nothing.
const staleAfter = 10 * time.Minute

// readSeam reads the present seam.
func (s *Store) readSeam(ctx context.Context) (seam, error) {
	rows, err := s.conn.Query(limited(ctx), "SELECT collector, max(version) FROM rollups WHERE source = '' GROUP BY collector ORDER BY collector")
	if err != nil {
		return seam{}, fmt.Errorf("read how far flows are rolled up: %w", err)
	}
	defer rows.Close()
	var found seam
	for rows.Next() {
		var c collectorSeam
		if err := rows.Scan(&c.name, &c.version); err != nil {
			return seam{}, fmt.Errorf("read how far flows are rolled up: %w", err)
		}
		c.rolledTo = int64(c.version / 2)
		stale := time.Since(time.Unix(c.rolledTo, 0)) > staleAfter
		found.moving = found.moving || c.version%2 == 1 && !stale
		found.collectors = append(found.collectors, c)
	}
	return found, rows.Err()
}

// same reports whether nothing moved between two seams.
func (a seam) same(b seam) bool {
	if len(a.collectors) != len(b.collectors) {
		return false
	}
	for i, c := range a.collectors {
		if c != b.collectors[i] {
			return false
		}
	}
	return true
}

// only reports whether nobody else than a collector can move the seam.
func (a seam) only(collector string) bool {
	return !slices.ContainsFunc(a.collectors, func(c collectorSeam) bool { return c.name != collector })
}

// where selects the flows that are not rolled up; "" is none.
func (a seam) where(q *query) string {
	var waiting []string
	for _, c := range a.collectors {
		waiting = append(waiting, fmt.Sprintf("(collector = %s AND time_received >= toDateTime64(%s, 3, 'UTC'))", q.bind("String", c.name), q.bind("Int64", fmt.Sprint(c.rolledTo))))
	}
	if len(waiting) == 0 {
		return ""
	}
	return "source = '' AND time_received >= toDateTime64({from:Int64}, 3, 'UTC') AND time_received < toDateTime64({to:Int64} + " + fmt.Sprint(receptionWindow) + ", 3, 'UTC') AND (" + strings.Join(waiting, " OR ") + ")"
}

// withoutIdle leaves out the collectors that have nothing to roll up.
func (s *Store) withoutIdle(ctx context.Context, all seam) (seam, error) {
	kept := seam{moving: all.moving}
	for _, c := range all.collectors {
		if time.Since(time.Unix(c.rolledTo, 0)) > staleAfter {
			waits, err := s.waiting.get(ctx, s, c)
			if err != nil {
				return seam{}, err
			}
			if !waits {
				continue
			}
		}
		kept.collectors = append(kept.collectors, c)
	}
	return kept, nil
}

// seamPatience bounds how long a question is asked anew because another process
// rolls a minute up under it. One that died within a minute leaves it half done
// until it is back: then better a doubtful minute than no answer.
const seamPatience = 15 * time.Second

// steadily runs ask between two looks at the seam, until they agree: a minute that
// is rolled up meanwhile would be counted twice, or not at all.
func (s *Store) steadily(ctx context.Context, q *query, ask func() error) error {
	if q.choice.table == "flows" {
		return ask()
	}
	for start := time.Now(); ; {
		last := time.Since(start) > seamPatience
		steady, err := s.attempt(ctx, q, ask, last)
		if err != nil || steady || last {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// attempt runs ask while this process rolls nothing up, and reports whether the
// seam stayed where it was. It does not ask while a minute is moving, unless it
// must.
func (s *Store) attempt(ctx context.Context, q *query, ask func() error, must bool) (steady bool, err error) {
	s.rolling.RLock()
	defer s.rolling.RUnlock()
	before, err := s.readSeam(ctx)
	if err != nil || before.moving && !must {
		return false, err
	}
	if q.seam, err = s.withoutIdle(ctx, before); err != nil {
		return false, err
	}
	if err := ask(); err != nil {
		return false, err
	}
	if before.only(s.rolledHere) {
		return true, nil
	}
	after, err := s.readSeam(ctx)
	return before.same(after), err
}

// A waitingCache remembers for a while whether a collector that lags has flows to
// roll up.
type waitingCache struct {
	mu    sync.Mutex
	known map[collectorSeam]waitingEntry
}

type waitingEntry struct {
	waits bool
	at    time.Time
}

const waitingAge = 10 * time.Second

func (w *waitingCache) get(ctx context.Context, s *Store, c collectorSeam) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.known[c]; ok && time.Since(e.at) < waitingAge {
		return e.waits, nil
	}
	ctx = clickhouse.Context(limited(ctx), clickhouse.WithParameters(clickhouse.Parameters{"collector": escaped(c.name), "at": fmt.Sprint(c.rolledTo)}))
	var n uint64
	const query = "SELECT count() FROM (SELECT 1 FROM flows WHERE source = '' AND collector = {collector:String} AND time_received >= toDateTime64({at:Int64}, 3, 'UTC') LIMIT 1)"
	if err := s.conn.QueryRow(ctx, query).Scan(&n); err != nil {
		return false, fmt.Errorf("look for flows that are not rolled up: %w", err)
	}
	if w.known == nil || len(w.known) > 1000 {
		w.known = map[collectorSeam]waitingEntry{}
	}
	w.known[c] = waitingEntry{n > 0, time.Now()}
	return n > 0, nil
}

// An extentsCache remembers for a while where the tables begin.
type extentsCache struct {
	mu   sync.Mutex
	last extents
	at   time.Time
}

// extents are the oldest times in the tables, Unix seconds; 0 for an empty one.
type extents struct{ flows, minutes, hours int64 }

const extentsAge = 10 * time.Second

func (e *extentsCache) get(ctx context.Context, s *Store) (extents, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.at) < extentsAge {
		return e.last, nil
	}
	var found extents
	query := `SELECT toInt64(ifNull((SELECT toUnixTimestamp(toStartOfMinute(time_received)) FROM flows ORDER BY toStartOfMinute(time_received) LIMIT 1), 0)), ` + begins("flows_1m") + ", " + begins("flows_1h")
	if err := s.conn.QueryRow(limited(ctx), query).Scan(&found.flows, &found.minutes, &found.hours); err != nil {
		return extents{}, fmt.Errorf("find the oldest flows: %w", err)
	}
	e.last, e.at = found, time.Now()
	return found, nil
}

// begins returns when a rollup begins, in SQL. Its oldest rows expire a little
// earlier in one of the tables than in another; what all of them have, counts.
func begins(rollup string) string {
	var first []string
	for _, table := range withNarrow(rollup) {
		first = append(first, "(SELECT toInt64(toUnixTimestamp(min(time))) FROM "+table+")")
	}
	return "greatest(" + strings.Join(first, ", ") + ")"
}
