package httpui

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nfstats/nfstats/store"
)

// These tests ask a server by its port, as strangers and users do.

// served runs a server until the test ends and returns its address.
func served(t *testing.T, s *Server) string {
	t.Helper()
	s.config.Listen = "127.0.0.1:0"
	ctx, stop := context.WithCancel(context.Background())
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + s.listener.Addr().String()
}

// asked sends a request and returns the answer; header Host is the request's host.
func asked(t *testing.T, method, target, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r) // follows no redirects
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// TestEveryRouteIsGuarded goes through the routes as they are registered, so that
// a new one is asked, too.
func TestEveryRouteIsGuarded(t *testing.T) {
	s := guardedServer(t, nil)
	address := served(t, s)
	open := map[string]bool{"GET /login": true, "POST /api/v1/login": true, "POST /api/v1/logout": true, "GET /api/v1/session": true, "GET /healthz": true, "GET /readyz": true}
	asking := map[string]bool{"POST /api/v1/sql": true, "POST /api/v1/login": true, "POST /api/v1/logout": true} // changes nothing of others
	for _, pattern := range s.patterns {
		method, path, found := strings.Cut(pattern, " ")
		if !found {
			method, path = "GET", pattern
		}
		for _, wildcard := range []string{"{address}", "{exporter}", "{id}", "{ifIndex}", "{$}"} {
			path = strings.ReplaceAll(path, wildcard, strings.Trim(wildcard, "{}$"))
		}
		response, _ := asked(t, method, address+path, "")
		switch {
		case open[method+" "+path]:
		case path == "/metrics": // loopback may read it, TestMetricsAndReadinessOfStrangers
		case strings.HasPrefix(path, "/api/") && response.StatusCode != http.StatusUnauthorized,
			!strings.HasPrefix(path, "/api/") && response.StatusCode != http.StatusSeeOther:
			t.Errorf("%s %s without a login: status %d", method, path, response.StatusCode)
		}
		if method == "GET" || asking[method+" "+path] {
			continue
		}
		if response, _ := asked(t, method, address+path, "{}", "Authorization", "Bearer "+testToken); response.StatusCode != http.StatusForbidden {
			t.Errorf("%s %s by a viewer: status %d, want 403", method, path, response.StatusCode)
		}
	}
	if len(s.patterns) < 40 {
		t.Errorf("%d routes were asked", len(s.patterns))
	}
}

func TestAnswersOfEveryKindHaveTheHeaders(t *testing.T) {
	s := guardedServer(t, nil)
	s.deps.SQL = &spoken{confined: true, text: twoRows}
	address := served(t, s)
	mine := []string{"Authorization", "Bearer " + testToken}
	for _, c := range []struct {
		method, path, body string
		headers            []string
		status             int
	}{
		{"GET", "/api/v1/status", "", mine, 200},
		{"GET", "/api/v1/status", "", nil, 401},
		{"GET", "/api/v1/none", "", mine, 404},
		{"PUT", "/api/v1/status", "", mine, 403},
		{"GET", "/api/v1/flows?format=csv", "", mine, 200},
		{"POST", "/api/v1/flows?format=csv", "", mine, 403},
		{"GET", "/api/v1/flows?format=csv&filter=a;b", "", mine, 400}, // not the flows of another question
		{"GET", "/api/v1/openapi.json", "", mine, 200},
		{"POST", "/api/v1/sql", `{"query":"x"}`, mine, 200},
		{"POST", "/api/v1/sql?format=csv", `{"query":"x FORMAT JSON"}`, mine, 400},
		{"POST", "/api/v1/login", `{"name":"vera","password":"wrong"}`, nil, 401},
		{"POST", "/api/v1/login", `{"name":"vera","password":"viewer's words"}`, []string{"Origin", "http://evil.example"}, 403},
		{"GET", "/api/v1/session", "", []string{"Host", "evil.example"}, 421},
		{"GET", "/metrics", "", mine, 200},
		{"GET", "/healthz", "", nil, 200},
		{"GET", "/", "", nil, 303},
	} {
		response, text := asked(t, c.method, address+c.path, c.body, c.headers...)
		if response.StatusCode != c.status {
			t.Errorf("%s %s: status %d, want %d: %.200s", c.method, c.path, response.StatusCode, c.status, text)
		}
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"Cross-Origin-Resource-Policy": "same-origin", "Content-Security-Policy": contentSecurityPolicy} {
			if got := response.Header.Get(name); got != want {
				t.Errorf("%s %s: %s is %q, want %q", c.method, c.path, name, got, want)
			}
		}
	}
}

