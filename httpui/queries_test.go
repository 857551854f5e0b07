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

func (f *fakeFlows) Series(_ context.Context, s store.Selection, by string, _, _ int) (*store.Series, error) {
	f.about = s
	return &store.Series{By: by}, f.err
}

func (f *fakeFlows) Paths(_ context.Context, s store.Selection, dims []string, _ int) (*store.Paths, error) {
	f.about = s
	return &store.Paths{Dims: dims}, f.err
}

func (f *fakeFlows) FlowsCSV(_ context.Context, s store.Selection, _ store.Order, w io.Writer) error {
	f.about = s
	if f.err == nil {
		io.WriteString(w, "time_received\r\n")
	}
	return f.err
}

func TestQueryParameters(t *testing.T) {
	flows := &fakeFlows{}
	s := testServer(t, flows)
	for target, want := range map[string]string{ // "" is 200
		"/api/v1/series": "",
		"/api/v1/series?by=dst_port&top=3&points=10":                               "",
		"/api/v1/series?from=100&to=200&filter=src_as%3D1&scale=raw&direction=out": "",
		"/api/v1/series?from=x":                                                    "from=x: want a whole number",
		"/api/v1/series?from=-1":                                                   "from=-1: want a whole number",
		"/api/v1/series?to=99999999999999":                                         "to=99999999999999: want a whole number",
		"/api/v1/series?points=2001":                                               "points=2001: want a whole number from 1 to 2000",
		"/api/v1/series?by=src_as%27%20OR%201":                                     "want one of bgp_next_hop",
		"/api/v1/series?from=200&to=100":                                           "from must be before to",
		"/api/v1/series?by=flows":                                                  "by=flows: want one of bgp_next_hop",
		"/api/v1/series?top=0":                                                     "top=0: want a whole number from 1 to 100",
		"/api/v1/series?scale=big":                                                 "scale=big: want auto",
		"/api/v1/series?direction=up":                                              "direction=up: want in or out",
		"/api/v1/series?filter=port+%3D+http":                                      `filter: \"http\": is no whole number (at character 8)`,
		"/api/v1/paths":                                                            "",
		"/api/v1/paths?dims=src_as":                                                "dims=src_as: want two to four",
		"/api/v1/paths?dims=src_as,1":                                              "dims=1: want one of",
		"/api/v1/flows?sort=secret":                                                `flows cannot be sorted by \"secret\"`,
		"/api/v1/flows?sort=secret&format=csv":                                     `flows cannot be sorted by \"secret\"`,
		"/api/v1/flows?limit=100000":                                               "limit=100000: want",
		"/api/v1/flows?format=csv":                                                 "",
		"/api/v1/complete?what=tables":                                             "what=tables: want as, exporter or interface",
	} {
		w := request(s, "GET", target)
		if want == "" && w.Code != 200 || want != "" && (w.Code != 400 || !strings.Contains(w.Body.String(), want)) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	request(s, "GET", "/api/v1/series?from=100&to=200&filter=src_as%3D1&scale=raw&direction=out")
	if a := flows.about; a.From.Unix() != 100 || a.To.Unix() != 200 || a.Scale != store.ScaleRaw || a.Direction != "out" || len(a.Filter.Columns()) != 1 {
		t.Errorf("asked for %+v", a)
	}
	var wrong struct{ Position int }
	if err := json.Unmarshal(request(s, "GET", "/api/v1/series?filter=proto+%3D+tcp+or").Body.Bytes(), &wrong); err != nil || wrong.Position != 14 {
		t.Errorf("position %d, want 14: %v", wrong.Position, err)
	}
}

func TestCSVErrors(t *testing.T) {
	if w := request(testServer(t, &fakeFlows{}), "GET", "/api/v1/flows?format=csv"); w.Header().Get("Content-Type") != "text/csv; charset=utf-8" || w.Body.String() != "time_received\r\n" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := request(testServer(t, &fakeFlows{err: errors.New("away")}), "GET", "/api/v1/flows?format=csv"); w.Code != 502 || !strings.Contains(w.Body.String(), "away") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
