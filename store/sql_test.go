package store

import (
	"encoding/json"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// aDay fills all tables with what two days of two routers look like.
func aDay(t *testing.T) *Store {
	t.Helper()
	s := prepared(t)
	for _, statement := range []string{
		`INSERT INTO flows (time_received, time_flow_start, time_flow_end, type, collector, exporter_addr, src_addr, dst_addr, in_if, out_if, src_as, dst_as,
			bytes, packets, sampling_rate, etype, proto, src_port, dst_port, tcp_flags, ip_tos)
		SELECT now64(3) - INTERVAL if(number % 7 < 3, (number * 17) % 1500, (number % 47) * 3600) SECOND - INTERVAL 2 MINUTE AS r, r - INTERVAL 30 SECOND, r - INTERVAL 5 SECOND, 'IPFIX', 'c', toIPv6('192.0.2.' || toString(1 + number % 2)),
			if(number % 5 = 0, toIPv6('2001:db8::' || hex(number % 50)), toIPv6('10.0.0.' || toString(number % 40))), toIPv6('198.51.100.' || toString(cityHash64(number) % 20)),
			1 + number % 3, 4 + number % 2, 64500 + number % 30, [15169, 3356, 0][1 + number % 3],
			[64, 1500, 40000][1 + number % 3], [1, 1, 30][1 + number % 3], [1, 1000][1 + number % 2], if(number % 5 = 0, 0x86dd, 0x0800), [6, 17, 6, 1][1 + number % 4],
			if(number % 4 = 1, 53, 1024 + number % 60000), [if(number % 3 = 0, 1 + intDiv(number, 40) % 1000, 443), 33000, 25, 0][1 + number % 4], [2, 0, 27, 0][1 + number % 4], (number % 3) * 8
		FROM numbers(60000)`,
		// What broken routers send, at an address of its own. The mark is the column's default.
		`INSERT INTO flows (time_received, time_flow_start, time_flow_end, type, collector, exporter_addr, src_addr, dst_addr, in_if, out_if, src_as, dst_as, bytes, packets, sampling_rate, etype, proto)
		SELECT now64(3) - INTERVAL 3 MINUTE AS r, r, r, 'IPFIX', 'c', toIPv6('192.0.2.1'), toIPv6('203.0.113.9'), toIPv6('198.51.100.1'), 1, 4, 64500, 3356,
			[4611686018427387904, 18446744073709551615, 1000, 9223372036854775808, 4294967295][1 + number % 5], [1, 1, 18446744073709551615, 9223372036854775808, 1][1 + number % 5], [1000, 1, 1, 1, 4294967295][1 + number % 5], 0x0800, 6
		FROM numbers(50)`,
		`INSERT INTO flows_1m (time, exporter_addr, in_if, out_if, src_as, dst_as, etype, proto, sampling_rate, collector, bytes, packets, flows)
		SELECT toStartOfMinute(time_received), exporter_addr, in_if, out_if, src_as, dst_as, etype, proto, sampling_rate, collector, sum(bytes), sum(packets), count() FROM flows WHERE NOT implausible GROUP BY ALL`,
		`INSERT INTO if_counters (time, exporter_addr, if_index, in_octets, out_octets, out_discards)
		SELECT now64(3) - INTERVAL number MINUTE, toIPv6('192.0.2.1'), 1, 10000000000 - number * 1000000, 10000000000 - number * 500000, 100000 - number FROM numbers(1000)`,
		`INSERT INTO exporters (exporter_addr, name) VALUES (toIPv6('192.0.2.1'), 'one'), (toIPv6('192.0.2.2'), 'two')`,
	} {
		if err := s.conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// plausible runs a query and checks that its answer has rows, and numbers where
// it has numbers.
func plausible(t *testing.T, s *Store, name, query string) {
	t.Helper()
	var out strings.Builder
	if err := s.Raw(t.Context(), query+"\nFORMAT CSV", "", &out); err != nil {
		t.Errorf("%s: %v\n%s", name, err, query)
		return
	}
	rows := strings.Split(strings.TrimSpace(out.String()), "\n")
	if rows[0] == "" {
		t.Errorf("%s: no rows\n%s", name, query)
	}
	positive := false
	for _, row := range rows {
		for _, cell := range strings.Split(row, ",") {
			if cell == "nan" || cell == "inf" || cell == "-inf" {
				t.Errorf("%s: %s", name, row)
			}
			positive = positive || strings.Trim(cell, `"0.`) != ""
		}
	}
	if !positive {
		t.Errorf("%s: nothing but zeros: %q", name, rows[0])
	}
}

// noNumberBeyond runs a query and wants no number that only an implausible record
// could have made.
func noNumberBeyond(t *testing.T, s *Store, name, query string) {
	t.Helper()
	var out strings.Builder
	if err := s.Raw(t.Context(), query+"\nFORMAT CSV", "", &out); err != nil {
		t.Fatal(err)
	}
	for _, cell := range strings.FieldsFunc(out.String(), func(r rune) bool { return r == ',' || r == '\n' }) {
		if n, err := strconv.ParseFloat(cell, 64); err == nil && math.Abs(n) >= 1<<50 || strings.Contains(cell, "PiB") || strings.Contains(cell, "EiB") {
			t.Errorf("%s: %s", name, cell)
		}
	}
}

func TestEveryAnswerInTheManualIsOne(t *testing.T) {
	text, err := os.ReadFile("../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)### ([^\n]+)\n.*?```sql\n(.*?)\n```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 30 || len(blocks) != strings.Count(string(text), "```sql") {
		t.Fatalf("%d questions", len(blocks))
	}
	s := aDay(t)
	for _, b := range blocks {
		plausible(t, s, b[1], b[2])
		if !strings.Contains(b[2], "implausible") {
			noNumberBeyond(t, s, b[1], b[2])
		}
	}
}

func TestManualNamesEveryColumn(t *testing.T) {
	text, err := os.ReadFile("../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	s := prepared(t)
	var columns []string
	const query = "SELECT groupUniqArray(name) FROM system.columns WHERE database = $1 AND table IN ('flows', 'flows_1m', 'flows_1h') AND default_kind != 'MATERIALIZED' AND name != 'sampler_address'"
	if err := s.conn.QueryRow(t.Context(), query, s.database).Scan(&columns); err != nil || len(columns) < 50 {
		t.Fatalf("%d columns: %v", len(columns), err)
	}
	for _, c := range columns {
		if !strings.Contains(string(text), "`"+c+"`") {
			t.Errorf("docs/sql.md does not name column %s", c)
		}
	}
}

// grafanaMacros are those of Grafana's ClickHouse data source, as it expands them
// for the last 24 hours and points of ten minutes.
var grafanaMacros = []struct {
	macro *regexp.Regexp
	text  string
}{
	{regexp.MustCompile(`\$__timeInterval\((\w+)\)`), "toStartOfInterval(toDateTime($1), INTERVAL 600 second)"},
	{regexp.MustCompile(`\$__timeFilter\((\w+)\)`), "$1 >= toDateTime(now() - 86400) AND $1 <= toDateTime(now())"},
	{regexp.MustCompile(`\$__interval_s`), "600"},
}

func TestGrafanaDashboard(t *testing.T) {
	text, err := os.ReadFile("../configs/grafana/nfstats.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ RawSQL string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil || len(dashboard.Panels) == 0 {
		t.Fatalf("%d panels: %v", len(dashboard.Panels), err)
	}
	s := aDay(t)
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			query := target.RawSQL
			for _, m := range grafanaMacros {
				query = m.macro.ReplaceAllString(query, m.text)
			}
			if strings.Contains(query, "$") {
				t.Errorf("%s: a macro that is not known: %s", p.Title, query)
			}
			plausible(t, s, p.Title, query)
		}
	}
}
