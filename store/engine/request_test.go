package engine

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadRequest(t *testing.T) {
	type want struct {
		SQL, Format, Database, Role, Data string
		TakesData                         bool
		Revision                          uint64
		Parameters, Settings              map[string]string
		Code                              int
	}
	none := map[string]string{}
	for _, c := range []struct {
		name, method, url, body string
		header                  http.Header
		want                    want
	}{
		{"statement in the URL", "GET", "/?query=SELECT+1", "", nil, want{SQL: "SELECT 1", Format: "TabSeparated"}},
		{"statement in the body", "POST", "/", "SELECT 1\n", nil, want{SQL: "SELECT 1", Format: "TabSeparated"}},
		{"statement in both", "POST", "/?query=SELECT", "1", nil, want{SQL: "SELECT\n1", Format: "TabSeparated"}},
		{"a GET has no body", "GET", "/?query=SELECT", "1", nil, want{SQL: "SELECT", Format: "TabSeparated"}},
		{"semicolon", "GET", "/?query=SELECT+1;", "", nil, want{SQL: "SELECT 1;", Format: "TabSeparated"}},
		{"everything", "POST", "/?default_format=CSV&database=d&role=r&param_x=1&param_y=%27&max_threads=2&client_protocol_version=54460&user=u&password=p&session_id=s", "SELECT 1", nil,
			want{SQL: "SELECT 1", Format: "CSV", Database: "d", Role: "r", Revision: 54460, Parameters: map[string]string{"x": "1", "y": "'"}, Settings: map[string]string{"max_threads": "2"}}},
		{"headers", "POST", "/", "SELECT 1", http.Header{"X-Clickhouse-Database": {"d"}, "X-Clickhouse-Format": {"XML"}}, want{SQL: "SELECT 1", Format: "XML", Database: "d"}},
		{"the URL wins over headers", "POST", "/?database=u&default_format=CSV", "SELECT 1", http.Header{"X-Clickhouse-Database": {"d"}, "X-Clickhouse-Format": {"XML"}}, want{SQL: "SELECT 1", Format: "CSV", Database: "u"}},
		{"the statement wins over all", "POST", "/?default_format=CSV", "SELECT 1 FORMAT Null", nil, want{SQL: "SELECT 1 FORMAT Null", Format: "Null"}},
		{"insert", "POST", "/?query=INSERT+INTO+t+FORMAT+CSV", "1\n2\n", nil, want{SQL: "INSERT INTO t ", Format: "CSV", TakesData: true, Data: "1\n2\n"}},
		{"insert by default format", "POST", "/?query=INSERT+INTO+t&default_format=CSV", "1\n2\n", nil, want{SQL: "INSERT INTO t", Format: "CSV", TakesData: true, Data: "1\n2\n"}},
		{"insert in the body", "POST", "/", "INSERT INTO t FORMAT CSV\n1\n2\n", nil, want{SQL: "INSERT INTO t ", Format: "CSV", TakesData: true, Data: "1\n2\n"}},
		{"insert without body", "GET", "/?query=INSERT+INTO+t+VALUES+(1)", "", nil, want{SQL: "INSERT INTO t ", Format: "Values", TakesData: true, Data: " (1)"}},
		{"long insert", "POST", "/", "INSERT INTO t FORMAT CSV\n" + strings.Repeat("1\n", peekStatement), nil, want{SQL: "INSERT INTO t ", Format: "CSV", TakesData: true, Data: strings.Repeat("1\n", peekStatement)}},
		{"insert with a long head", "POST", "/", "INSERT INTO t (" + strings.Repeat("a,", peekStatement) + "b) SELECT 1", nil, want{SQL: "INSERT INTO t (" + strings.Repeat("a,", peekStatement) + "b) SELECT 1", Format: "TabSeparated"}},
		{"statement too long", "POST", "/", "SELECT " + strings.Repeat("1,", 1<<20) + "1", nil, want{Code: codeQueryTooLarge}},
		{"bad escape", "GET", "/?query=%zz", "", nil, want{Code: codeBadArguments}},
		{"bad revision", "GET", "/?query=SELECT+1&client_protocol_version=-1", "", nil, want{Code: codeBadArguments}},
		{"no name of a setting", "GET", "/?query=SELECT+1&--path=/", "", nil, want{Code: codeBadArguments}},
		{"unknown coding", "POST", "/", "SELECT 1", http.Header{"Content-Encoding": {"rot13"}}, want{Code: codeUnknownCompression}},
		{"wrong coding", "POST", "/", "SELECT 1", http.Header{"Content-Encoding": {"gzip"}}, want{Code: codeUnknownCompression}},
		{"broken form", "POST", "/", "SELECT 1", http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}, want{Code: codeBadArguments}},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, c.url, strings.NewReader(c.body))
		if err != nil {
			u := &url.URL{Path: "/", RawQuery: strings.TrimPrefix(c.url, "/?")}
			r = &http.Request{Method: c.method, URL: u, Body: io.NopCloser(strings.NewReader(c.body))}
		}
		if c.header != nil {
			r.Header = c.header
		}
		q, err := readRequest(r, 2<<20, true)
		if c.want.Code != 0 {
			if e := (*exception)(nil); !errors.As(err, &e) || e.code != c.want.Code {
				t.Errorf("%s: got %v, want code %d", c.name, err, c.want.Code)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := want{SQL: q.sql, Format: q.format, Database: q.database, Role: q.role, TakesData: q.takesData, Revision: q.revision, Parameters: q.parameters, Settings: q.settings}
		if q.data != nil {
			data, err := io.ReadAll(q.data)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			got.Data = string(data)
		}
		if c.want.Parameters == nil {
			c.want.Parameters = none
		}
		if c.want.Settings == nil {
			c.want.Settings = none
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %.1000s", c.name, diff)
		}
	}
}

