package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/nfstats/nfstats/store/filter"
)

// Scale says how octets become traffic.
type Scale string

// The scales. Packets are multiplied by the sampling rate in all but ScaleRaw;
// flows never are.
const (
	ScaleAuto       Scale = "auto"       // calibrated by SNMP where that was applied, else sampled
	ScaleSampled    Scale = "sampled"    // times the sampling rate
	ScaleRaw        Scale = "raw"        // as exported
	ScaleCalibrated Scale = "calibrated" // calibrated wherever SNMP tells a total, else sampled
)

// A Selection is what a query is about.
type Selection struct {
	From, To  time.Time      // half open
	Filter    *filter.Filter // nil: everything
	Scale     Scale          // "": ScaleAuto
	Direction string         // "in" or "out": calibrated by the input or the output interface; "": in
}

// Validate reports what cannot be asked.
func (s *Selection) Validate() error {
	if s.Scale == "" {
		s.Scale = ScaleAuto
	}
	if s.Direction == "" {
		s.Direction = "in"
	}
	switch {
	case s.From.Unix() >= s.To.Unix():
		return errors.New("from must be before to")
	case !slices.Contains([]Scale{ScaleAuto, ScaleSampled, ScaleRaw, ScaleCalibrated}, s.Scale):
		return fmt.Errorf("scale=%s: want auto, sampled, raw or calibrated", s.Scale)
	case s.Direction != "in" && s.Direction != "out":
		return fmt.Errorf("direction=%s: want in or out", s.Direction)
	}
	return nil
}

// Answer is what all answers begin with.
type Answer struct {
	From  int64     `json:"from"` // Unix seconds: the range that the answer is about, half open
	To    int64     `json:"to"`
	Scale ScaleUsed `json:"scale"`
	Meta  QueryMeta `json:"meta"`
}

// ScaleUsed tells how octets became traffic.
type ScaleUsed struct {
	Applied  Scale   `json:"applied"`
	Note     string  `json:"note"`
	Coverage float64 `json:"coverage"` // share of the traffic that is calibrated by SNMP counters
}

// QueryMeta tells what an answer rests on.
type QueryMeta struct {
	Table     string `json:"table"`
	RowsRead  uint64 `json:"rows_read"` // of the table and, for what is not rolled up yet, of flows
	ElapsedMs int64  `json:"elapsed_ms"`
	SQL       string `json:"sql"` // that gives the same numbers
}

// A query is one question on its way: where it is answered from, and its
// parameters.
type query struct {
	Selection
	choice     choice
	columns    []string // that the answer is about
	parameters clickhouse.Parameters
	types      map[string]string // of the parameters
	calibrated bool              // factors are joined
	seam       seam
	started    time.Time

	minuteFrom int64                               // Unix seconds of the oldest row of flows_1m
	identities *Identities                         // of the range
	today      func(column, seconds string) string // see Identities.sql; nil: ifIndexes are today's
	cutHours   []int64                             // Unix seconds: hours in which a device renumbered
}

