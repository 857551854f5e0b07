package store

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// sql returns what makes an expression of what an ifIndex column is today, where
// seconds is an expression of the rows' time, Unix seconds. Whatever number of
// devices has renumbered, it takes a few look-ups in a hash table for each row: one
// for the exporter, one for each of the times that it may have renumbered at, and one
// for a number made of exporter, period and ifIndex. That is of the form exporter ·
// 2⁴⁰ + period · 2³² + ifIndex; periods count from the newest, 0 is since.
func (ids *Identities) sql(bind func(sqlType, value string) string) func(column, seconds string) string {
	var exporters []string
	var ends [][]int64 // by period, newest first, and exporter
	var keys, is []uint64
	for n, periods := range ids.byExporter() {
		exporters = append(exporters, "'"+netip.AddrFrom16(periods[0].exporter.As16()).String()+"'")
		for p, r := range periods {
			if p == len(ends) {
				ends = append(ends, nil)
			}
			ends[p] = append(append(ends[p], make([]int64, n-len(ends[p]))...), r.to)
			for i, was := range r.was {
				keys, is = append(keys, uint64(n+1)<<40+uint64(p+1)<<32+uint64(was)), append(is, uint64(r.is[i]))
			}
		}
	}
	numbers := make([]int, len(exporters))
	for i := range numbers {
		numbers[i] = i + 1
	}
	// A scalar subquery is a constant, which transform wants, to every version of ClickHouse.
	known := "(SELECT arrayMap(e -> cityHash64(toIPv6(e)), " + bind("Array(String)", "["+strings.Join(exporters, ",")+"]") + "))"
	byExporter := func(values string) string {
		return "transform(cityHash64(exporter_addr), " + known + ", " + values + ", toInt64(0))"
	}
	number := byExporter(bind("Array(Int64)", list(numbers)))
	var limits []string
	for _, e := range ends {
		e = append(e, make([]int64, len(exporters)-len(e))...)
		limits = append(limits, byExporter(bind("Array(Int64)", list(e))))
	}
	from, to := bind("Array(UInt64)", list(keys)), bind("Array(UInt32)", list(is))
	return func(column, seconds string) string {
		var before []string
		for _, l := range limits {
			before = append(before, "("+seconds+" < "+l+")")
		}
		return fmt.Sprintf("toUInt32(transform(toUInt64(%s) * 1099511627776 + toUInt64(%s) * 4294967296 + %s, %s, %s, %[3]s))",
			number, strings.Join(before, " + "), column, from, to)
	}
}

// byExporter returns the periods of each exporter, the newest first.
func (ids *Identities) byExporter() (all [][]renumbered) {
	for _, r := range ids.renumbered {
		if n := len(all); n == 0 || all[n-1][0].exporter != r.exporter {
			all = append(all, nil)
		}
		n := len(all) - 1
		all[n] = append([]renumbered{r}, all[n]...)
	}
	return all
}

// list writes numbers as an array.
func list[N int | int64 | uint64](numbers []N) string {
	return strings.ReplaceAll(fmt.Sprint(numbers), " ", ",")
}

// maxCutHours bounds how many hours are read in minutes because a device
// renumbered in them.
const maxCutHours = 48

// follow lets a query's rows follow interfaces over their renumbering.
func (q *query) follow(ids *Identities) {
	q.identities = ids.within(q.choice.from, q.choice.to+receptionWindow)
	if len(q.identities.renumbered) == 0 {
		return
	}
	q.today = q.identities.sql(q.bind)
	for _, change := range q.identities.Changes() {
		if h := floorTo(change, hour); h != change && h >= q.choice.from && h < q.choice.to && h >= q.minuteFrom {
			q.cutHours = append(q.cutHours, h)
		}
	}
	q.cutHours = slices.Compact(q.cutHours)
	q.cutHours = q.cutHours[max(0, len(q.cutHours)-maxCutHours):]
}

