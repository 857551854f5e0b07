package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestSQLOfThePage runs statements through the daemon as the page does.
func TestSQLOfThePage(t *testing.T) {
	d := newDaemon(t)
	d.start()
	for _, c := range []struct {
		target, query string
		code          int
		want          string
	}{
		{"", `SELECT number AS n, '=1+1' AS text FROM numbers(5)`, 200, `"columns":[{"name":"n","type":"UInt64"},{"name":"text","type":"String"}],"rows":[[`},
		{"", `SELECT number FROM numbers(500000)`, 200, `"truncated":true`},
		{"", `SELECT count() FROM flows`, 200, `"rows":[[`},
		{"", `SELECT sum(number) FROM numbers(1000)`, 200, `"rows_read":1000,"bytes_read":8000`},
		{"", `SELECT 1 FORMAT TSV`, 400, `Leave FORMAT out`},
		{"?format=csv", `SELECT '=1+1' AS text, '=2+2' AS more FORMAT TSVWithNames`, 400, `The statement asks for FORMAT TSVWithNames.`},
		{"", `SELEC 1`, 400, `Syntax error`},
		{"", `SELECT throwIf(1)`, 400, `Code: 395`},
		{"", `INSERT INTO flows (bytes) VALUES (1)`, 400, `READONLY`},
		{"", `SELECT * FROM file('/etc/passwd', 'LineAsString')`, 400, `Code: `},
		{"?format=csv", `SELECT '=1+1' AS text, -5 AS n`, 200, "text,n\r\n'=1+1,-5\r\n"},
	} {
		response, err := http.Post(d.http+"/api/v1/sql"+c.target, "application/json", strings.NewReader(`{"limit":100,"query":"`+c.query+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != c.code || !strings.Contains(string(answer), c.want) {
			t.Errorf("%s: %d %.400s %v, want %d with %s", c.query, response.StatusCode, answer, err, c.code, c.want)
		}
	}
	response, err := http.Get(d.http + "/api/v1/system")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 || !strings.Contains(string(answer), `"name":"flows","rows":0`) || strings.Contains(string(answer), `"engine":{"version":""}`) {
		t.Errorf("system: %d %s %v", response.StatusCode, answer, err)
	}
}