// plan chooses where a question is answered from. points is 0 for a total.
func (s *Store) plan(ctx context.Context, selection Selection, points int, columns []string) (*query, error) {
	if err := selection.Validate(); err != nil {
		return nil, err
	}
	ends, err := s.extents.get(ctx, s)
	if err != nil {
		return nil, err
	}
	q := newQuery(selection, choose(question{from: selection.From.Unix(), to: selection.To.Unix(), points: points,
		rolledUp: rolledUp(columns) && rolledUp(selection.Filter.Columns()),
		rawFrom:  ends.flows, minuteFrom: ends.minutes, hourFrom: ends.hours}))
	ids, err := s.Identities(ctx)
	if err != nil {
		return nil, err
	}
	q.columns, q.minuteFrom = columns, ends.minutes
	q.follow(ids)
	if selection.Scale == ScaleAuto || selection.Scale == ScaleCalibrated {
		if q.calibrated, err = s.hasFactors(ctx, q); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func newQuery(selection Selection, c choice) *query {
	q := &query{Selection: selection, choice: c, parameters: clickhouse.Parameters{}, types: map[string]string{}, started: time.Now()}
	for name, value := range map[string]int64{"from": c.from, "to": c.to, "step": c.step} {
		q.parameters[name], q.types[name] = fmt.Sprint(value), "Int64"
	}
	return q
}

// bind makes a parameter and returns how SQL refers to it.
func (q *query) bind(sqlType, value string) string {
	if sqlType == filter.InterfaceName {
		return q.bindInterface(value)
	}
	name := fmt.Sprintf("p%d", len(q.parameters))
	if sqlType == "String" {
		value = escaped(value)
	}
	q.parameters[name], q.types[name] = value, sqlType
	return "{" + name + ":" + sqlType + "}"
}

// needed returns the columns that rows are read with, sorted: those wanted, and
// those that octets are scaled by.
func (q *query) needed(columns []string) []string {
	columns = append(slices.Clone(columns), "sampling_rate")
	if q.calibrated {
		columns = append(columns, "exporter_addr", q.interfaceColumn())
	}
	slices.Sort(columns)
	return slices.Compact(columns)
}

// narrowest returns the table with the fewest rows, of those with what a rollup has,
// that has columns and those of the filter.
func (q *query) narrowest(rollup string, columns []string) string {
	return narrowest(rollup, slices.Concat(columns, q.Filter.Columns()))
}

// A reading is one of the tables, or a query of one, that rows are read from: they
// have the columns, bytes, packets, flows, bytes_sq and sampling_rate for each bucket
// that flows lived in.
type reading struct {
	from  string // in SQL
	at    string // start of the bucket, Unix seconds: an expression
	where string
}

// readings returns what is to be read. What is not rolled up yet comes from flows.
func (q *query) readings(columns []string) []reading {
	columns = q.needed(columns)
	minutes, hours := q.narrowest("flows_1m", columns), q.narrowest("flows_1h", columns)
	where := q.Filter.SQL(q.bind)
	if q.choice.table == "flows" {
		step := fmt.Sprintf("toInt64(%d)", q.choice.step*1000)
		switch {
		case q.calibrated && q.choice.step > calibrationBucket:
			step = fmt.Sprintf("toInt64(%d)", calibrationBucket*1000)
		case q.choice.step == q.choice.to-q.choice.from:
			step = ""
		}
		received := fmt.Sprintf("time_received >= toDateTime64({from:Int64}, 3, 'UTC') AND time_received < toDateTime64({to:Int64} + %d, 3, 'UTC')", receptionWindow)
		return []reading{q.spread(columns, received+" AND "+where, step)}
	}
	const fromTime, toTime = "toDateTime({from:Int64}, 'UTC')", "toDateTime({to:Int64}, 'UTC')"
	var all []reading
	switch c := q.choice; {
	case c.hoursFrom < c.hoursTo:
		first, last := fmt.Sprintf("toDateTime(%d, 'UTC')", c.hoursFrom), fmt.Sprintf("toDateTime(%d, 'UTC')", c.hoursTo)
		all = q.hours(hours, minutes, first, last, where)
		if c.minutesToo() {
			all = append(all, q.rolled(minutes, "(time >= "+fromTime+" AND time < "+first+" OR time >= "+last+" AND time < "+toTime+")", where))
		}
	case c.table == "flows_1h":
		all = q.hours(hours, minutes, fromTime, toTime, where)
	default:
		all = append(all, q.rolled(minutes, "time >= "+fromTime+" AND time < "+toTime, where))
	}
	if waiting := q.seam.where(q); waiting != "" {
		all = append(all, q.spread(columns, waiting+" AND "+where, fmt.Sprintf("toInt64(%d)", q.choice.bucket()*1000)))
	}
	return all
}

// rolled returns a reading of one of the rollups.
func (q *query) rolled(table, times, where string) reading {
	return reading{q.source(table), "toInt64(toUnixTimestamp(time))", times + " AND " + where}
}

// spread returns a reading of flows in buckets of step, milliseconds in SQL.
func (q *query) spread(columns []string, where, step string) reading {
	from, to := fmt.Sprintf("toInt64(%d)", q.choice.from*1000), fmt.Sprintf("toInt64(%d)", q.choice.to*1000)
	return reading{"(" + spreadSQL(q.source("flows"), strings.Join(columns, ", "), where, from, to, step) + ")", "at", "1"}
}

// rows returns a query of what is selected: the columns, at, bytes, packets, flows,
// bytes_sq and sampling_rate.
func (q *query) rows(columns []string) string {
	selected := strings.Join(q.needed(columns), ", ")
	var parts []string
	for _, r := range q.readings(columns) {
		parts = append(parts, fmt.Sprintf("SELECT %s, %s AS at, bytes, packets, flows, bytes_sq FROM %s WHERE %s", selected, r.at, r.from, r.where))
	}
	return strings.Join(parts, "\nUNION ALL\n")
}

// estimated returns rows with what they tell of the wire.
func (q *query) estimated(columns []string) string {
	rows := q.rows(columns)
	if q.calibrated {
		rows = fmt.Sprintf("SELECT *, intDiv(at, %[1]d) * %[1]d AS factor_time FROM (%[2]s)", q.factorBucket(), rows)
	}
	return q.scaled(columns, rows)
}

// scaled returns rows, or sums of them, with what they tell of the wire: octets,
// packets_estimated, flows, variance of octets, and the parts of octets and variance
// that are calibrated. All of it is linear in bytes, packets, flows and bytes_sq of
// one sampling rate and one factor, which holds from factor_time on.
//
// A sampled packet of s octets stands for N·s with the variance N(N−1)·s² (each
// packet is taken with the probability 1/N). bytes_sq, the sum of bytes²/packets
// over flows, stands for the sum of s² over packets. Calibrated, a packet has l
// octets of layer 2 more, and (s+l)² is s² + 2·l·s + l².
func (q *query) scaled(columns []string, rows string) string {
	selected := strings.Join(columns, ", ")
	switch {
	case q.Scale == ScaleRaw:
		return fmt.Sprintf(`SELECT %s, toFloat64(bytes) AS octets, toFloat64(packets) AS packets_estimated, flows,
    toFloat64(0) AS variance, toFloat64(0) AS octets_calibrated, toFloat64(0) AS variance_calibrated FROM (%s)`, selected, rows)
	case !q.calibrated:
		return fmt.Sprintf(`SELECT %s, toFloat64(bytes) * sampling_rate AS octets, toFloat64(packets) * sampling_rate AS packets_estimated, flows,
    bytes_sq * sampling_rate * (sampling_rate - 1) AS variance, toFloat64(0) AS octets_calibrated, toFloat64(0) AS variance_calibrated FROM (%s)`, selected, rows)
	}
	return fmt.Sprintf(`SELECT %s, (bytes + packets * add_to_packet) * sampling_rate * if(scale_by > 0, scale_by, 1) AS octets, packets * sampling_rate * if(scale_by > 0, scale_by, 1) AS packets_estimated, flows,
    (bytes_sq + add_to_packet * (2. * bytes + packets * add_to_packet)) * sampling_rate * (sampling_rate - 1) * if(scale_by > 0, scale_by * scale_by, 1) AS variance,
    if(scale_by > 0, octets, 0) AS octets_calibrated, if(scale_by > 0, variance, 0) AS variance_calibrated
FROM (%s) AS part LEFT JOIN (%s) AS factors
ON part.exporter_addr = factors.factor_exporter AND part.%s = factors.factor_interface AND part.factor_time = factors.factor_at`,
		selected, rows, q.factors(), q.interfaceColumn())
}

// limited bounds what a query for a page may cost.
func limited(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_execution_time": 30, "max_result_rows": 1_000_000, "result_overflow_mode": "throw",
		"max_memory_usage": 4 << 30, "max_bytes_before_external_group_by": 2 << 30,
	}))
}

