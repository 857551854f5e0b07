package engine

import "testing"

func TestInspect(t *testing.T) {
	for _, c := range []struct {
		sql       string
		format    string
		takesData bool
		head      string
		data      string
	}{
		{sql: "SELECT 1"},
		{sql: ""},
		{sql: "  -- nothing\n"},
		{sql: "SELECT 1 FORMAT CSV", format: "CSV"},
		{sql: "select 1 format JSONEachRow ;", format: "JSONEachRow"},
		{sql: "SELECT 1 FORMAT CSV -- FORMAT TSV", format: "CSV"},
		{sql: "SELECT 1 FORMAT/**/CSV SETTINGS max_threads = 1", format: "CSV"},
		{sql: "SELECT 'x FORMAT CSV'"},
		{sql: "SELECT (SELECT 1 FORMAT CSV)"},
		{sql: "SELECT format FROM t"},
		{sql: "SELECT $x$ FORMAT CSV $x$"},
		{sql: "WITH 1 AS x SELECT x FORMAT Null", format: "Null"},
		{sql: "EXPLAIN INSERT INTO t VALUES (1)"},
		{sql: "INSERT INTO t SELECT 1"},
		{sql: "INSERT INTO t (a, b) SELECT 1 FORMAT Null"},
		{sql: "INSERT INTO t (SELECT 1)"},
		{sql: "INSERT INTO t WITH 1 AS x SELECT x"},
		{sql: "INSERT INTO t FROM INFILE 'x' FORMAT CSV"},
		{sql: "INSERT INTO t FORMAT CSV\n1,2\n", format: "CSV", takesData: true, head: "INSERT INTO t ", data: "1,2\n"},
		{sql: "INSERT INTO t FORMAT CSV \r\n\n1", format: "CSV", takesData: true, head: "INSERT INTO t ", data: "\n1"},
		{sql: `INSERT INTO t(a) FORMAT JSONEachRow {"a": 1}`, format: "JSONEachRow", takesData: true, head: "INSERT INTO t(a) ", data: `{"a": 1}`},
		{sql: "/* x */ insert into t values (1), ('SELECT')", format: "Values", takesData: true, head: "/* x */ insert into t ", data: " (1), ('SELECT')"},
		{sql: "INSERT INTO `values` (`format`, \"select\") VALUES (1, 2)", format: "Values", takesData: true, head: "INSERT INTO `values` (`format`, \"select\") ", data: " (1, 2)"},
		{sql: "INSERT INTO values (a) VALUES (1)", format: "Values", takesData: true, head: "INSERT INTO values (a) ", data: " (1)"},
		{sql: "INSERT INTO TABLE t SETTINGS async_insert = 0 FORMAT Native\n", format: "Native", takesData: true, head: "INSERT INTO TABLE t SETTINGS async_insert = 0 ", data: ""},
		{sql: "INSERT INTO t (a, b)", takesData: true, head: "INSERT INTO t (a, b)", data: ""},
		{sql: "INSERT INTO FUNCTION file('x.csv') FORMAT CSV 1", format: "CSV", takesData: true, head: "INSERT INTO FUNCTION file('x.csv') ", data: "1"},
		{sql: "INSERT INTO t FORMAT Native\n\x01\x02'unclosed", format: "Native", takesData: true, head: "INSERT INTO t ", data: "\x01\x02'unclosed"},
		{sql: "INSERT"},
		{sql: "SELECT '\\"},
		{sql: "SELECT $"},
		{sql: "SELECT $a"},
		{sql: "SELECT /*"},
	} {
		got := inspect(c.sql)
		if got.format != c.format || got.takesData != c.takesData || got.head != c.head || got.takesData && c.sql[got.data:] != c.data {
			t.Errorf("%q: %+v", c.sql, got)
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add("INSERT INTO t FORMAT CSV\n1")
	f.Add("SELECT $a$'\"`-- /*")
	f.Fuzz(func(t *testing.T, sql string) {
		if s := inspect(sql); s.takesData && (s.data < len(s.head) || s.data > len(sql)) {
			t.Errorf("%q: %+v", sql, s)
		}
		end := 0
		for token := range tokens(sql) {
			if token.start < end || token.end <= token.start || token.end > len(sql) {
				t.Fatalf("%q: token %+v after %d", sql, token, end)
			}
			end = token.end
		}
	})
}