// source returns what to read instead of a table: the table itself, unless
// interfaces had other ifIndexes.
func (q *query) source(table string) string {
	if q.today == nil {
		return table
	}
	time, columns, final := "time", []string{"in_if", "out_if"}, ""
	switch table {
	case "flows":
		time = "time_received"
	case "calibration":
		time, columns, final = "bucket", []string{"if_index"}, " FINAL"
	}
	var replaced []string
	for _, c := range narrowColumns(table, columns) {
		replaced = append(replaced, q.today(c, secondsOf(time))+" AS "+c)
	}
	return "(SELECT * REPLACE (" + strings.Join(replaced, ", ") + ") FROM " + table + final + ")"
}

// secondsOf returns an expression of a column's time, Unix seconds.
func secondsOf(column string) string { return "toInt64(toUnixTimestamp(" + column + "))" }

// hours returns readings of a rollup of hours between two times, in SQL. Hours in
// which a device renumbered come from that of minutes.
func (q *query) hours(hours, minutes, first, last, where string) []reading {
	times := "time >= " + first + " AND time < " + last
	if len(q.cutHours) == 0 {
		return []reading{q.rolled(hours, times, where)}
	}
	cut := q.cutSQL()
	return []reading{q.rolled(hours, times+" AND NOT "+cut, where), q.rolled(minutes, times+" AND "+cut, where)}
}

// flowsFilter returns the query's filter for table flows itself, whose ifIndexes
// are those that were exported.
func (q *query) flowsFilter() string {
	condition := q.Filter.SQL(q.bind)
	if q.today == nil {
		return condition
	}
	// All values are bound: the only names in it are those of columns.
	return strings.NewReplacer("in_if", q.today("in_if", secondsOf("time_received")), "out_if", q.today("out_if", secondsOf("time_received"))).Replace(condition)
}

// wholeHours returns what to read instead of flows_1h: hours in which a device
// renumbered come from flows_1m.
func (q *query) wholeHours() string {
	if len(q.cutHours) == 0 {
		return q.source("flows_1h")
	}
	const columns = "SELECT time, exporter_addr, in_if, out_if, src_as, dst_as, flow_direction, sampling_rate, bytes FROM "
	cut := q.cutSQL()
	return "(" + columns + q.source("flows_1h") + " WHERE NOT " + cut + " UNION ALL " + columns + q.source("flows_1m") + " WHERE " + cut + ")"
}

// cutSQL selects the hours in which a device renumbered.
func (q *query) cutSQL() string {
	var in []string
	for _, h := range q.cutHours {
		in = append(in, fmt.Sprintf("time >= toDateTime(%d, 'UTC') AND time < toDateTime(%d, 'UTC')", h, h+hour))
	}
	return "(" + strings.Join(in, " OR ") + ")"
}

// called returns the value and name of a group for people.
func (q *query) called(l layer, value, name string) (string, string) {
	if exporter, number, ok := strings.Cut(value, "/"); ok && l.isInterface() {
		index, err := strconv.ParseUint(number, 10, 32)
		if address, bad := netip.ParseAddr(exporter); err == nil && bad == nil && index > math.MaxInt32 {
			if gone := q.identities.name(address, uint32(index)); gone != "" {
				return exporter + "/" + gone, cmp.Or(name, gone)
			}
		}
	}
	if l.names != nil {
		name = l.names[value]
	}
	return value, name
}

// bindInterface returns a list in SQL of the ifIndexes of an interface that a
// filter calls exporter/ifName.
func (q *query) bindInterface(text string) string {
	exporter, name, _ := strings.Cut(text, "/")
	if address, err := netip.ParseAddr(exporter); err == nil && q.identities != nil {
		if number, gone := q.identities.number(address.Unmap(), name); gone {
			return fmt.Sprintf("(%d)", number)
		}
	}
	return fmt.Sprintf("(SELECT if_index FROM interfaces FINAL WHERE exporter_addr = %s AND if_name = %s)", q.bind("IPv6", exporter), q.bind("String", name))
}
