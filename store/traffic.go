package store

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// TrafficQuery asks for traffic over time, split by one dimension.
type TrafficQuery struct {
	From, To time.Time // half open: From is in, To is not
	By       string    // a key of trafficDimensions
	Top      int       // how many values have a row of their own
	Points   int       // at most so many
}

// trafficDimensions are the columns that traffic can be split by, with the
// expression of their note (what the value is called).
var trafficDimensions = map[string]struct{ value, name string }{
	"src_as":   {"toString(src_as)", "any(src_as_name)"},
	"dst_as":   {"toString(dst_as)", "any(dst_as_name)"},
	"exporter": {"replaceOne(toString(exporter_addr), '::ffff:', '')", "any(exporter_name)"},
	"proto":    {"toString(proto)", "''"},
}

// Validate reports what cannot be asked.
func (q TrafficQuery) Validate() error {
	if _, ok := trafficDimensions[q.By]; !ok {
		return fmt.Errorf("traffic cannot be split by %q", q.By)
	}
	if !q.From.Before(q.To) {
		return fmt.Errorf("the time range is empty")
	}
	return nil
}

// Traffic is traffic over time. Point i covers Step seconds from From + i·Step.
type Traffic struct {
	From int64        `json:"from"` // Unix seconds, aligned to Step
	To   int64        `json:"to"`   // Unix seconds, aligned to Step
	Step int64        `json:"step"` // seconds
	By   string       `json:"by"`
	Rows []TrafficRow `json:"rows"` // largest first; the last is everything else

	FlowsPerSecond   []float64 `json:"flows_per_second"`
	PacketsPerSecond []float64 `json:"packets_per_second"` // scaled by the sampling rate

	Meta QueryMeta `json:"meta"`
}

// TrafficRow is one value of the dimension.
type TrafficRow struct {
	Value         string    `json:"value"`
	Name          string    `json:"name"`
	Other         bool      `json:"other"`
	BitsPerSecond []float64 `json:"bits_per_second"` // octets·8·sampling rate / Step
}

// Traffic returns traffic over time, each flow booked at the time of its
// reception, scaled by the sampling rate that was in force.
func (s *Store) Traffic(ctx context.Context, q TrafficQuery) (*Traffic, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	started := time.Now()
	step := stepFor(q.From.Unix(), q.To.Unix(), q.Points)
	t := &Traffic{From: floorTo(q.From.Unix(), step), To: floorTo(q.To.Unix()+step-1, step), Step: step, By: q.By, Rows: []TrafficRow{}, Meta: QueryMeta{Table: "flows"}}
	n := int((t.To - t.From) / step)
	t.FlowsPerSecond, t.PacketsPerSecond = make([]float64, n), make([]float64, n)
	dimension := trafficDimensions[q.By]
	// The inner query sums once for each point and value, the outer ranks.
	query := fmt.Sprintf(`
WITH points AS (
    SELECT intDiv(toUnixTimestamp(time_received) - {from:Int64}, {step:Int64}) AS point, %s AS value, %s AS name,
        sum(bytes_scaled) AS octets, sum(packets_scaled) AS packets, count() AS flows
    FROM flows
    WHERE time_received >= fromUnixTimestamp64Milli({from:Int64} * 1000) AND time_received < fromUnixTimestamp64Milli({to:Int64} * 1000)
    GROUP BY point, value
), largest AS (SELECT value FROM points GROUP BY value ORDER BY sum(octets) DESC, value LIMIT {top:UInt32})
SELECT toUInt32(point), value IN largest AS named, if(named, value, '') AS shown, any(name), sum(octets), sum(packets), sum(flows)
FROM points GROUP BY point, named, shown`, dimension.value, dimension.name)
	ctx = clickhouse.Context(limited(ctx), clickhouse.WithParameters(clickhouse.Parameters{
		"from": fmt.Sprint(t.From), "to": fmt.Sprint(t.To), "step": fmt.Sprint(step), "top": fmt.Sprint(q.Top),
	}))
	rows, err := s.conn.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read traffic: %w", err)
	}
	defer rows.Close()
	index := map[string]int{}
	for rows.Next() {
		var point uint32
		var named uint8
		var value, name string
		var octets, packets, flows uint64
		if err := rows.Scan(&point, &named, &value, &name, &octets, &packets, &flows); err != nil {
			return nil, fmt.Errorf("read traffic: %w", err)
		}
		if int(point) >= n {
			continue
		}
		key := value
		if named == 0 {
			key = "\x00other"
		}
		at, known := index[key]
		if !known {
			at = len(t.Rows)
			index[key] = at
			t.Rows = append(t.Rows, TrafficRow{Value: value, Name: name, Other: named == 0, BitsPerSecond: make([]float64, n)})
		}
		t.Rows[at].BitsPerSecond[point] = float64(octets) * 8 / float64(step)
		t.PacketsPerSecond[point] += float64(packets) / float64(step)
		t.FlowsPerSecond[point] += float64(flows) / float64(step)
		t.Meta.RowsRead += flows
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read traffic: %w", err)
	}
	slices.SortFunc(t.Rows, func(a, b TrafficRow) int {
		if a.Other != b.Other {
			return map[bool]int{true: 1, false: -1}[a.Other]
		}
		return cmp.Or(cmp.Compare(total(b.BitsPerSecond), total(a.BitsPerSecond)), cmp.Compare(a.Value, b.Value))
	})
	t.Meta.ElapsedMs = time.Since(started).Milliseconds()
	return t, nil
}

func total(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}

// Exporter is what the tables hold of one exporter in a time range.
type Exporter struct {
	Address   netip.Addr `json:"address"`
	Name      string     `json:"name"`
	FirstSeen int64      `json:"first_seen_ms"` // Unix milliseconds, 0 for none
	LastSeen  int64      `json:"last_seen_ms"`
	Flows     uint64     `json:"flows"`
	Octets    uint64     `json:"octets"` // scaled by the sampling rate
}

// Exporters returns who sent flows from from up to to.
func (s *Store) Exporters(ctx context.Context, from, to time.Time) ([]Exporter, error) {
	ctx = clickhouse.Context(limited(ctx), clickhouse.WithParameters(clickhouse.Parameters{
		"from": fmt.Sprint(from.UnixMilli()), "to": fmt.Sprint(to.UnixMilli()),
	}))
	rows, err := s.conn.Query(ctx, `SELECT exporter_addr, any(exporter_name),
    toUnixTimestamp64Milli(min(time_received)), toUnixTimestamp64Milli(max(time_received)), count(), sum(bytes_scaled)
FROM flows
WHERE time_received >= fromUnixTimestamp64Milli({from:Int64}) AND time_received < fromUnixTimestamp64Milli({to:Int64})
GROUP BY exporter_addr ORDER BY exporter_addr LIMIT 10000`)
	if err != nil {
		return nil, fmt.Errorf("read exporters: %w", err)
	}
	defer rows.Close()
	exporters := []Exporter{}
	for rows.Next() {
		var e Exporter
		if err := rows.Scan(&e.Address, &e.Name, &e.FirstSeen, &e.LastSeen, &e.Flows, &e.Octets); err != nil {
			return nil, fmt.Errorf("read exporters: %w", err)
		}
		e.Address = e.Address.Unmap()
		exporters = append(exporters, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read exporters: %w", err)
	}
	return exporters, nil
}
