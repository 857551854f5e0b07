//go:build linux && amd64

package engine

import (
	"fmt"
	"reflect"
	"testing"
)

// TestNativeTypes reads one value of each type as clickhouse-go does, at its own
// protocol revision, which the engine must convert to.
func TestNativeTypes(t *testing.T) {
	c := client(t, start(t, t.TempDir()))
	for _, test := range []struct{ sql, want string }{
		{"toUInt8(255)", "255"}, {"toUInt16(65535)", "65535"}, {"toUInt32(4294967295)", "4294967295"}, {"toUInt64('18446744073709551615')", "18446744073709551615"},
		{"toInt8(-128)", "-128"}, {"toInt16(-3)", "-3"}, {"toInt32(-4)", "-4"}, {"toInt64(-5)", "-5"},
		{"toUInt128('340282366920938463463374607431768211455')", "340282366920938463463374607431768211455"}, {"toInt256(-7)", "-7"},
		{"toFloat32(0.5)", "0.5"}, {"toFloat64(-0.25)", "-0.25"}, {"toBFloat16(1.5)", "1.5"},
		{"toDecimal32(1.25, 2)", "1.25"}, {"toDecimal256('123456789012345678901234567890.5', 1)", "123456789012345678901234567890.5"},
		{"true", "true"}, {"'text'", "text"}, {"toFixedString('abc', 3)", "abc"}, {"toUUID('01234567-89ab-cdef-0123-456789abcdef')", "01234567-89ab-cdef-0123-456789abcdef"},
		{"toDate('2026-02-03')", "2026-02-03 00:00:00 +0000 UTC"}, {"toDate32('1926-02-03')", "1926-02-03 00:00:00 +0000 UTC"},
		{"toDateTime('2026-02-03 04:05:06', 'UTC')", "2026-02-03 04:05:06 +0000 UTC"}, {"toDateTime64('2026-02-03 04:05:06.789', 3, 'UTC')", "2026-02-03 04:05:06.789 +0000 UTC"},
		{"toDateTime64('2026-02-03 04:05:06.789', 3, 'Asia/Tokyo')", "2026-02-03 04:05:06.789 +0900 JST"},
		{"toIPv4('192.0.2.1')", "192.0.2.1"}, {"toIPv6('2001:db8::1')", "2001:db8::1"}, {"toIPv6('192.0.2.1')", "192.0.2.1"},
		{"CAST('y', 'Enum8(\\'x\\' = 1, \\'y\\' = 2)')", "y"}, {"CAST('y', 'Enum16(\\'x\\' = 1, \\'y\\' = 2000)')", "y"},
		{"CAST(NULL, 'Nullable(UInt8)')", "<nil>"}, {"CAST(3, 'Nullable(UInt8)')", "&3"}, {"NULL", "<nil>"},
		{"toLowCardinality('low')", "low"}, {"CAST(NULL, 'LowCardinality(Nullable(String))')", "<nil>"}, {"CAST('v', 'LowCardinality(Nullable(String))')", "&v"},
		{"[1, 2, 3]", "[1 2 3]"}, {"CAST([], 'Array(UInt8)')", "[]"}, {"[[1], [], [2, 3]]", "[[1] [] [2 3]]"},
		{"CAST(['a', 'b', 'a'], 'Array(LowCardinality(String))')", "[a b a]"}, {"CAST([], 'Array(LowCardinality(String))')", "[]"},
		{"CAST([toIPv6('::1')], 'Array(IPv6)')", "[::1]"}, {"CAST([[toNullable('x')]], 'Array(Array(Nullable(String)))')", "[[&x]]"},
		{"(1, 'a', [2])", "[1 a [2]]"}, {"CAST((1, 'a'), 'Tuple(n UInt8, s LowCardinality(String))')", "map[n:1 s:a]"},
		{"map('k', 1)", "map[k:1]"}, {"CAST(map('k', ['v']), 'Map(LowCardinality(String), Array(LowCardinality(String)))')", "map[k:[v]]"},
		{"CAST([(1, 'x')], 'Array(Tuple(a UInt8, b String))')", "[map[a:1 b:x]]"},
		{"CAST((1.5, 2.5), 'Point')", "[1.5 2.5]"}, {"toIntervalDay(3)", "3 Days"},
		{"CAST(5, 'SimpleAggregateFunction(sum, UInt64)')", "5"},
	} {
		for _, rows := range []string{"SELECT %s AS v", "SELECT %s AS v FROM numbers(3)"} {
			result, err := c.Query(t.Context(), fmt.Sprintf(rows, test.sql))
			if err != nil {
				t.Errorf("%s: %v", test.sql, err)
				continue
			}
			count := 0
			for result.Next() {
				count++
				value := reflect.New(result.ColumnTypes()[0].ScanType())
				if err := result.Scan(value.Interface()); err != nil {
					t.Errorf("%s: %v", test.sql, err)
				} else if got := printed(value.Elem()); got != test.want {
					t.Errorf("%s: got %s, want %s", test.sql, got, test.want)
				}
			}
			if err := result.Err(); err != nil || count == 0 {
				t.Errorf("%s: %d rows, %v", test.sql, count, err)
			}
			result.Close()
		}
	}
}

// printed is fmt.Sprint, but with & and the value for pointers within.
func printed(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "<nil>"
		}
		if s, ok := v.Interface().(fmt.Stringer); ok {
			return s.String()
		}
		return "&" + printed(v.Elem())
	case reflect.Interface:
		if v.IsNil() {
			return "<nil>"
		}
		return printed(v.Elem())
	case reflect.Slice:
		if s, ok := v.Interface().(fmt.Stringer); ok {
			return s.String()
		}
		text := "["
		for i := range v.Len() {
			if i > 0 {
				text += " "
			}
			text += printed(v.Index(i))
		}
		return text + "]"
	}
	return fmt.Sprint(v.Interface())
}
