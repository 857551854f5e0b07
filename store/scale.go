package store

import (
	"context"
	"fmt"
	"math"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// calibrationBucket is the length of the buckets of table calibration, in seconds.
const calibrationBucket = 300

// calibrates selects the rows of table calibration that ScaleAuto applies.
const calibrates = "status IN ('applied', 'amber')"

// interfaceColumn is the interface whose counters calibrate.
func (q *query) interfaceColumn() string { return q.Direction + "_if" }

// factorBucket is the time for which one factor holds: a bucket of calibration,
// or of the table where that is longer.
func (q *query) factorBucket() int64 {
	if q.choice.hoursFrom < q.choice.hoursTo {
		return hour
	}
	return max(calibrationBucket, q.choice.bucket())
}

// factorsWhere selects the rows of calibration that the scale applies.
func (q *query) factorsWhere() string {
	where := fmt.Sprintf("direction = '%s' AND bucket >= toDateTime({from:Int64} - %d, 'UTC') AND bucket < toDateTime({to:Int64}, 'UTC') AND factor > 0", q.Direction, q.factorBucket())
	if q.Scale == ScaleAuto {
		where += " AND " + calibrates
	}
	return where
}

// factors returns a query of the factor of each interface and time, and of the octets
// of layer 2 that it adds to a packet before: what is counted of small packets is
// more of that. Over several buckets of calibration both are means, weighted by what
// they are applied to.
func (q *query) factors() string {
	return fmt.Sprintf(`SELECT exporter_addr AS factor_exporter, if_index AS factor_interface, intDiv(toInt64(toUnixTimestamp(bucket)), %[1]d) * %[1]d AS factor_at,
    if(sum(flow_octets) > 0, sum(factor * flow_octets) / sum(flow_octets + flow_overhead), avg(factor)) AS scale_by,
    if(sum(flow_octets) > 0, sum(packet_overhead * flow_octets) / sum(flow_octets), avg(packet_overhead)) AS add_to_packet
FROM %[3]s WHERE %[2]s GROUP BY factor_exporter, factor_interface, factor_at`, q.factorBucket(), q.factorsWhere(), q.calibrationSource())
}

// calibrationSource returns what to read the factors from.
func (q *query) calibrationSource() string {
	if q.today == nil {
		return "calibration FINAL"
	}
	return q.source("calibration")
}

// hasFactors reports whether there is anything to calibrate with. Without, the
// join is spared.
func (s *Store) hasFactors(ctx context.Context, q *query) (bool, error) {
	var n uint64
	ctx = clickhouse.Context(limited(ctx), clickhouse.WithParameters(q.parameters))
	if err := s.conn.QueryRow(ctx, "SELECT count() FROM (SELECT 1 FROM calibration WHERE "+q.factorsWhere()+" LIMIT 1)").Scan(&n); err != nil {
		return false, fmt.Errorf("look for calibration: %w", err)
	}
	return n > 0, nil
}

// An estimate is a sum of octets with what its error follows from.
type estimate struct {
	octets, variance                     float64
	octetsCalibrated, varianceCalibrated float64
}

func (e *estimate) add(o estimate) {
	e.octets += o.octets
	e.variance += o.variance
	e.octetsCalibrated += o.octetsCalibrated
	e.varianceCalibrated += o.varianceCalibrated
}

// minus returns e without a part of it. Rounding makes nothing negative.
func (e estimate) minus(o estimate) estimate {
	return estimate{max(0, e.octets-o.octets), max(0, e.variance-o.variance),
		max(0, e.octetsCalibrated-o.octetsCalibrated), max(0, e.varianceCalibrated-o.varianceCalibrated)}
}

// confidence is the number of standard errors that hold in 95 % of the cases.
const confidence = 1.96

// error returns the half width of the 95 % interval in octets, as part of a whole.
//
// What is not calibrated has the standard error √variance. Of what is, the whole
// is known from counters and only the share p is estimated, whose standard error
// is √(q(1−2p) + p²Q)/B with q and Q the sums of squares of the part and the
// whole: multiplied by the whole it is √(q(1−2p) + p²Q) in the units here. A whole
// that a filter has cut is not known from counters; then the share counts as
// small, which is the larger error.
func (e estimate) error(whole estimate, wholeIsKnown bool) float64 {
	q, p := e.varianceCalibrated, 0.0
	if wholeIsKnown && whole.octetsCalibrated > 0 {
		p = min(1, e.octetsCalibrated/whole.octetsCalibrated)
	}
	calibrated := max(0, q*(1-2*p)+p*p*whole.varianceCalibrated)
	if p == 0 {
		calibrated = q
	}
	return confidence * math.Sqrt(max(0, e.variance-e.varianceCalibrated)+calibrated)
}

// wholeIsKnown reports whether what is selected is all traffic of interfaces.
func (q *query) wholeIsKnown() bool {
	for _, c := range q.Filter.Columns() {
		if c != "exporter_addr" && c != q.interfaceColumn() && c != "collector" {
			return false
		}
	}
	return true
}