// FuzzReadRequest feeds arbitrary requests. None may be read beyond its bounds.
func FuzzReadRequest(f *testing.F) {
	f.Add("query=SELECT+1&param_x=1", "", "", "")
	f.Add("query=INSERT+INTO+t+FORMAT+CSV&decompress=1", "1,2", "lz4", "text/plain")
	f.Add("", "--x\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT 1\r\n--x--", "", "multipart/form-data; boundary=x")
	f.Fuzz(func(t *testing.T, rawQuery, body, coding, kind string) {
		const limit = 4096
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/", RawQuery: rawQuery}, Body: io.NopCloser(strings.NewReader(body)),
			Header: http.Header{"Content-Encoding": {coding}, "Content-Type": {kind}}}
		q, err := readRequest(r, limit, true)
		if err != nil {
			return
		}
		if len(q.sql) > max(limit, len(rawQuery)) {
			t.Errorf("a statement of %d bytes", len(q.sql))
		}
		for name := range q.settings {
			if !settingName.MatchString(name) {
				t.Errorf("setting %q", name)
			}
		}
		if granted, err := readOnlySettings(q.settings, readOnlyCeilings(1<<30, 2)); err == nil && (granted["readonly"] != "" || granted["max_execution_time"] == "") {
			t.Errorf("settings %v became %v", q.settings, granted)
		}
	})
}

// FuzzObjection looks for text in front of a call of a forbidden function behind
// which it is overlooked in ClickHouse's rendering.
func FuzzObjection(f *testing.F) {
	forbidden := forbiddenFunctions([]string{"url"})
	f.Add("SELECT ")
	f.Add("SELECT 'it\\'s', `a\\`b`, --1, a$b$, 1 /* 2, # 3")
	f.Fuzz(func(t *testing.T, before string) {
		for token := range renderedTokens(before) { // quoted text is closed in a rendering
			if strings.ContainsAny(token.text[:1], "'\"`") && quotedLength(token.text+"x") != len(token.text) {
				return
			}
		}
		if reaching(renderedTokens(before+" url('x')"), forbidden) == nil {
			t.Errorf("%q", before)
		}
		if settingObjection(clauseSettings(renderedTokens(before+" SETTINGS x.y = 0, output_format_schema = 'x'"), true), nil) == nil {
			t.Errorf("setting behind %q", before)
		}
	})
}
