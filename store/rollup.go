package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/zap"
)

// rollupKey are the columns that tell the rows of flows_1m and flows_1h apart.
const rollupKey = "exporter_addr, in_if, out_if, src_as, dst_as, etype, proto, flow_direction, sampling_rate, collector, source"

// maxRolledFlows bounds the flows of one INSERT … SELECT, and with it the memory
// that it takes.
const maxRolledFlows = 4_000_000

// What waits is rolled up in windows of whole slices: at most windowLength, and no
// more than windowFlows flows where a slice has fewer. Charts wait while a window is
// on its way.
//
// An insert costs its tens of milliseconds however few flows it has, so a window
// ends with a minute, unless earlyFlows wait: charts spread all that wait anew each
// time, at about 0.3 µs a flow.
const (
	rollupSlice  = 10 * time.Second
	windowLength = time.Hour
	windowFlows  = 500_000
	earlyFlows   = 100_000
)

// rollupInterval is the time between two looks whether a slice is over.
const rollupInterval = time.Second

// Rollups fills flows_1m, and through its materialized view flows_1h, from the
// flows that one collector receives.
//
// A reception minute, or a slice of it where there are many flows, is rolled up as a
// whole, once it is over and everything received in it is stored; several that wait
// are rolled up together. Each such window has deduplication tokens of its own and is
// written down before it starts: a crash at any point leaves neither gap nor double,
// because the same window is rolled up again and ClickHouse drops what it has. The
// flows of a minute lived in earlier ones too; their rows are added there.
type Rollups struct {
	store       *Store
	collector   string
	storedUntil func() time.Time
	logger      *zap.Logger
	doneUntil   time.Time // nothing before it is left to do
}

// NewRollups makes the rollups of a collector; Run keeps them. storedUntil
// returns a time before which every flow that the collector received is stored,
// and may return zero while that is unknown.
func NewRollups(s *Store, collector string, storedUntil func() time.Time) *Rollups {
	s.rolling.Lock()
	defer s.rolling.Unlock()
	s.rolledHere = collector
	return &Rollups{store: s, collector: collector, storedUntil: storedUntil, logger: s.logger.Named("rollups")}
}