func TestLoginsFromOutside(t *testing.T) {
	address := served(t, guardedServer(t, nil))
	const right = `{"name":"vera","password":"viewer's words"}`
	response, text := asked(t, "POST", address+"/api/v1/login", right)
	if response.StatusCode != 200 || len(response.Cookies()) != 2 {
		t.Fatalf("%d %s", response.StatusCode, text)
	}
	cookie := []string{"Cookie", response.Cookies()[0].String()}
	status := func() int { r, _ := asked(t, "GET", address+"/api/v1/status", "", cookie...); return r.StatusCode }
	if got := status(); got != 200 {
		t.Errorf("with the session: status %d", got)
	}
	asked(t, "POST", address+"/api/v1/logout", "", cookie...)
	if got := status(); got != 401 {
		t.Errorf("after the logout: status %d", got)
	}
	for range attemptsPerAddress {
		if response, _ := asked(t, "POST", address+"/api/v1/login", `{"name":"vera","password":"guess"}`); response.StatusCode != 401 {
			t.Fatalf("status %d, want 401", response.StatusCode)
		}
	}
	// A header that a stranger writes makes him nobody else.
	response, _ = asked(t, "POST", address+"/api/v1/login", right, "X-Forwarded-For", "192.0.2.77")
	if response.StatusCode != 429 || response.Header.Get("Retry-After") == "" {
		t.Errorf("after %d failures: status %d, Retry-After %q", attemptsPerAddress, response.StatusCode, response.Header.Get("Retry-After"))
	}
}

// hostile are names as a router may announce them.
var hostile = []string{`=cmd|' /C calc'!A0`, "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", `<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "</title>\u2028"}

// TestHostileNamesStayText wants names to arrive as they are in JSON that is no
// HTML, and as no formulas in CSV.
func TestHostileNamesStayText(t *testing.T) {
	for _, name := range hostile {
		s, inventory, _ := inventoryServer(t)
		inventory.interfaces[0].Description = name
		inventory.exporters[0].Name = name
		inventory.interfaces[0].Edit = store.Unedited
		address := served(t, s)
		for _, path := range []string{"/api/v1/interfaces", "/api/v1/devices"} {
			response, text := asked(t, "GET", address+path, "")
			if response.StatusCode != 200 || !strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") || strings.ContainsAny(text, "<>") {
				t.Errorf("%s with %q: %d %s %.300s", path, name, response.StatusCode, response.Header.Get("Content-Type"), text)
			}
			var answer map[string][]map[string]any
			if err := json.Unmarshal([]byte(text), &answer); err != nil {
				t.Fatal(err)
			}
			if first := answer[strings.TrimPrefix(path, "/api/v1/")][0]; first["name"] != name && first["description"] != name {
				t.Errorf("%s has not the name %q: %v", path, name, first)
			}
		}
		quoted := strings.ReplaceAll(name, `"`, `""`)
		s.deps.SQL = &spoken{confined: true, text: "\"name\"\n\"" + quoted + "\"\n"}
		_, text := asked(t, "POST", address+"/api/v1/sql?format=csv", `{"query":"x"}`)
		_, cell, _ := strings.Cut(text, "\r\n")
		if strings.ContainsAny(strings.TrimPrefix(cell, `"`)[:1], "=+-@\t\r\n") {
			t.Errorf("%q is a formula in CSV: %q", name, text)
		}
	}
}

// endless answers with one value that does not end.
type endless struct{ sent atomic.Int64 }

func (e *endless) Confined() bool { return true }

func (e *endless) Run(_ context.Context, _ store.Statement, w io.Writer) (store.Read, error) {
	chunk := bytes.Repeat([]byte{'x'}, 1<<20)
	for e.sent.Load() < 8*maxSQLAnswer {
		n, err := w.Write(chunk)
		e.sent.Add(int64(n))
		if err != nil {
			return store.Read{}, err
		}
	}
	return store.Read{}, nil
}

func TestAValueWithoutEndIsNotHeldInMemory(t *testing.T) {
	for _, format := range []string{"", "?format=csv"} {
		s := testServer(t, &fakeFlows{})
		run := &endless{}
		s.deps.SQL = run
		response, text := asked(t, "POST", served(t, s)+"/api/v1/sql"+format, `{"query":"x"}`)
		if response.StatusCode != http.StatusUnprocessableEntity || run.sent.Load() > 2*maxSQLAnswer {
			t.Errorf("%q: status %d after %d octets: %.200s", format, response.StatusCode, run.sent.Load(), text)
		}
	}
}

func TestStatementsAtOnceAreBounded(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	run := &counted{}
	s.deps.SQL = run
	address := served(t, s)
	var ends []func()
	for range maxStatements {
		end, err := s.beginStatement(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	impatient := http.Client{Timeout: 500 * time.Millisecond}
	if response, err := impatient.Post(address+"/api/v1/sql", "application/json", strings.NewReader(`{"query":"x"}`)); err == nil {
		response.Body.Close()
		t.Errorf("with all places taken: status %d", response.StatusCode)
	}
	if n := run.statements.Load(); n != 0 {
		t.Errorf("%d statements ran beside %d others", n, maxStatements)
	}
	for _, end := range ends {
		end()
	}
	for range 2 * maxStatements { // places are given back
		if response, text := asked(t, "POST", address+"/api/v1/sql", `{"query":"x"}`); response.StatusCode != 200 {
			t.Fatalf("status %d: %.200s", response.StatusCode, text)
		}
	}
}

// counted counts the statements that run.
type counted struct{ statements atomic.Int64 }

func (c *counted) Confined() bool { return true }

func (c *counted) Run(_ context.Context, _ store.Statement, out io.Writer) (store.Read, error) {
	c.statements.Add(1)
	_, err := io.WriteString(out, twoRows)
	return store.Read{}, err
}
