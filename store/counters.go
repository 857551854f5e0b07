package store

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Counter is a row of table if_counters: an interface's counters at one time.
type Counter struct {
	Exporter                netip.Addr
	IfIndex                 uint32
	IfName                  string // in the same answer: whose counters they are; "" if not told
	AtMs                    int64  // Unix milliseconds, our clock
	UptimeMs                uint64 // the agent's sysUpTime in the same answer
	InOctets, OutOctets     uint64
	InPackets, OutPackets   uint64
	InDiscards, OutDiscards uint64
	Discontinuity           uint32 // ifCounterDiscontinuityTime
	Bits                    uint8  // of the counters: 64 or 32
}

// InsertCounters writes readings.
func (s *Store) InsertCounters(ctx context.Context, counters []Counter) error {
	if len(counters) == 0 {
		return nil
	}
	batch, err := s.conn.PrepareBatch(ctx, `INSERT INTO if_counters (time, exporter_addr, if_index, if_name, uptime_ms, in_octets, out_octets,
in_packets, out_packets, in_discards, out_discards, discontinuity, counter_bits)`)
	if err != nil {
		return fmt.Errorf("insert SNMP counters: %w", err)
	}
	for _, c := range counters {
		if err := batch.Append(time.UnixMilli(c.AtMs).UTC(), netip.AddrFrom16(c.Exporter.As16()), c.IfIndex, c.IfName, c.UptimeMs, c.InOctets, c.OutOctets,
			c.InPackets, c.OutPackets, c.InDiscards, c.OutDiscards, c.Discontinuity, c.Bits); err != nil {
			return fmt.Errorf("insert SNMP counters: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert %d SNMP counters: %w", len(counters), err)
	}
	return nil
}

// Counters returns the readings from from up to to, by exporter, interface and
// time. The zero address stands for all exporters.
func (s *Store) Counters(ctx context.Context, exporter netip.Addr, from, to time.Time) (all []Counter, err error) {
	err = s.EachCounter(ctx, exporter, from, to, func(c Counter) { all = append(all, c) })
	return all, err
}

// EachCounter hands on what Counters returns as it is read: of thousands of interfaces
// that is a lot.
func (s *Store) EachCounter(ctx context.Context, exporter netip.Addr, from, to time.Time, each func(Counter)) error {
	where, parameters := "", clickhouse.Parameters{"from": fmt.Sprint(from.UnixMilli()), "to": fmt.Sprint(to.UnixMilli())}
	if exporter.IsValid() {
		where, parameters["exporter"] = " AND exporter_addr = toIPv6({exporter:String})", netip.AddrFrom16(exporter.As16()).String()
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(parameters), clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": 60}))
	rows, err := s.conn.Query(ctx, `
SELECT toUnixTimestamp64Milli(time), exporter_addr, if_index, if_name, uptime_ms, in_octets, out_octets, in_packets, out_packets, discontinuity, counter_bits FROM if_counters
WHERE time >= fromUnixTimestamp64Milli({from:Int64}) AND time < fromUnixTimestamp64Milli({to:Int64})`+where+`
ORDER BY exporter_addr, if_index, time`)
	if err != nil {
		return fmt.Errorf("read SNMP counters: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c Counter
		if err := rows.Scan(&c.AtMs, &c.Exporter, &c.IfIndex, &c.IfName, &c.UptimeMs, &c.InOctets, &c.OutOctets, &c.InPackets, &c.OutPackets, &c.Discontinuity, &c.Bits); err != nil {
			return fmt.Errorf("read SNMP counters: %w", err)
		}
		c.Exporter = c.Exporter.Unmap()
		each(c)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read SNMP counters: %w", err)
	}
	return nil
}
