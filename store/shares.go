package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Shares is traffic by the values of one dimension.
type Shares struct {
	Answer
	By    string     `json:"by"`
	Rows  []ShareRow `json:"rows"` // largest first; the last is everything else, if there is any
	Total ShareTotal `json:"total"`
}

// Rates is how much passed, per second.
type Rates struct {
	BitsPerSecond    float64 `json:"bits_per_second"`
	Error            float64 `json:"error"` // half width of the 95 % interval, bits per second
	PacketsPerSecond float64 `json:"packets_per_second"`
	FlowsPerSecond   float64 `json:"flows_per_second"`
}

// ShareRow is one value of the dimension.
type ShareRow struct {
	Value string `json:"value"`
	Name  string `json:"name"`
	Other bool   `json:"other"`
	Rates
	Share float64 `json:"share"` // of the total's octets
}

// ShareTotal is everything that is selected.
type ShareTotal struct {
	Rates
	Values uint64 `json:"values"` // different ones
}

// sums are what queries sum up, besides the rows that they read.
const sums = `sum(octets) AS octets_sum, sum(variance) AS variance_sum, sum(octets_calibrated) AS octets_calibrated_sum, sum(variance_calibrated) AS variance_calibrated_sum,
    sum(packets_estimated) AS packets_sum, sum(flows) AS flows_sum`

// sumNames are the names of sums and rows.
var sumNames = []string{"octets_sum", "variance_sum", "octets_calibrated_sum", "variance_calibrated_sum", "packets_sum", "flows_sum", "rows_read"}

// A sum is what a query has summed up.
type sum struct {
	estimate
	packets float64
	flows   uint64
	rows    uint64
}

// destinations returns where to scan sumNames to.
func (s *sum) destinations() []any {
	return []any{&s.octets, &s.variance, &s.octetsCalibrated, &s.varianceCalibrated, &s.packets, &s.flows, &s.rows}
}

// minus returns s without a part of it.
func (s sum) minus(o sum) sum {
	return sum{s.estimate.minus(o.estimate), max(0, s.packets-o.packets), s.flows - min(s.flows, o.flows), s.rows - min(s.rows, o.rows)}
}

func (s *sum) add(o sum) {
	s.estimate.add(o.estimate)
	s.packets += o.packets
	s.flows += o.flows
	s.rows += o.rows
}

// rates returns the sum per second, as part of a whole.
func (s *sum) rates(seconds int64, whole *sum, wholeIsKnown bool) Rates {
	n := float64(seconds)
	return Rates{s.octets * 8 / n, s.error(whole.estimate, wholeIsKnown) * 8 / n, s.packets / n, float64(s.flows) / n}
}

// Shares returns the largest values of a dimension, and how much they have of the
// total.
func (s *Store) Shares(ctx context.Context, selection Selection, by string, top int) (*Shares, error) {
	all, err := layers([]string{by})
	if err != nil {
		return nil, err
	}
	l := all[0]
	q, err := s.plan(ctx, selection, 0, l.columns)
	if err != nil {
		return nil, err
	}
	var answer *Shares
	err = s.steadily(ctx, q, func() error {
		answer = &Shares{By: by, Rows: []ShareRow{}}
		text := q.sharesSQL(l, s.database, top)
		var parts []sum
		var whole sum
		err := s.ask(ctx, q, text, func(rows driver.Rows) error {
			var row ShareRow
			var part sum
			destinations := append([]any{&row.Value, &row.Name}, part.destinations()...)
			if err := rows.Scan(append(append(destinations, whole.destinations()...), &answer.Total.Values)...); err != nil {
				return err
			}
			row.Value, row.Name = q.called(l, row.Value, row.Name)
			answer.Rows, parts = append(answer.Rows, row), append(parts, part)
			return nil
		})
		if err != nil {
			return err
		}
		answer.finish(q, text, parts, whole)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the shares of %s: %w", by, err)
	}
	return answer, nil
}

// sharesSQL asks for the largest groups, each beside the sums of all.
func (q *query) sharesSQL(l layer, database string, top int) string {
	selected, names := keys([]layer{l})
	value, name := l.expressions(database)
	var totals, plain []string
	for _, n := range sumNames {
		totals = append(totals, "sum("+n+") OVER () AS all_"+n)
		plain = append(plain, "all_"+n)
	}
	return fmt.Sprintf(`SELECT %s AS value, %s AS name, %s, %s, groups FROM (
    SELECT *, %s, count() OVER () AS groups FROM (
        SELECT %s, %s, count() AS rows_read FROM (%s) GROUP BY %s
    ) ORDER BY octets_sum DESC, %[9]s LIMIT %[10]d
) ORDER BY octets_sum DESC, %[9]s`, value, name, strings.Join(sumNames, ", "), strings.Join(plain, ", "), strings.Join(totals, ", "),
		selected, sums, q.estimated(l.columns), names, top)
}

// finish turns sums into rates and adds the row of everything else.
func (a *Shares) finish(q *query, text string, parts []sum, whole sum) {
	known := q.wholeIsKnown()
	seconds := q.choice.to - q.choice.from
	var named sum
	for _, p := range parts {
		named.add(p)
	}
	if int(a.Total.Values) > len(parts) {
		a.Rows, parts = append(a.Rows, ShareRow{Other: true}), append(parts, whole.minus(named))
	}
	for i := range a.Rows {
		a.Rows[i].Rates = parts[i].rates(seconds, &whole, known)
		if whole.octets > 0 {
			a.Rows[i].Share = parts[i].octets / whole.octets
		}
	}
	a.Total.Rates = whole.rates(seconds, &whole, known)
	a.Answer = q.answer(text, whole.rows, whole.octets, whole.octetsCalibrated)
}
