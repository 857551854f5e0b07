package snmp

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/snmp/calibration"
	"github.com/nfstats/nfstats/store"
)

// A Calibrator fills table calibration: every bucket for which there are SNMP
// counters, provisionally as soon as it is over, finally when no more of its
// flows are expected.
type Calibrator struct {
	store         *store.Store
	activeTimeout time.Duration
	logger        *zap.Logger
}

const (
	// calibrateInterval is the time between two runs.
	calibrateInterval = 30 * time.Second
	// finalAfter is how long after its flows' active timeout a bucket is final.
	finalAfter = 30 * time.Second
	// calibrateWithin is how old buckets may be that are calibrated late.
	calibrateWithin = 48 * time.Hour
	// chunk is how much is calibrated at once, which bounds memory.
	chunk = time.Hour
	// readingsAround is how far outside of a bucket readings may lie.
	readingsAround = 20 * time.Minute
	bucketLength   = calibration.BucketSeconds * time.Second
)

// NewCalibrator makes a calibrator; activeTimeout is the exporters' longest.
func NewCalibrator(s *store.Store, activeTimeout time.Duration, logger *zap.Logger) *Calibrator {
	return &Calibrator{store: s, activeTimeout: activeTimeout, logger: logger}
}

// Run calibrates until ctx ends.
func (c *Calibrator) Run(ctx context.Context) error {
	var last string
	for {
		switch err := c.CatchUp(ctx, time.Now()); {
		case err == nil:
			last = ""
		case ctx.Err() == nil && err.Error() != last:
			c.logger.Warn("calibration lags behind", zap.Error(err))
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(calibrateInterval):
		}
	}
}

// CatchUp calibrates every bucket that is over at a time and not final.
func (c *Calibrator) CatchUp(ctx context.Context, now time.Time) error {
	rolled, err := c.store.RolledTo(ctx)
	if err != nil {
		return err
	}
	if rolled.Unix() <= 0 || rolled.After(now) { // no live flows: nothing to wait for
		rolled = now
	}
	final := rolled.Add(-c.activeTimeout - finalAfter)
	buckets, err := c.store.UncalibratedBuckets(ctx, now.Add(-calibrateWithin))
	if err != nil {
		return err
	}
	buckets = slices.DeleteFunc(buckets, func(b int64) bool { return time.Unix(b, 0).Add(bucketLength).After(now) })
	ids, err := c.store.Identities(ctx)
	if err != nil {
		return err
	}
	for len(buckets) > 0 && ctx.Err() == nil {
		end := buckets[0] + int64(chunk/time.Second)
		for _, change := range ids.Changes() { // within a piece an ifIndex is one interface
			if change > buckets[0] {
				end = min(end, change)
			}
		}
		n, _ := slices.BinarySearch(buckets, end)
		if err := c.calibrate(ctx, buckets[:n], final, ids); err != nil {
			return fmt.Errorf("calibrate from %s: %w", time.Unix(buckets[0], 0).UTC().Format("2006-01-02 15:04"), err)
		}
		buckets = buckets[n:]
	}
	return ctx.Err()
}

// calibrate calibrates some buckets, which are in order; those that end before
// final are final. Counters, flows and what is written have the ifIndexes of then;
// what is known of interfaces, and their history, those of today. The counters,
// which are by far the most, are taken interface by interface as they are read.
func (c *Calibrator) calibrate(ctx context.Context, buckets []int64, final time.Time, ids *store.Identities) error {
	from, to := time.Unix(buckets[0], 0), time.Unix(buckets[len(buckets)-1], 0).Add(bucketLength)
	known, err := c.known(ctx)
	if err != nil {
		return err
	}
	flows, err := c.flows(ctx, from, to)
	if err != nil {
		return err
	}
	history := map[store.Way][]calibration.Sample{}
	err = c.store.EachCalibration(ctx, store.CalibrationQuery{From: from.Add(-calibration.HistoryBuckets * bucketLength), To: from}, func(row store.CalibrationRow) {
		history[row.Way] = append(history[row.Way], SampleOf(row))
	})
	if err != nil {
		return err
	}
	var rows []store.CalibrationRow
	one := func(counters []store.Counter) { // of one interface
		way := store.Way{Exporter: counters[0].Exporter, IfIndex: counters[0].IfIndex}
		today := store.Way{Exporter: way.Exporter, IfIndex: ids.Current(way.Exporter, way.IfIndex, buckets[0])}
		i, ok := known[today]
		if !ok {
			i = store.Interface{Edit: store.Unedited}
		}
		intervals := calibration.Deltas(ReadingsOf(counters), i.Speed)
		for _, direction := range []string{"in", "out"} {
			way.Direction, today.Direction = direction, direction
			rows = append(rows, calibrateWay(way, i, intervals, flows[way], history[today], buckets, final)...)
		}
	}
	var counters []store.Counter
	err = c.store.EachCounter(ctx, netip.Addr{}, from.Add(-readingsAround), to.Add(readingsAround), func(next store.Counter) {
		if len(counters) > 0 && (counters[0].Exporter != next.Exporter || counters[0].IfIndex != next.IfIndex) {
			one(counters)
			counters = counters[:0]
		}
		counters = append(counters, next)
	})
	if err != nil {
		return err
	}
	if len(counters) > 0 {
		one(counters)
	}
	return c.store.InsertCalibration(ctx, rows)
}

