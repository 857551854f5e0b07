package store

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Way is an interface in one direction.
type Way struct {
	Exporter  netip.Addr
	IfIndex   uint32
	Direction string // "in" or "out"
}

// CalibrationRow is a row of table calibration.
type CalibrationRow struct {
	Way
	Bucket       int64   // Unix seconds
	SNMPOctets   float64 // negative: not known
	FlowOctets   float64 // scaled by the sampling rate
	FlowOverhead float64 // octets of layer 2 that the counters have and flows do not
	PerPacket    float64 // octets of layer 2 of a packet, of which FlowOverhead are made
	FlowEgress   float64 // the part of both metered at egress
	FlowPackets  uint64  // sampled
	SamplingRate uint32  // behind most of FlowOctets
	Coverage     float64 // (FlowOctets + FlowOverhead) / SNMPOctets
	FactorRaw    float64 // SNMPOctets / FlowOctets
	Factor       float64 // smoothed; 0 if not known
	Status       string  // none, applied, amber or refused
	Reason       string
	Final        bool
}

// FlowSum is what flows say of a way in a bucket.
type FlowSum struct {
	Way
	Bucket        int64   // Unix seconds
	Octets        float64 // scaled by the sampling rate
	Packets       float64 // the same
	Egress        float64 // octets metered at egress
	EgressPackets float64
	Sampled       uint64 // packets, not scaled
	Rate          uint32 // behind most of Octets
}

// FlowSums sums flows into buckets of five minutes, from from up to to.
func (s *Store) FlowSums(ctx context.Context, from, to time.Time) ([]FlowSum, error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": 120}),
		clickhouse.WithParameters(clickhouse.Parameters{"from": strconv.FormatInt(from.Unix(), 10), "to": strconv.FormatInt(to.Unix(), 10)}))
	rows, err := s.conn.Query(ctx, `
SELECT bucket, exporter_addr, if_index, direction, sum(octets), sum(packets_scaled), sum(egress), sum(egress_packets), sum(sampled), argMax(sampling_rate, octets) FROM (
    SELECT toInt64(intDiv(toUnixTimestamp(time), 300) * 300) AS bucket, exporter_addr, if_index, direction, sampling_rate,
        sum(toFloat64(bytes)) * sampling_rate AS octets, sum(toFloat64(packets)) * sampling_rate AS packets_scaled,
        sumIf(toFloat64(bytes), flow_direction = 1) * sampling_rate AS egress, sumIf(toFloat64(packets), flow_direction = 1) * sampling_rate AS egress_packets, sum(packets) AS sampled
    FROM flows_1m ARRAY JOIN [in_if, out_if] AS if_index, ['in', 'out'] AS direction
    WHERE time >= toDateTime({from:Int64}, 'UTC') AND time < toDateTime({to:Int64}, 'UTC') AND if_index != 0
    GROUP BY bucket, exporter_addr, if_index, direction, sampling_rate
) GROUP BY bucket, exporter_addr, if_index, direction`)
	if err != nil {
		return nil, fmt.Errorf("sum flows of interfaces: %w", err)
	}
	defer rows.Close()
	var all []FlowSum
	for rows.Next() {
		var f FlowSum
		if err := rows.Scan(&f.Bucket, &f.Exporter, &f.IfIndex, &f.Direction, &f.Octets, &f.Packets, &f.Egress, &f.EgressPackets, &f.Sampled, &f.Rate); err != nil {
			return nil, fmt.Errorf("sum flows of interfaces: %w", err)
		}
		f.Exporter = f.Exporter.Unmap()
		all = append(all, f)
	}
	return all, rows.Err()
}

// CalibrationQuery selects rows of table calibration.
type CalibrationQuery struct {
	Exporter  netip.Addr // zero: all
	IfIndex   uint32     // 0: all
	Direction string     // "": both
	From, To  time.Time  // of buckets, half open
}

// Calibration returns the newest rows of the buckets, by way and time. The
// ifIndexes are those that the interfaces have today; interfaces that are gone, and
// whose ifIndex is another's, are left out.
func (s *Store) Calibration(ctx context.Context, q CalibrationQuery) (all []CalibrationRow, err error) {
	err = s.EachCalibration(ctx, q, func(r CalibrationRow) { all = append(all, r) })
	return all, err
}