// ask runs a query, and scan on each of its rows.
func (s *Store) ask(ctx context.Context, q *query, text string, scan func(rows driver.Rows) error) error {
	ctx = clickhouse.Context(limited(ctx), clickhouse.WithParameters(q.parameters))
	rows, err := s.conn.Query(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// shown returns a query with its parameters filled in, for people who want to run
// it themselves.
func (q *query) shown(text string) string {
	var pairs []string
	for name, value := range q.parameters {
		literal := value
		switch q.types[name] {
		case "Int64":
			literal = "toInt64(" + value + ")"
		case "String":
			literal = "'" + strings.ReplaceAll(value, "'", `\'`) + "'" // escaped like a literal already
		case "IPv6":
			literal = "toIPv6(" + quoted(value) + ")"
		}
		pairs = append(pairs, "{"+name+":"+q.types[name]+"}", literal)
	}
	return strings.NewReplacer(pairs...).Replace(strings.TrimSpace(text))
}

// tables names what the rows come from.
func (q *query) tables() string {
	columns := q.needed(q.columns)
	switch {
	case q.choice.table == "flows":
		return "flows"
	case q.choice.hoursFrom < q.choice.hoursTo && q.choice.minutesToo():
		return q.narrowest("flows_1h", columns) + ", " + q.narrowest("flows_1m", columns)
	case q.choice.hoursFrom < q.choice.hoursTo:
		return q.narrowest("flows_1h", columns)
	}
	return q.narrowest(q.choice.table, columns)
}

// answer makes the common part of an answer.
func (q *query) answer(text string, rowsRead uint64, octets, calibrated float64) Answer {
	a := Answer{From: q.choice.from, To: q.choice.to, Scale: ScaleUsed{Applied: q.Scale},
		Meta: QueryMeta{Table: q.tables(), RowsRead: rowsRead, ElapsedMs: time.Since(q.started).Milliseconds(), SQL: q.shown(text)}}
	if octets > 0 {
		a.Scale.Coverage = calibrated / octets
	}
	switch {
	case q.Scale == ScaleRaw:
		a.Scale.Note = "As exported: sampled traffic is not scaled up."
	case q.Scale == ScaleSampled:
		a.Scale.Note = "Multiplied by the sampling rate of each flow."
	case a.Scale.Coverage == 0:
		a.Scale.Applied = ScaleSampled
		a.Scale.Note = "Multiplied by the sampling rate of each flow; no SNMP counters cover this."
	default:
		a.Scale.Note = fmt.Sprintf("Calibrated by SNMP counters for %.0f %% of the traffic; the rest is multiplied by its sampling rate.", 100*a.Scale.Coverage)
	}
	return a
}

// escaped writes a text as a parameter of type String, which ClickHouse reads like a
// field of its TabSeparated format.
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`).Replace(text)
}