// known returns the interfaces by ways without direction.
func (c *Calibrator) known(ctx context.Context) (map[store.Way]store.Interface, error) {
	interfaces, err := c.store.Interfaces(ctx, netip.Addr{})
	known := map[store.Way]store.Interface{}
	for _, i := range interfaces {
		known[store.Way{Exporter: i.Exporter, IfIndex: i.IfIndex}] = i
	}
	return known, err
}

// flows returns what flows say of each way, by bucket.
func (c *Calibrator) flows(ctx context.Context, from, to time.Time) (map[store.Way]map[int64]store.FlowSum, error) {
	sums, err := c.store.FlowSums(ctx, from, to)
	flows := map[store.Way]map[int64]store.FlowSum{}
	for _, sum := range sums {
		if flows[sum.Way] == nil {
			flows[sum.Way] = map[int64]store.FlowSum{}
		}
		flows[sum.Way][sum.Bucket] = sum
	}
	return flows, err
}

// calibrateWay calibrates some buckets of an interface in one direction.
func calibrateWay(way store.Way, i store.Interface, intervals []calibration.Interval, flows map[int64]store.FlowSum, samples []calibration.Sample, buckets []int64, final time.Time) []store.CalibrationRow {
	options := calibration.Options{Force: i.Edit.Force, Unsampled: i.Edit.Sampled == 0}
	overhead := float64(Overhead(i))
	bits32 := slices.ContainsFunc(intervals, func(i calibration.Interval) bool { return i.Bits32 })
	var rows []store.CalibrationRow
	for _, bucket := range buckets {
		f := flows[bucket]
		s := calibration.Sample{Bucket: bucket, SNMP: -1, Flow: f.Octets + overhead*f.Packets, Egress: f.Egress + overhead*f.EgressPackets,
			Packets: f.Sampled, Rate: f.Rate, Bits32: bits32, Final: !time.Unix(bucket, 0).Add(bucketLength).After(final)}
		if in, out, ok := calibration.Octets(intervals, 1000*bucket, 1000*(bucket+calibration.BucketSeconds)); ok {
			s.SNMP = in
			if way.Direction == "out" {
				s.SNMP = out
			}
		}
		if s.SNMP < 0 && !s.Final {
			continue // the reading after it has yet to come
		}
		samples = append(samples, s)
		r := calibration.Calibrate(samples, options)
		// The factor kept is that of the octets of flows, without layer 2; the product is what SNMP counts.
		whole := 1.0
		if f.Octets > 0 {
			whole = s.Flow / f.Octets
		}
		rows = append(rows, store.CalibrationRow{Way: way, Bucket: bucket, SNMPOctets: s.SNMP, FlowOctets: f.Octets, FlowOverhead: s.Flow - f.Octets, PerPacket: overhead, FlowEgress: s.Egress,
			FlowPackets: s.Packets, SamplingRate: s.Rate, Coverage: r.Coverage, FactorRaw: r.FactorRaw * whole, Factor: r.Factor * whole,
			Status: string(r.Status), Reason: r.Reason, Final: s.Final})
	}
	return rows
}

// ReadingsOf returns the readings of rows of table if_counters of one interface.
func ReadingsOf(counters []store.Counter) []calibration.Reading {
	readings := make([]calibration.Reading, 0, len(counters))
	for _, c := range counters {
		readings = append(readings, calibration.Reading{AtMs: c.AtMs, UptimeMs: c.UptimeMs, InOctets: c.InOctets, OutOctets: c.OutOctets,
			InPackets: c.InPackets, OutPackets: c.OutPackets, Name: c.IfName, Discontinuity: c.Discontinuity, CounterBits: c.Bits})
	}
	return readings
}

// SampleOf returns the sample that a row of table calibration was made of.
func SampleOf(r store.CalibrationRow) calibration.Sample {
	return calibration.Sample{Bucket: r.Bucket, SNMP: r.SNMPOctets, Flow: r.FlowOctets + r.FlowOverhead, Egress: r.FlowEgress, Packets: r.FlowPackets, Rate: r.SamplingRate, Final: r.Final}
}

// Overhead returns the octets of layer 2 that an interface's counters add to a
// packet: what the operator says, else by ifType (IANA) that of Ethernet with its
// frame check sequence, 18, with a tag 22, and 0 where layer 3 is counted.
func Overhead(i store.Interface) int32 {
	const (
		ethernet, fastEthernet, fastEthernetFX, gigabit, lag = 6, 62, 69, 117, 161
		vlan                                                 = 135 // l2vlan
		unknown                                              = 0
	)
	if i.Edit.Overhead >= 0 {
		return i.Edit.Overhead
	}
	switch i.Type {
	case ethernet, fastEthernet, fastEthernetFX, gigabit, lag, unknown:
		return 18
	case vlan:
		return 22
	}
	return 0
}