// EachCalibration hands on what Calibration returns as it is read.
func (s *Store) EachCalibration(ctx context.Context, q CalibrationQuery, each func(CalibrationRow)) error {
	reading, selected, err := s.calibration(ctx, q)
	if err != nil {
		return err
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(reading.parameters), clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": 60}))
	rows, err := s.conn.Query(ctx, `
SELECT toInt64(toUnixTimestamp(bucket)), exporter_addr, if_index, toString(direction), snmp_octets, flow_octets, flow_overhead, toFloat64(packet_overhead), flow_egress, flow_packets, sampling_rate,
    coverage, factor_raw, factor, toString(status), toString(reason), final
FROM `+selected+` ORDER BY exporter_addr, if_index, direction, bucket`)
	if err != nil {
		return fmt.Errorf("read calibration: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r CalibrationRow
		var final uint8
		if err := rows.Scan(&r.Bucket, &r.Exporter, &r.IfIndex, &r.Direction, &r.SNMPOctets, &r.FlowOctets, &r.FlowOverhead, &r.PerPacket, &r.FlowEgress, &r.FlowPackets, &r.SamplingRate,
			&r.Coverage, &r.FactorRaw, &r.Factor, &r.Status, &r.Reason, &final); err != nil {
			return fmt.Errorf("read calibration: %w", err)
		}
		r.Exporter, r.Final = r.Exporter.Unmap(), final == 1
		each(r)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read calibration: %w", err)
	}
	return nil
}

// CalibrationSQL returns a query for people who want to run it themselves: of the
// curves of one interface, or of the newest bucket of all, final ones first.
func (s *Store) CalibrationSQL(ctx context.Context, q CalibrationQuery) (string, error) {
	reading, selected, err := s.calibration(ctx, q)
	if err != nil {
		return "", err
	}
	order := "ORDER BY direction, bucket"
	if q.IfIndex == 0 {
		order = "ORDER BY exporter_addr, if_index, direction, final DESC, bucket DESC LIMIT 1 BY exporter_addr, if_index, direction"
	}
	return reading.shown(fmt.Sprintf(`SELECT bucket, exporter_addr, if_index, direction, if(snmp_octets < 0, NULL, snmp_octets * 8 / %[1]d) AS snmp_bps,
    (flow_octets + flow_overhead) * 8 / %[1]d AS flows_bps,
    if(factor > 0 AND %[2]s, flow_octets * factor * 8 / %[1]d, flows_bps) AS calibrated_bps,
    coverage, factor, sampling_rate, status, reason, final
FROM %[3]s
%[4]s`, calibrationBucket, calibrates, selected, order)), nil
}

// calibration returns what to read a selection of table calibration from, as
// interfaces are numbered today, with its condition; the parameters are those of
// the query.
func (s *Store) calibration(ctx context.Context, q CalibrationQuery) (reading *query, selected string, err error) {
	ids, err := s.Identities(ctx)
	if err != nil {
		return nil, "", err
	}
	reading = newQuery(Selection{}, choice{from: q.From.Unix(), to: q.To.Unix()})
	reading.follow(ids)
	where := fmt.Sprintf("bucket >= toDateTime({from:Int64}, 'UTC') AND bucket < toDateTime({to:Int64}, 'UTC') AND if_index < %d", goneIfIndex)
	if q.Exporter.IsValid() {
		where += " AND exporter_addr = " + reading.bind("IPv6", netip.AddrFrom16(q.Exporter.As16()).String())
	}
	if q.IfIndex != 0 {
		where += fmt.Sprintf(" AND if_index = %d", q.IfIndex)
	}
	if q.Direction != "" {
		where += " AND direction = " + reading.bind("String", q.Direction)
	}
	return reading, reading.calibrationSource() + " WHERE " + where, nil
}

// InsertCalibration writes rows; a later one of the same bucket and way counts.
func (s *Store) InsertCalibration(ctx context.Context, all []CalibrationRow) error {
	if len(all) == 0 {
		return nil
	}
	batch, err := s.conn.PrepareBatch(ctx, `INSERT INTO calibration (bucket, exporter_addr, if_index, direction, snmp_octets, flow_octets, flow_overhead, packet_overhead, flow_egress, flow_packets,
sampling_rate, coverage, factor_raw, factor, status, reason, final)`)
	if err != nil {
		return fmt.Errorf("insert calibration: %w", err)
	}
	for _, r := range all {
		var final uint8
		if r.Final {
			final = 1
		}
		if err := batch.Append(time.Unix(r.Bucket, 0).UTC(), netip.AddrFrom16(r.Exporter.As16()), r.IfIndex, r.Direction, r.SNMPOctets, r.FlowOctets, r.FlowOverhead, float32(r.PerPacket), r.FlowEgress, r.FlowPackets,
			r.SamplingRate, r.Coverage, r.FactorRaw, r.Factor, r.Status, r.Reason, final); err != nil {
			return fmt.Errorf("insert calibration: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert %d rows of calibration: %w", len(all), err)
	}
	return nil
}

// UncalibratedBuckets returns the buckets since a time that have SNMP counters
// and no final calibration, in order.
func (s *Store) UncalibratedBuckets(ctx context.Context, since time.Time) ([]int64, error) {
	var buckets []int64
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"since": strconv.FormatInt(since.Unix(), 10)}))
	err := s.conn.QueryRow(ctx, `
SELECT arraySort(groupUniqArray(toInt64(intDiv(toUnixTimestamp64Milli(time), 300000) * 300))) FROM if_counters
WHERE time >= fromUnixTimestamp64Milli({since:Int64} * 1000)
    AND toDateTime(intDiv(toUnixTimestamp64Milli(time), 300000) * 300, 'UTC') NOT IN (SELECT bucket FROM calibration WHERE final = 1 AND bucket >= toDateTime({since:Int64}, 'UTC'))`).Scan(&buckets)
	if err != nil {
		return nil, fmt.Errorf("look for buckets to calibrate: %w", err)
	}
	return buckets, nil
}

// RolledTo returns the time up to which the live flows of every collector are
// rolled up, zero where there are none. A collector that is an hour behind is not
// waited for, unless all are.
func (s *Store) RolledTo(ctx context.Context) (time.Time, error) {
	var at time.Time
	const query = `SELECT if(countIf(rolled > now() - INTERVAL 1 HOUR) > 0, minIf(rolled, rolled > now() - INTERVAL 1 HOUR), max(rolled))
FROM (SELECT max(rolled_to) AS rolled FROM rollups WHERE source = '' GROUP BY collector)`
	if err := s.conn.QueryRow(ctx, query).Scan(&at); err != nil {
		return time.Time{}, fmt.Errorf("read how far flows are rolled up: %w", err)
	}
	return at, nil
}
