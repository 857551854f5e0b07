package httpui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/nfstats/nfstats/store"
)

// Extent makes fakeFlows a store that holds seven flows.
func (f *fakeFlows) Extent(context.Context) (store.Extent, error) {
	return store.Extent{Flows: 7, Oldest: time.UnixMilli(1000), Newest: time.UnixMilli(2500)}, f.err
}

// oddFlows answers Series in its own way.
type oddFlows struct {
	fakeFlows
	series func() (*store.Series, error)
}

func (f *oddFlows) Series(context.Context, store.Selection, string, int, int) (*store.Series, error) {
	return f.series()
}

func oddServer(t *testing.T, series func() (*store.Series, error)) *Server {
	t.Helper()
	s := testServer(t, &fakeFlows{})
	s.deps.Flows = &oddFlows{series: series}
	return s
}

func TestPanicsAreAnsweredAndCounted(t *testing.T) {
	s := oddServer(t, func() (*store.Series, error) { panic("inner detail") })
	w := request(s, "GET", "/api/v1/series")
	if id := w.Header().Get("X-Request-Id"); w.Code != 500 || strings.Contains(w.Body.String(), "inner detail") || id == "" || !strings.Contains(w.Body.String(), id) {
		t.Errorf("status %d, %s; want 500 with the request id and without inner details", w.Code, w.Body)
	}
	counted := request(s, "GET", "/metrics").Body.String()
	for _, line := range []string{"nfstats_http_panics_total 1\n", `nfstats_http_requests_total{code="500",route="/api/v1/series"} 1` + "\n"} {
		if !strings.Contains(counted, line) {
			t.Errorf("/metrics lacks %q", line)
		}
	}
	if got := request(s, "GET", "/healthz").Code; got != 200 {
		t.Errorf("after a panic: status %d, want 200", got)
	}
}

func TestRoutesBoundTheMetrics(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	for i := range 50 {
		request(s, "GET", fmt.Sprintf("/no/such/%d", i))
		request(s, "GET", fmt.Sprintf("/api/v1/none/%d", i))
	}
	series := strings.Count(request(s, "GET", "/metrics").Body.String(), "nfstats_http_requests_total{")
	if series == 0 || series > 4 {
		t.Errorf("100 made-up addresses made %d series", series)
	}
}

func TestStatusOfErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"deadline":    {context.DeadlineExceeded, 504},
		"slow":        {&clickhouse.Exception{Code: codeTimeoutExceeded}, 504},
		"rows":        {&clickhouse.Exception{Code: codeTooManyRows}, 422},
		"memory":      {&clickhouse.Exception{Code: codeMemoryLimit}, 422},
		"syntax":      {&clickhouse.Exception{Code: 62, Message: "Syntax error"}, 502},
		"unreachable": {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, 503},
		"other":       {errors.New("something else"), 502},
	} {
		s := oddServer(t, func() (*store.Series, error) { return nil, fmt.Errorf("read traffic by src_as: %w", c.err) })
		if got := request(s, "GET", "/api/v1/series"); got.Code != c.want || !strings.Contains(got.Body.String(), `"request_id"`) {
			t.Errorf("%s: status %d, want %d: %s", name, got.Code, c.want, got.Body)
		}
	}
}

func TestRequestsThatCannotBeMeant(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	for target, want := range map[string]int{
		"/api/v1/series?by=src_as;DROP": 400, // net/url skips such a pair
		"/api/v1/series?by=%zz":         400,
		"/api/v1/none":                  404,
	} {
		if w := request(s, "GET", target); w.Code != want || !strings.Contains(w.Body.String(), `"request_id"`) {
			t.Errorf("%s: status %d, want %d: %s", target, w.Code, want, w.Body)
		}
	}
	if w := request(s, "POST", "/api/v1/status", "Sec-Fetch-Site", "same-origin"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestValuesThatAreNoJSONAreErrors(t *testing.T) {
	s := oddServer(t, func() (*store.Series, error) {
		return &store.Series{FlowsPerSecond: []float64{math.NaN()}}, nil
	})
	if w := request(s, "GET", "/api/v1/series"); w.Code != 500 || !json.Valid(w.Body.Bytes()) {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
}

func TestAcceptEncoding(t *testing.T) {
	s := oddServer(t, func() (*store.Series, error) { return &store.Series{FlowsPerSecond: make([]float64, 2000)}, nil })
	for accept, want := range map[string]string{"gzip": "gzip", "br, GZIP;q=0.5": "gzip", "": "", "br": "", "gzip;q=0": "", "x-gzip-not": ""} {
		if got := request(s, "GET", "/api/v1/series", "Accept-Encoding", accept).Header().Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: Content-Encoding %q, want %q", accept, got, want)
		}
	}
}

func TestTheListenNameIsKnown(t *testing.T) {
	for listen, want := range map[string]int{"flows.example.org:8080": 200, ":8080": 421, "127.0.0.1:8080": 421} {
		s := testServer(t, &fakeFlows{})
		s.config.Listen = listen
		h := s.knownHosts(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for host, want := range map[string]int{"flows.example.org:8080": want, "localhost.": 200, "": 421} {
			w := &statusWriter{ResponseWriter: discard{http.Header{}}}
			h.ServeHTTP(w, &http.Request{Method: "GET", Host: host, Header: http.Header{}})
			if got := max(w.code, 200); got != want {
				t.Errorf("listening on %s, host %q: status %d, want %d", listen, host, got, want)
			}
		}
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func TestStatusTellsWhatIsStored(t *testing.T) {
	for name, c := range map[string]struct {
		server *Server
		want   string
	}{
		"flows":        {testServer(t, &fakeFlows{}), `"stored":{"flows":7,"oldest_ms":1000,"newest_ms":2500}`},
		"no answer":    {testServer(t, &fakeFlows{err: errors.New("gone")}), `"ready":true,"problems":[],"receiving":["192.0.2.9:2055"],"stored":null`},
		"not prepared": {testServer(t, &fakeFlows{}, "starting"), `"ready":false,"problems":["starting"],"receiving":["192.0.2.9:2055"],"stored":null`},
	} {
		if w := request(c.server, "GET", "/api/v1/status"); w.Code != 200 || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %s", name, w.Code, w.Body, c.want)
		}
	}
}

func TestRunAnswersWhatIsRunningBeforeItStops(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := oddServer(t, func() (*store.Series, error) {
		close(entered)
		<-release
		return &store.Series{}, nil
	})
	s.config.Listen = "127.0.0.1:0"
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done, answered := make(chan error, 1), make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	go func() {
		response, err := http.Get("http://" + s.listener.Addr().String() + "/api/v1/series")
		if err == nil {
			response.Body.Close()
		}
		answered <- err
	}()
	<-entered
	stop()
	for { // until it takes no new connections: the stop has begun
		c, err := net.Dial("tcp", s.listener.Addr().String())
		if err != nil {
			break
		}
		c.Close()
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // in which an impatient server would cut the request off
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("the running request: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}
