package store

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Of an exporter whose flows have no AS numbers, the networks behind an interface are
// counted by address: /24 of IPv4, /48 of IPv6. Whom they belong to that does not
// tell, so it has no peers, and a link to another router looks like what is behind it.

const (
	// manyPrefixes is how many prefixes an uplink has at least.
	manyPrefixes = 100
	// countedFor is the time in which prefixes are counted: flows as exported are many.
	countedFor = 15 * time.Minute
)

// countPrefixes counts networks by address where there are no AS numbers.
func (s *Store) countPrefixes(ctx context.Context, q *query, of map[Way]*Passing) error {
	without := map[netip.Addr]bool{}
	for way := range of {
		without[way.Exporter] = true
	}
	for way, p := range of {
		if p.Far > 0 || p.Near > 0 {
			delete(without, way.Exporter)
		}
	}
	if len(without) == 0 {
		return nil
	}
	var exporters []string
	for _, exporter := range slices.SortedFunc(maps.Keys(without), netip.Addr.Compare) {
		exporters = append(exporters, fmt.Sprintf("toIPv6('%s')", exporter))
	}
	prefix := func(address string) string {
		return "IPv6CIDRToRange(" + address + ", toUInt8(if(etype = 0x86dd, 48, 120))).1"
	}
	since := time.Now().Add(-countedFor).UnixMilli()
	return s.ask(ctx, q, fmt.Sprintf(`SELECT exporter_addr, if_index, uniqIf(src_prefix, entering = 1), uniqIf(dst_prefix, entering = 1) FROM (
    SELECT exporter_addr, in_if, out_if, %s AS src_prefix, %s AS dst_prefix FROM %s
    WHERE NOT implausible AND time_received >= fromUnixTimestamp64Milli(toInt64(%d)) AND exporter_addr IN (%s)
) ARRAY JOIN [in_if, out_if] AS if_index, [1, 0] AS entering WHERE if_index BETWEEN 1 AND 2147483647
GROUP BY exporter_addr, if_index`, prefix("src_addr"), prefix("dst_addr"), q.source("flows"), since, strings.Join(exporters, ", ")), func(rows driver.Rows) error {
		var way Way
		var far, near uint64
		if err := rows.Scan(&way.Exporter, &way.IfIndex, &far, &near); err != nil {
			return err
		}
		way.Exporter = way.Exporter.Unmap()
		if p := of[way]; p != nil {
			p.Far, p.Near, p.ByAddress = far, near, true
		}
		return nil
	})
}

// roleByPrefixes guesses what an interface is for by the prefixes behind it, and by
// those behind the interface of its router that has most.
func roleByPrefixes(far, near, most uint64) string {
	switch {
	case most < manyPrefixes || far == 0 && near == 0:
		return ""
	case 4*far >= 3*most:
		return "uplink"
	case 10*far <= most:
		return "customer"
	}
	return ""
}
