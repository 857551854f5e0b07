package httpui

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nfstats/nfstats/store"
)

// fakeRetention stands in for the store's, whose own tests ask ClickHouse.
type fakeRetention struct{ settings store.RetentionSettings }

func (f *fakeRetention) Status(context.Context) (*store.RetentionStatus, error) {
	settings := f.settings
	settings.Days = maps.Clone(settings.Days)
	return &store.RetentionStatus{Settings: settings, Configured: settings, FullInDays: 6, UsedBytes: 5, Warnings: []string{"in 6 days the disk is full"}}, nil
}

func (f *fakeRetention) Set(_ context.Context, settings store.RetentionSettings) error {
	f.settings = settings
	return nil
}

func TestRetention(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	kept := &fakeRetention{store.RetentionSettings{MaxDisk: "80%", Days: map[string]int{"flows": 10, "flows_1m": 30, "flows_1h": 400, "if_counters": 400, "calibration": 400}}}
	s.deps.Retention = kept
	for _, tc := range []struct {
		method, body string
		status       int
		want         string
	}{
		{"GET", "", 200, `"full_in_days":6`},
		{"PUT", `{"flows": 5}`, 200, `"flows":5,"flows_1m":30`},
		{"PUT", `{"max_disk": "200GB"}`, 200, `"max_disk":"200GB"`},
		{"PUT", `{"flows": -1, "max_disk": "much"}`, 422, `"flows":"-1 days is not`},
		{"PUT", `{"flows_1h": 36501}`, 422, `"flows_1h":"36501 days is not between 1 and 36500, nor 0 for forever`},
		{"PUT", `{"flows_1h": 0}`, 200, `"flows_1h":0`},
		{"PUT", `{"flows": "x"}`, 422, `"flows":`},
		{"PUT", `{"flowz": 1}`, 400, `flowz`},
	} {
		r := httptest.NewRequest(tc.method, "/api/v1/system/retention", strings.NewReader(tc.body))
		r.Host = "localhost:8080"
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		var compact any
		if err := json.Unmarshal(w.Body.Bytes(), &compact); err != nil {
			t.Fatalf("%s %s: %s", tc.method, tc.body, w.Body)
		}
		text := strings.NewReplacer(" ", "", "\n", "").Replace(w.Body.String())
		if w.Code != tc.status || !strings.Contains(text, strings.ReplaceAll(tc.want, " ", "")) {
			t.Errorf("%s %s: %d %s", tc.method, tc.body, w.Code, w.Body)
		}
	}
	if kept.settings.Days["flows"] != 5 || kept.settings.MaxDisk != "200GB" {
		t.Errorf("kept %+v", kept.settings)
	}
	if w := request(testServer(t, &fakeFlows{}), http.MethodGet, "/api/v1/system/retention"); w.Code != 404 {
		t.Errorf("without: %d", w.Code)
	}
}
