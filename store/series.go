package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Series is traffic over time, split by one dimension. Point i covers Step
// seconds from From + i·Step.
type Series struct {
	Answer
	Step             int64       `json:"step"` // seconds
	By               string      `json:"by"`
	Rows             []SeriesRow `json:"rows"` // largest first; the last is everything else, if there is any
	FlowsPerSecond   []float64   `json:"flows_per_second"`
	PacketsPerSecond []float64   `json:"packets_per_second"`
	Total            SeriesTotal `json:"total"`
	ProvisionalFrom  int64       `json:"provisional_from"` // Unix seconds: flows of after that are still coming in
}

// SeriesRow is one value of the dimension.
type SeriesRow struct {
	Value         string    `json:"value"`
	Name          string    `json:"name"`
	Other         bool      `json:"other"`
	BitsPerSecond []float64 `json:"bits_per_second"`
	Error         []float64 `json:"error"` // half width of the 95 % interval, bits per second
}

// SeriesTotal is everything that is selected.
type SeriesTotal struct {
	BitsPerSecond float64 `json:"bits_per_second"` // mean
	Error         float64 `json:"error"`
	Percentile95  float64 `json:"percentile_95"` // of the points; 95 % of them are not above it
}

// provisionalAge is how old traffic is before its flows are as good as all in:
// most routers export long flows after a minute or less, all do after half an hour.
const provisionalAge = 2 * time.Minute

// Series returns traffic over time of the largest values of a dimension.
func (s *Store) Series(ctx context.Context, selection Selection, by string, top, points int) (*Series, error) {
	all, err := layers([]string{by})
	if err != nil {
		return nil, err
	}
	l := all[0]
	q, err := s.plan(ctx, selection, points, l.columns)
	if err != nil {
		return nil, err
	}
	var answer *Series
	err = s.steadily(ctx, q, func() error {
		m := seriesMaker{query: q, layer: l, points: int((q.choice.to - q.choice.from) / q.choice.step), rows: map[string]*seriesSums{}}
		largest, err := s.largest(ctx, q.total(), all, top)
		if err != nil {
			return err
		}
		text := q.seriesSQL(l, s.database, largest[0])
		if err := s.ask(ctx, q, text, m.scan); err != nil {
			return err
		}
		answer = m.finish(by, text)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read traffic by %s: %w", by, err)
	}
	return answer, nil
}

// total returns the same question for one total.
func (q *query) total() *query {
	t := newQuery(q.Selection, q.choice.total())
	t.calibrated, t.seam = q.calibrated, q.seam
	t.minuteFrom = q.minuteFrom
	t.follow(q.identities)
	return t
}

// seriesSQL asks for the sums of each point and largest group; all others are one
// group.
func (q *query) seriesSQL(l layer, database string, largest []string) string {
	value, name := l.expressions(database)
	point := fold{first: []term{{"intDiv({at} - {from:Int64}, {step:Int64})", "point"}}, second: itself("point")}
	return fmt.Sprintf(`SELECT toUInt32(point), named_0, if(named_0, %s, ''), if(named_0, %s, ''),
    %s
FROM (
%s
) ORDER BY point`, value, name, strings.Join(sumNames, ", "), q.folded(folds([]fold{point, l.fold(0, largest)}), l.columns))
}

// A seriesMaker gathers the points.
type seriesMaker struct {
	query  *query
	layer  layer
	points int
	rows   map[string]*seriesSums // by value; "\x00" is all others
}

type seriesSums struct {
	value, name string
	other       bool
	total       sum
	points      []sum
}

func (m *seriesMaker) scan(rows driver.Rows) error {
	var point uint32
	var named uint8
	var value, name string
	var part sum
	if err := rows.Scan(append([]any{&point, &named, &value, &name}, part.destinations()...)...); err != nil {
		return err
	}
	if int(point) >= m.points {
		return nil
	}
	key := value
	if named == 0 {
		key, name = "\x00", ""
	}
	row := m.rows[key]
	if row == nil {
		shown, called := m.query.called(m.layer, value, name)
		row = &seriesSums{value: shown, name: called, other: named == 0, points: make([]sum, m.points)}
		m.rows[key] = row
	}
	row.points[point].add(part)
	row.total.add(part)
	return nil
}

func (m *seriesMaker) finish(by, text string) *Series {
	q := m.query
	rows := make([]*seriesSums, 0, len(m.rows))
	var whole sum
	wholes := make([]sum, m.points)
	for _, row := range m.rows {
		rows = append(rows, row)
		whole.add(row.total)
		for i, p := range row.points {
			wholes[i].add(p)
		}
	}
	slices.SortFunc(rows, func(a, b *seriesSums) int {
		if a.other != b.other {
			return map[bool]int{true: 1, false: -1}[a.other]
		}
		return cmp.Or(cmp.Compare(b.total.octets, a.total.octets), cmp.Compare(a.value, b.value))
	})
	known := q.wholeIsKnown()
	answer := &Series{Step: q.choice.step, By: by, Rows: []SeriesRow{}, FlowsPerSecond: make([]float64, m.points), PacketsPerSecond: make([]float64, m.points)}
	for _, row := range rows {
		r := SeriesRow{Value: row.value, Name: row.name, Other: row.other, BitsPerSecond: make([]float64, m.points), Error: make([]float64, m.points)}
		for i := range row.points {
			rates := row.points[i].rates(q.choice.step, &wholes[i], known)
			r.BitsPerSecond[i], r.Error[i] = rates.BitsPerSecond, rates.Error
		}
		answer.Rows = append(answer.Rows, r)
	}
	totals := make([]float64, m.points)
	for i := range wholes {
		rates := wholes[i].rates(q.choice.step, &wholes[i], known)
		totals[i], answer.PacketsPerSecond[i], answer.FlowsPerSecond[i] = rates.BitsPerSecond, rates.PacketsPerSecond, rates.FlowsPerSecond
	}
	mean := whole.rates(q.choice.to-q.choice.from, &whole, known)
	answer.Total = SeriesTotal{mean.BitsPerSecond, mean.Error, percentile95(totals)}
	answer.Answer = q.answer(text, whole.rows, whole.octets, whole.octetsCalibrated)
	answer.ProvisionalFrom = min(answer.To, time.Now().Add(-provisionalAge).Unix())
	return answer
}

// percentile95 returns the value of the nearest rank: the ⌈0.95·n⌉-th smallest,
// as transit is billed.
func percentile95(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(math.Ceil(0.95*float64(len(sorted))))-1]
}
