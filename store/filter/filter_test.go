package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sqlOf returns the condition with the parameters as they are bound.
func sqlOf(t testing.TB, source string) string {
	t.Helper()
	f, err := Parse(source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return f.SQL(func(sqlType, value string) string { return "{" + value + ":" + sqlType + "}" })
}

func TestSQL(t *testing.T) {
	for source, want := range map[string]string{
		"":                                  "1",
		"  ":                                "1",
		"src_as = 15169":                    "(src_as = {15169:UInt32})",
		"SRC_AS == AS15169":                 "(src_as = {15169:UInt32})",
		"as != 15169":                       "NOT (src_as = {15169:UInt32} OR dst_as = {15169:UInt32})",
		"dst_port in (80, 443, 8000..8080)": "(dst_port BETWEEN {8000:UInt16} AND {8080:UInt16} OR dst_port IN ({80:UInt16}, {443:UInt16}))",
		"dst_port = 8000..8080":             "(dst_port BETWEEN {8000:UInt16} AND {8080:UInt16})",
		"not src_addr in 10.1.2.3/8":        "NOT (src_addr BETWEEN {::ffff:10.0.0.0:IPv6} AND {::ffff:10.255.255.255:IPv6})",
		"src_addr not in 2001:db8::/33":     "NOT (src_addr BETWEEN {2001:db8:::IPv6} AND {2001:db8:7fff:ffff:ffff:ffff:ffff:ffff:IPv6})",
		"addr = 192.0.2.1":                  "(src_addr = {::ffff:192.0.2.1:IPv6} OR dst_addr = {::ffff:192.0.2.1:IPv6})",
		"src_addr in 192.0.2.1..192.0.2.9":  "(src_addr BETWEEN {::ffff:192.0.2.1:IPv6} AND {::ffff:192.0.2.9:IPv6})",
		"in_if != 192.0.2.1/xe-0/0/1":       "NOT ((exporter_addr = {::ffff:192.0.2.1:IPv6} AND in_if IN {::ffff:192.0.2.1/xe-0/0/1:InterfaceName}))",
		"in_if = 192.0.2.1/12":              "((exporter_addr = {::ffff:192.0.2.1:IPv6} AND in_if = {12:UInt32}))",
		"in_if in (2001:db8::1/12, 7)":      "((exporter_addr = {2001:db8::1:IPv6} AND in_if = {12:UInt32}) OR in_if = {7:UInt32})",
		"interface = 12":                    "(in_if = {12:UInt32} OR out_if = {12:UInt32})",
		"bytes >= 1500":                     "(bytes >= {1500:UInt64})",
		"proto = tcp or proto = 17 and etype = ipv6":           "((proto = {6:UInt8}) OR ((proto = {17:UInt8}) AND (etype = {34525:UInt16})))",
		"(proto = tcp or proto = udp) and not (src_port = 53)": "(((proto = {6:UInt8}) OR (proto = {17:UInt8})) AND NOT (src_port = {53:UInt16}))",
		"tcp_flags = 0x12":            "(tcp_flags = {18:UInt16})",
		"collector = 'a ) or 1=1 --'": "(collector = {a ) or 1=1 --:String})",
		`source = "it's"`:             "(source = {it's:String})",
		"src_mac = 00:00:5E:00:53:01": "(src_mac = {1577079553:UInt64})",
		"type = ipfix":                "(type = {IPFIX:String})",
	} {
		if got := sqlOf(t, source); got != want {
			t.Errorf("%s:\n got %s\nwant %s", source, got, want)
		}
	}
}

func TestErrorsPointAtThePlace(t *testing.T) {
	for source, want := range map[string]Error{
		"src_as":                      {"expected = != < <= > >= or in after src_as", 6},
		"src_as =":                    {"expected an AS number", 8},
		"src_as = x":                  {`"x": is no whole number`, 9},
		"src_as = 5000000000":         {`"5000000000": the largest number here is 4294967295`, 9},
		"srcas = 1":                   {`there is no field "srcas"; did you mean as?`, 0},
		"proto = tcp and":             {"expected a comparison such as src_as = 15169", 15},
		"proto = tcp proto = udp":     {`expected and, or, or the end, not "proto"`, 12},
		"(proto = tcp":                {"this parenthesis is not closed", 0},
		"proto = tcp)":                {`expected and, or, or the end, not ")"`, 11},
		"port in (1, 2":               {"expected a comma or a closing parenthesis", 13},
		"port = 90..80":               {`"90..80": the range ends before it starts`, 7},
		"port < 80..90":               {"< wants one value, not a list or range", 5},
		"src_mac < 00:00:5e:00:53:01": {"src_mac has no order: use = != or in", 8},
		"collector = 'x":              {"the quote is not closed", 12},
		"ö = 1":                       {"'ö' has no meaning here", 0},
		"collector = 'ö' and ; drop":  {`';' has no meaning here`, 20},
		"src_addr = 10.0.0.0/33":      {`"10.0.0.0/33": is no address or prefix`, 11},
		"src_addr = fe80::1%eth0":     {`"fe80::1%eth0": is no address or prefix`, 11},
		"in_if = r1/12":               {`"r1/12": want an interface: exporter/ifIndex such as 192.0.2.1/12, exporter/ifName, or the ifIndex alone`, 8},
		"proto = tpc":                 {`"tpc": want a protocol: a number or a name such as tcp`, 8},
		"proto = 256":                 {`"256": the largest number here is 255`, 8},
		strings.Repeat("(", 100):      {"the parentheses are nested too deeply", 50},
		"port in (" + strings.Repeat("1,", 1500) + "1)": {"a list may have 1000 values", 9 + 2000},
		strings.Repeat(" ", 20_000):                     {"a filter may have 16384 characters", 16384},
	} {
		_, err := Parse(source)
		var got *Error
		if !errors.As(err, &got) {
			t.Errorf("%.40s: %v", source, err)
		} else if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%.40s: %s", source, diff)
		}
	}
}

func TestColumns(t *testing.T) {
	f, err := Parse("as = 1 and in_if = 192.0.2.1/3 and not port = 80")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"dst_as", "dst_port", "exporter_addr", "in_if", "src_as", "src_port"}; !slices.Equal(f.Columns(), want) {
		t.Errorf("columns %v, want %v", f.Columns(), want)
	}
}

// Whatever comes in, the condition consists of our own words.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"src_as = 1", "not (port in (1, 2..3) or collector = 'x')", "in_if = ::1/1", "addr in 10.0.0.0/8", "mac = 0:0", "((", "a..b", "type != IPFIX"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		parsed, err := Parse(source)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Position < 0 || e.Position > len(source) {
				t.Fatalf("%q: %v", source, err)
			}
			return
		}
		n := 0
		condition := parsed.SQL(func(sqlType, value string) string { n++; return fmt.Sprintf("{p%d:%s}", n, sqlType) })
		for _, w := range strings.FieldsFunc(condition, func(r rune) bool { return strings.ContainsRune("() ,", r) }) {
			known := strings.HasPrefix(w, "{p") || slices.Contains([]string{"1", "AND", "OR", "NOT", "IN", "BETWEEN", "=", "<", "<=", ">", ">="}, w) || slices.Contains(parsed.Columns(), w)
			if !known {
				t.Fatalf("%q became %s: %q", source, condition, w)
			}
		}
	})
}
