package store

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A fold makes one group of all but the largest groups of a layer. It has two
// steps, because what rows are summed up by costs as much as it is wide: many rows
// are summed up by what is short, and the few sums get the layer's keys.
//
//   - A group of one key, such as an AS, is first its place in the list of the
//     largest, 0 for all others.
//   - Interfaces are few: the first step is by all of them, with the place of their
//     exporter instead of its address.
//   - Other groups of several keys have their keys from the first step on.
//
// After the second step named_i tells whether a group is one of the largest; where
// it is 0, the keys have no meaning.
type fold struct {
	first     []term   // over rows
	second    []term   // over what the first step gives
	exporters []string // of the largest interfaces, in SQL
}

// A term is an expression in SQL with a name, which may be the expression itself.
type term struct{ expression, name string }

// itself returns terms that only pass columns on.
func itself(columns ...string) (all []term) {
	for _, c := range columns {
		all = append(all, term{c, c})
	}
	return all
}

// namesOf returns the names of terms, to group by.
func namesOf(all []term) string {
	var names []string
	for _, t := range all {
		names = append(names, t.name)
	}
	return strings.Join(names, ", ")
}

// listOf returns the terms with their names, to select.
func listOf(all []term) string {
	var list []string
	for _, t := range all {
		if t.expression != t.name {
			t.expression += " AS " + t.name
		}
		list = append(list, t.expression)
	}
	return strings.Join(list, ", ")
}

// fold returns the fold of layer i; largest are the largest groups in SQL.
func (l layer) fold(i int, largest []string) fold {
	flag := fmt.Sprintf("named_%d", i)
	named := "toUInt8(0)"
	if len(largest) > 0 {
		named = fmt.Sprintf("(%s) IN (%s)", strings.Join(l.keys, ", "), strings.Join(largest, ", "))
	}
	whole := []term{{"toUInt8(" + named + ")", flag}}
	for k, key := range l.keys {
		whole = append(whole, term{fmt.Sprintf("if(%s, %s, defaultValueOfArgumentType(%[2]s))", flag, key), l.keyNames[k]})
	}
	switch {
	case l.isInterface():
		var exporters []string
		for _, group := range largest {
			exporter, _, _ := strings.Cut(strings.TrimPrefix(group, "("), ", ")
			exporters = append(exporters, exporter)
		}
		return fold{itself(l.columns...), whole, exporters}
	case len(l.keys) > 1:
		return fold{first: whole, second: itself(append([]string{flag}, l.keyNames...)...)}
	}
	place := fmt.Sprintf("place_%d", i)
	if len(largest) == 0 {
		return fold{first: []term{{"toUInt8(0)", place}}, second: []term{{"toUInt8(0)", flag}, {place, l.keyNames[0]}}}
	}
	return fold{first: []term{{placeIn(largest, l.keys[0]), place}},
		second: []term{{"toUInt8(" + place + " > 0)", flag}, {atPlace(largest, place), l.keyNames[0]}}}
}

// placeIn returns an expression of the place that a key has in a list, from 1 on; 0
// for none. It is as short as can be: ClickHouse groups by up to 16 octets faster
// than by more.
func placeIn(list []string, key string) string {
	bits := 8
	if len(list) > math.MaxUint8 {
		bits = 32
	}
	return fmt.Sprintf("toUInt%d(transform(%s, [%s], range(1, %d), 0))", bits, key, strings.Join(list, ", "), len(list)+1)
}

// atPlace returns an expression of what is at a place of a list; of 0 it is the first.
func atPlace(list []string, place string) string {
	return fmt.Sprintf("[%s][greatest(%s, 1)]", strings.Join(list, ", "), place)
}

// nobody is an address that no exporter has: it is of the discard prefix (RFC 6666).
const nobody = "toIPv6('100::')"

// folds returns both steps of several folds, each column once: several layers are
// of one exporter.
func folds(all []fold) (f fold) {
	for _, one := range all {
		for _, t := range one.first {
			if !slices.Contains(f.first, t) {
				f.first = append(f.first, t)
			}
		}
		f.second = append(f.second, one.second...)
		f.exporters = append(f.exporters, one.exporters...)
	}
	slices.Sort(f.exporters)
	f.exporters = slices.Compact(f.exporters)
	return f
}

// folded returns the sums of the groups that a fold makes.
func (q *query) folded(f fold, columns []string) string {
	by, passed := slices.Clone(f.first), []string{"rows"}
	for n, t := range by {
		if t.name == "exporter_addr" && len(f.exporters) > 0 && !q.calibrated { // factors are joined by the address
			by[n] = term{placeIn(f.exporters, "exporter_addr"), "exporter_place"}
			t.name = fmt.Sprintf("if(exporter_place > 0, %s, %s) AS exporter_addr", atPlace(f.exporters, "exporter_place"), nobody)
		}
		passed = append(passed, t.name)
	}
	return fmt.Sprintf(`SELECT %s,
    %s, sum(rows) AS rows_read
FROM (%s)
GROUP BY %s`, listOf(f.second), sums, q.scaled(passed, q.summed(by, columns)), namesOf(f.second))
}

// summed returns the rows of a query summed up, before they are scaled, by terms over
// the columns and {at}, the start of a row's bucket. Each reading is summed up by
// itself: so the nodes of a cluster do most of it. They are floating-point: what all
// exporters send in a year may be more than 2⁶⁴ octets.
func (q *query) summed(by []term, columns []string) string {
	by = append(slices.Clone(by), itself("sampling_rate")...)
	if q.calibrated { // what factors are joined by
		for _, t := range itself("exporter_addr", q.interfaceColumn()) {
			if !slices.Contains(by, t) {
				by = append(by, t)
			}
		}
		by = append(by, term{fmt.Sprintf("intDiv({at}, %[1]d) * %[1]d", q.factorBucket()), "factor_time"})
	}
	var parts []string
	for _, r := range q.readings(columns) {
		parts = append(parts, fmt.Sprintf(`SELECT %s,
    sum(toFloat64(bytes)) AS bytes, sum(toFloat64(packets)) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, count() AS rows
FROM %s WHERE %s
GROUP BY %s`, strings.ReplaceAll(listOf(by), "{at}", r.at), r.from, r.where, namesOf(by)))
	}
	return strings.Join(parts, "\nUNION ALL\n")
}
