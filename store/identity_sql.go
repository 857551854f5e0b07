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

// sql returns an expression of what an ifIndex column is today. at is SQL that
// makes a time of Unix seconds, of the type of the column that holds the rows' time.
func (ids *Identities) sql(bind func(sqlType, value string) string) func(column, time, at string) string {
	type period struct{ exporter, to, was, is string }
	var periods []period
	list := func(numbers []uint32) string {
		texts := make([]string, len(numbers))
		for i, n := range numbers {
			texts[i] = strconv.FormatUint(uint64(n), 10)
		}
		return bind("Array(UInt32)", "["+strings.Join(texts, ",")+"]")
	}
	for _, r := range ids.renumbered {
		periods = append(periods, period{bind("IPv6", netip.AddrFrom16(r.exporter.As16()).String()), bind("Int64", fmt.Sprint(r.to)), list(r.was), list(r.is)})
	}
	return func(column, time, at string) string {
		var parts []string
		for _, p := range periods { // those of an exporter are in order of time
			parts = append(parts, fmt.Sprintf("exporter_addr = %s AND %s < %s, transform(%s, %s, %s, %[4]s)", p.exporter, time, fmt.Sprintf(at, p.to), column, p.was, p.is))
		}
		return fmt.Sprintf("toUInt32(multiIf(%s, %s))", strings.Join(parts, ", "), column)
	}
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

// Times in SQL, of types that compare with the tables' columns.
const (
	secondsSQL      = "toDateTime(%s, 'UTC')"
	millisecondsSQL = "toDateTime64(%s, 3, 'UTC')"
)

// source returns what to read instead of a table: the table itself, unless
// interfaces had other ifIndexes.
func (q *query) source(table string) string {
	if q.today == nil {
		return table
	}
	time, at, columns, final := "time", secondsSQL, []string{"in_if", "out_if"}, ""
	switch table {
	case "flows":
		time, at = "time_received", millisecondsSQL
	case "calibration":
		time, columns, final = "bucket", []string{"if_index"}, " FINAL"
	}
	var replaced []string
	for _, c := range columns {
		replaced = append(replaced, q.today(c, time, at)+" AS "+c)
	}
	return "(SELECT * REPLACE (" + strings.Join(replaced, ", ") + ") FROM " + table + final + ")"
}

// hours returns a query of flows_1h between two times, in SQL. Hours in which a
// device renumbered come from flows_1m.
func (q *query) hours(selected, first, last, where string) string {
	times := "time >= " + first + " AND time < " + last
	if len(q.cutHours) == 0 {
		return q.rolled(selected, "flows_1h", times, where)
	}
	cut := q.cutSQL()
	return q.rolled(selected, "flows_1h", times+" AND NOT "+cut, where) + "\nUNION ALL\n" + q.rolled(selected, "flows_1m", times+" AND "+cut, where)
}

// flowsFilter returns the query's filter for table flows itself, whose ifIndexes
// are those that were exported.
func (q *query) flowsFilter() string {
	condition := q.Filter.SQL(q.bind)
	if q.today == nil {
		return condition
	}
	// All values are bound: the only names in it are those of columns.
	return strings.NewReplacer("in_if", q.today("in_if", "time_received", millisecondsSQL), "out_if", q.today("out_if", "time_received", millisecondsSQL)).Replace(condition)
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
