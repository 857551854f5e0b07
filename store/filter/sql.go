package filter

import (
	"fmt"
	"slices"
	"strings"
)

// Bind makes a query parameter of a ClickHouse type, and returns how the query
// refers to it.
type Bind func(sqlType, value string) string

// InterfaceName is the type that an interface of the form exporter/ifName is bound
// as. What it becomes is used as IN ….
const InterfaceName = "InterfaceName"

// SQL returns the condition, "1" for everything.
func (f *Filter) SQL(bind Bind) string {
	if f == nil || f.root == nil {
		return "1"
	}
	return f.root.sql(bind)
}

// Columns returns the columns that the condition reads, in order.
func (f *Filter) Columns() []string {
	var columns []string
	if f != nil && f.root != nil {
		f.root.columns(func(c string) { columns = append(columns, c) })
	}
	slices.Sort(columns)
	return slices.Compact(columns)
}

// A junction joins its parts by and or or.
type junction struct {
	by    string
	parts []node
}

func (j junction) columns(add func(string)) {
	for _, p := range j.parts {
		p.columns(add)
	}
}

func (j junction) sql(bind Bind) string {
	parts := make([]string, len(j.parts))
	for i, p := range j.parts {
		parts[i] = p.sql(bind)
	}
	return "(" + strings.Join(parts, " "+strings.ToUpper(j.by)+" ") + ")"
}

type negation struct{ inner node }

func (n negation) columns(add func(string)) { n.inner.columns(add) }
func (n negation) sql(bind Bind) string     { return "NOT " + n.inner.sql(bind) }

// A comparison holds when a column is any of the values; with != when no column
// is.
type comparison struct {
	field  field
	op     string
	values []value
}

func (c comparison) columns(add func(string)) {
	for _, column := range c.field.columns {
		add(column)
	}
	for _, v := range c.values {
		if v.exporter != "" {
			add("exporter_addr")
		}
	}
}

func (c comparison) sql(bind Bind) string {
	var any []string
	for _, column := range c.field.columns {
		any = append(any, c.column(column, bind)...)
	}
	condition := "(" + strings.Join(any, " OR ") + ")"
	if c.op == "!=" {
		return "NOT " + condition
	}
	return condition
}

// column returns the conditions on one column, of which one must hold.
func (c comparison) column(column string, bind Bind) (any []string) {
	if c.op != "=" && c.op != "!=" {
		return []string{column + " " + c.op + " " + bind(c.field.kind.sqlType, c.values[0].low)}
	}
	var single []string
	for _, v := range c.values {
		switch {
		case v.low != v.high:
			any = append(any, fmt.Sprintf("%s BETWEEN %s AND %s", column, bind(c.field.kind.sqlType, v.low), bind(c.field.kind.sqlType, v.high)))
		case v.named:
			any = append(any, fmt.Sprintf("(exporter_addr = %s AND %s IN %s)", bind("IPv6", v.exporter), column, bind(InterfaceName, v.exporter+"/"+v.low)))
		case v.exporter != "":
			any = append(any, fmt.Sprintf("(exporter_addr = %s AND %s = %s)", bind("IPv6", v.exporter), column, bind(c.field.kind.sqlType, v.low)))
		default:
			single = append(single, bind(c.field.kind.sqlType, v.low))
		}
	}
	switch len(single) {
	case 0:
	case 1:
		any = append(any, column+" = "+single[0])
	default:
		any = append(any, column+" IN ("+strings.Join(single, ", ")+")")
	}
	return any
}