// Run rolls up what is received, until ctx ends. What ClickHouse does
// not take is tried again.
func (r *Rollups) Run(ctx context.Context) error {
	wait := rollupInterval
	var complained time.Time
	for {
		err := r.CatchUp(ctx)
		switch {
		case err == nil:
			wait = rollupInterval
		case ctx.Err() == nil:
			wait = min(2*wait, time.Minute)
			if time.Since(complained) >= time.Minute {
				r.logger.Error("the charts lag behind; flows are safe", zap.String("error", Reason(err)), zap.Duration("next_try_in", wait))
				complained = time.Now()
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// A window is some time of reception, whole slices, that is rolled up together.
type window struct {
	from    time.Time
	seconds uint16
}

func (w window) to() time.Time { return w.from.Add(time.Duration(w.seconds) * time.Second) }

// CatchUp rolls up every minute that is over and not rolled up, and slices of the
// one that runs where many flows wait.
func (r *Rollups) CatchUp(ctx context.Context) error {
	until := r.storedUntil().Truncate(rollupSlice)
	if until.Unix() <= 0 || until.Equal(r.doneUntil) {
		return nil
	}
	w, err := r.progress(ctx)
	if err != nil {
		return err
	}
	for w.from.Before(until) && ctx.Err() == nil {
		if w.seconds == 0 { // else the window at hand may be half rolled up
			before := w.from
			if w, err = r.nextWindow(ctx, before, until); err != nil {
				return err
			}
			if w.seconds == 0 {
				if w.from.After(before) {
					err = r.record(ctx, w)
				}
				break
			}
		}
		if err := r.rollUp(ctx, w); err != nil {
			return fmt.Errorf("roll up %d seconds from %s: %w", w.seconds, w.from.UTC().Format(time.DateTime), err)
		}
		w = window{from: w.to()}
	}
	if err == nil && ctx.Err() == nil {
		r.doneUntil = until
	}
	return errors.Join(err, ctx.Err())
}

// progress returns the window that is on its way; without seconds, from is the
// time up to which the collector's flows are rolled up. A new collector starts
// with its oldest flow.
func (r *Rollups) progress(ctx context.Context) (w window, err error) {
	const query = `SELECT toDateTime(intDiv(max(version), 2), 'UTC'), argMax(rolling, version) FROM rollups WHERE collector = {collector:String} AND source = ''`
	if err := r.store.conn.QueryRow(r.bound(ctx, nil), query).Scan(&w.from, &w.seconds); err != nil {
		return window{}, fmt.Errorf("read how far flows are rolled up: %w", err)
	}
	return w, nil
}

// nextWindow returns the next slices from at on that have flows, all of them before
// until. Without seconds there is nothing to roll up yet, and nothing before from.
func (r *Rollups) nextWindow(ctx context.Context, at, until time.Time) (window, error) {
	const where = ` FROM flows WHERE time_received >= toDateTime64({at:Int64}, 3, 'UTC') AND time_received < toDateTime64({until:Int64}, 3, 'UTC') AND collector = {collector:String} AND source = ''`
	within := func(from, to time.Time) context.Context {
		return r.bound(ctx, clickhouse.Parameters{"at": fmt.Sprint(from.Unix()), "until": fmt.Sprint(to.Unix())})
	}
	minuteOver := until.Truncate(time.Minute)
	var first []time.Time
	const oldest = "SELECT groupArray(minute) FROM (SELECT toStartOfMinute(time_received) AS minute" + where + " ORDER BY toStartOfMinute(time_received) LIMIT 1)"
	if err := r.store.conn.QueryRow(within(at, until), oldest).Scan(&first); err != nil {
		return window{}, fmt.Errorf("look for flows to roll up: %w", err)
	}
	if len(first) == 0 {
		return window{from: minuteOver}, nil
	}
	begin := first[0]
	if begin.Before(at) {
		begin = at
	}
	end := begin.Add(windowLength)
	if end.After(until) {
		end = until
	}
	query := fmt.Sprintf("SELECT toDateTime(intDiv(toUnixTimestamp(time_received), %[1]d) * %[1]d, 'UTC') AS slice, count()"+where+" GROUP BY slice ORDER BY slice", rollupSlice/time.Second)
	rows, err := r.store.conn.Query(within(begin, end), query)
	if err != nil {
		return window{}, fmt.Errorf("count flows to roll up: %w", err)
	}
	defer rows.Close()
	w := window{from: begin}
	var whole uint16 // seconds, of minutes that are over
	total := uint64(0)
	for rows.Next() {
		var slice time.Time
		var flows uint64
		if err := rows.Scan(&slice, &flows); err != nil {
			return window{}, fmt.Errorf("count flows to roll up: %w", err)
		}
		if total += flows; total > windowFlows && w.seconds > 0 {
			return w, nil
		}
		w.seconds = uint16(slice.Sub(begin)/time.Second) + uint16(rollupSlice/time.Second)
		if !w.to().After(minuteOver) {
			whole = w.seconds
		}
	}
	if total < earlyFlows {
		w.seconds = whole
	}
	return w, rows.Err()
}

// rollUp adds the flows received in a window to the rollups. Charts of this
// process wait meanwhile.
func (r *Rollups) rollUp(ctx context.Context, w window) error {
	r.store.rolling.Lock()
	defer r.store.rolling.Unlock()
	if err := r.record(ctx, w); err != nil {
		return err
	}
	where := `time_received >= toDateTime64({from:Int64}, 3, 'UTC') AND time_received < toDateTime64({to:Int64}, 3, 'UTC') AND collector = {collector:String} AND source = ''`
	parameters := clickhouse.Parameters{"from": fmt.Sprint(w.from.Unix()), "to": fmt.Sprint(w.to().Unix())}
	token := fmt.Sprintf("live %s %d+%d", r.collector, w.from.Unix(), w.seconds)
	if err := r.store.rollUpWhere(r.bound(ctx, parameters), where, token); err != nil {
		return err
	}
	return r.record(ctx, window{from: w.to()})
}

// record writes down where the rollups are.
func (r *Rollups) record(ctx context.Context, w window) error {
	const query = "INSERT INTO rollups (collector, source, rolled_to, rolling) VALUES ($1, '', $2, $3)"
	if err := r.store.conn.Exec(ctx, query, r.collector, w.from.UTC(), w.seconds); err != nil {
		return fmt.Errorf("record how far flows are rolled up: %w", err)
	}
	return nil
}

func (r *Rollups) bound(ctx context.Context, parameters clickhouse.Parameters) context.Context {
	if parameters == nil {
		parameters = clickhouse.Parameters{}
	}
	parameters["collector"] = escaped(r.collector)
	return clickhouse.Context(ctx, clickhouse.WithParameters(parameters))
}

// RollUpSource adds the flows of an imported or replayed source, all of which are
// stored, to the rollups. Rolling the same source up again changes nothing;
// attempt tells one import of it from another after it was removed.
func (s *Store) RollUpSource(ctx context.Context, source string, attempt int) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"source": escaped(source)}))
	if err := s.rollUpWhere(ctx, "source = {source:String}", fmt.Sprintf("source %s %d", source, attempt)); err != nil {
		return fmt.Errorf("roll up %s: %w", source, err)
	}
	return nil
}

// rollUpWhere rolls up the flows that where selects. They may not change any
// more, because how they are cut into inserts depends on their number.
func (s *Store) rollUpWhere(ctx context.Context, where, token string) error {
	var flows uint64
	if err := s.conn.QueryRow(ctx, "SELECT count() FROM flows WHERE "+where).Scan(&flows); err != nil {
		return fmt.Errorf("count flows: %w", err)
	}
	if flows == 0 {
		return nil
	}
	pieces := flows/maxRolledFlows + 1
	for piece := range pieces {
		part := where
		if pieces > 1 {
			part += fmt.Sprintf(" AND cityHash64(in_if, out_if, src_as, dst_as) %% %d = %d", pieces, piece)
		}
		settings := clickhouse.WithSettings(clickhouse.Settings{
			"insert_deduplicate":         1,
			"insert_deduplication_token": fmt.Sprintf("%s %d/%d", token, piece, pieces),
			// A crash between the two tables: the same token fills the second.
			"deduplicate_blocks_in_dependent_materialized_views": 1,
			// One block in, one part out for each day: the token covers it.
			"max_insert_threads": 1, "max_partitions_per_insert_block": 0,
			"min_insert_block_size_rows": 1 << 30, "min_insert_block_size_bytes": 1 << 40,
		})
		query := `INSERT INTO flows_1m (time, ` + rollupKey + `, bytes, packets, flows, bytes_sq, time_imported)
SELECT toDateTime(at, 'UTC'), ` + rollupKey + `, sum(bytes), sum(packets), sum(flows), sum(bytes_sq), max(time_imported)
FROM (` + spreadSQL("flows", rollupKey+", time_imported", part, "toInt64(0)", "toInt64(4294967295000)", "toInt64(60000)") + `)
GROUP BY ALL ORDER BY ALL`
		if err := s.conn.Exec(clickhouse.Context(ctx, settings), query); err != nil {
			return fmt.Errorf("insert into flows_1m: %w", err)
		}
	}
	return nil
}
