package httpui

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/nfstats/nfstats/store"
)

// spoken answers every statement with the same text.
type spoken struct {
	confined bool
	text     string
	err      error
	format   string
	maxRows  int
	read     store.Read
}

func (s *spoken) Confined() bool { return s.confined }

func (s *spoken) Run(_ context.Context, statement store.Statement, w io.Writer) (store.Read, error) {
	s.format, s.maxRows = statement.Format, statement.MaxRows
	if _, err := io.WriteString(w, s.text); err != nil {
		return s.read, err
	}
	return s.read, s.err
}

const twoRows = `{"meta":[{"name":"n","type":"UInt64"}],"data":[[18446744073709551615],[2]],"rows":2,"statistics":{"elapsed":0.1,"rows_read":7,"bytes_read":56}}`

func TestSQL(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	for _, c := range []struct {
		name string
		run  *spoken
		body string
		code int
		want string
	}{
		{"rows", &spoken{text: twoRows}, `{"query":"SELECT 1"}`, 200, `"columns":[{"name":"n","type":"UInt64"}],"rows":[[18446744073709551615],[2]],"rows_read":7,"bytes_read":56`},
		{"read by the summary", &spoken{text: `{"meta":[],"data":[],"statistics":{"rows_read":0}}`, read: store.Read{Rows: 5, Bytes: 9}}, `{"query":"x"}`, 200, `"rows_read":5,"bytes_read":9`},
		{"read unknown", &spoken{text: `{"meta":[],"data":[],"statistics":{"rows_read":0}}`}, `{"query":"x"}`, 200, `"rows":[],"elapsed_ms"`},
		{"truncated", &spoken{text: twoRows}, `{"query":"SELECT 1","limit":1}`, 200, `"truncated":true`},
		{"own words", &spoken{err: &store.StatementError{Message: "Code: 62. Syntax error"}}, `{"query":"SELEC"}`, 400, "Code: 62. Syntax error"},
		{"half way", &spoken{text: `{"meta":[], "data":[[1],` + "\nCode: 159. Timeout"}, `{"query":"x"}`, 400, "Code: 159. Timeout"},
		{"own format", &spoken{text: "1\n"}, `{"query":"SELECT 1 FORMAT TSV"}`, 400, "Leave out FORMAT"},
		{"too large", &spoken{text: strings.Repeat("x", maxSQLAnswer+1)}, `{"query":"x"}`, 422, "too large"},
		{"empty", &spoken{}, `{"query":" "}`, 400, "takes a query"},
		{"limit", &spoken{}, `{"query":"x","limit":10001}`, 400, "takes a query"},
		{"field", &spoken{}, `{"sql":"x"}`, 400, "query and limit"},
		{"large body", &spoken{}, `{"query":"` + strings.Repeat("x", maxInput) + `"}`, 400, "query and limit"},
	} {
		s.deps.SQL = c.run
		if code, answer, _ := post(s, "/api/v1/sql", c.body); code != c.code || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %.300s, want %d with %s", c.name, code, answer, c.code, c.want)
		}
	}
}

func TestSQLAsCSVDisarmsFormulas(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	run := &spoken{text: "\"name\",\"n\"\n\"=cmd|'/c calc'!A0\",-5\n\"@x\",\"-1+1\"\n\"two\nlines \"\"quoted\"\"\",1e3\n"}
	s.deps.SQL = run
	code, answer, _ := post(s, "/api/v1/sql?format=csv", `{"query":"x"}`)
	if want := "name,n\r\n'=cmd|'/c calc'!A0,-5\r\n'@x,'-1+1\r\n\"two\r\nlines \"\"quoted\"\"\",1e3\r\n"; code != 200 || answer != want || run.maxRows != 0 {
		t.Errorf("%d %q, want %q", code, answer, want)
	}
	run.text, run.err = "", &store.StatementError{Message: "Code: 62"}
	if code, answer, _ := post(s, "/api/v1/sql?format=csv", `{"query":"x"}`); code != 400 || !strings.Contains(answer, "Code: 62") {
		t.Errorf("%d %s", code, answer)
	}
	run.text, run.err = "a\n1\n", errors.New("gone")
	func() {
		defer func() {
			if recover() == nil {
				t.Error("half of an answer passes for the whole")
			}
		}()
		post(s, "/api/v1/sql?format=csv", `{"query":"x"}`)
	}()
}

func TestViewersRunStatementsOnlyWhereTheyAreConfined(t *testing.T) {
	s := guardedServer(t, nil)
	for confined, want := range map[bool]int{true: 200, false: 403} {
		s.deps.SQL = &spoken{confined: confined, text: twoRows}
		code, answer, _ := post(s, "/api/v1/sql", `{"query":"x"}`, "Authorization", "Bearer "+testToken)
		if code != want || want == 200 && !json.Valid([]byte(answer)) {
			t.Errorf("confined %v: %d %s, want %d", confined, code, answer, want)
		}
	}
}
