package httpui

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
)

// fakeFlows stands in for the store, whose own tests ask ClickHouse.
type fakeFlows struct {
	flows // what a test does not replace panics
	about store.Selection
	err   error
}

func (f *fakeFlows) Exporters(context.Context, time.Time, time.Time) ([]store.Exporter, error) {
	return []store.Exporter{{Address: netip.MustParseAddr("192.0.2.1"), Flows: 5}}, f.err
}

func testServer(t *testing.T, flows *fakeFlows, problems ...string) *Server {
	t.Helper()
	s, err := New(Config{AllowedHosts: []string{"flows.example.net"}, Version: "1.2.3"}, Dependencies{
		Flows: flows,
		Live: func(context.Context) ([]netflow.ExporterStatus, error) {
			return []netflow.ExporterStatus{{Address: netip.MustParseAddr("192.0.2.1")}, {Address: netip.MustParseAddr("192.0.2.2")}}, nil
		},
		Templates: func(_ context.Context, a netip.Addr) ([]netflow.TemplateStatus, error) {
			return []netflow.TemplateStatus{{ID: 256, Version: 9}}, nil
		},
		Addresses: func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort("192.0.2.9:2055")} },
		Problems:  func(context.Context) []string { return problems },
		Registry:  prometheus.NewRegistry(), Logger: zap.NewNop(), LogLevel: zap.NewAtomicLevel(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func request(s *Server, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost:8080"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func TestSecurityHeaders(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	for _, path := range []string{"/", "/api/v1/status", "/nosuch", "/healthz"} {
		h := request(s, "GET", path).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy":      "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "same-origin",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Permissions-Policy":           "camera=(), microphone=(), geolocation=()",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestKnownHosts(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	for host, want := range map[string]int{
		"localhost:8080": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "192.0.2.9": 200, "flows.example.net": 200, "FLOWS.example.net:443": 200,
		"evil.example": 421, "evil.example:8080": 421, "localhost.evil.example": 421, "": 421,
	} {
		if got := request(s, "GET", "/healthz", "Host", host).Code; got != want {
			t.Errorf("host %q: status %d, want %d", host, got, want)
		}
	}
}

func TestCrossOriginWritesAreRefused(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	if got := request(s, "POST", "/api/v1/status", "Sec-Fetch-Site", "cross-site").Code; got != http.StatusForbidden {
		t.Errorf("status %d, want 403", got)
	}
}

func TestReadiness(t *testing.T) {
	if w := request(testServer(t, &fakeFlows{}), "GET", "/readyz"); w.Code != 200 || !strings.Contains(w.Body.String(), `"ready":true`) {
		t.Errorf("ready: %d %s", w.Code, w.Body)
	}
	if w := request(testServer(t, &fakeFlows{}, "ClickHouse is away"), "GET", "/readyz"); w.Code != 503 || !strings.Contains(w.Body.String(), "ClickHouse is away") {
		t.Errorf("not ready: %d %s", w.Code, w.Body)
	}
}

func TestErrorsCarryTheRequestID(t *testing.T) {
	w := request(testServer(t, &fakeFlows{err: errors.New("read traffic: broken")}), "GET", "/api/v1/series")
	var answer struct{ Error, RequestID string }
	if err := json.Unmarshal(bytes.ReplaceAll(w.Body.Bytes(), []byte("request_id"), []byte("RequestID")), &answer); err != nil {
		t.Fatal(err)
	}
	if w.Code != 502 || answer.Error != "read traffic: broken" || answer.RequestID != w.Header().Get("X-Request-Id") || answer.RequestID == "" {
		t.Errorf("%d %+v", w.Code, answer)
	}
	if w := request(testServer(t, &fakeFlows{}), "GET", "/api/v2/x"); w.Code != 404 || !strings.Contains(w.Body.String(), `"error"`) {
		t.Errorf("unknown API: %d %s", w.Code, w.Body)
	}
}

func TestExportersJoinStoredAndLive(t *testing.T) {
	w := request(testServer(t, &fakeFlows{}), "GET", "/api/v1/exporters")
	var answer struct {
		Exporters []struct {
			Address string
			Flows   uint64
			Live    *struct{ Address string }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if e := answer.Exporters; len(e) != 2 || e[0].Flows != 5 || e[0].Live == nil || e[1].Address != "192.0.2.2" || e[1].Live == nil {
		t.Errorf("%s", w.Body)
	}
}

func TestTemplates(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	if w := request(s, "GET", "/api/v1/exporters/192.0.2.1/templates"); w.Code != 200 || !strings.Contains(w.Body.String(), `"id":256`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := request(s, "GET", "/api/v1/exporters/router/templates"); w.Code != 400 {
		t.Errorf("a name: %d %s", w.Code, w.Body)
	}
}

func TestAssets(t *testing.T) {
	s := testServer(t, &fakeFlows{})
	page := request(s, "GET", "/").Body.String()
	static, err := fs.Sub(embedded, "static")
	if err != nil {
		t.Fatal(err)
	}
	files, err := newAssets(static)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page, files.prefix+"js/main.js") || !strings.Contains(page, "1.2.3") {
		t.Errorf("page: %s", page)
	}
	for name := range files.files {
		plain := request(s, "GET", files.prefix+name)
		zipped := request(s, "GET", files.prefix+name, "Accept-Encoding", "gzip")
		if plain.Code != 200 || !strings.Contains(plain.Header().Get("Cache-Control"), "immutable") || plain.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", name, plain.Code, plain.Header())
		}
		body := zipped.Body.Bytes()
		if zipped.Header().Get("Content-Encoding") == "gzip" {
			unzip, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(unzip); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(body, plain.Body.Bytes()) {
			t.Errorf("%s: the compressed file differs", name)
		}
		if again := request(s, "GET", files.prefix+name, "If-None-Match", plain.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s: status %d with its own ETag", name, again.Code)
		}
	}
	if w := request(s, "GET", "/assets/0000/js/main.js"); w.Code != 404 {
		t.Errorf("another digest: %d", w.Code)
	}
}

// TestVendoredFiles wants the vendored files to be those that VENDOR.json
// describes.
func TestVendoredFiles(t *testing.T) {
	text, err := os.ReadFile("static/lib/VENDOR.json")
	if err != nil {
		t.Fatal(err)
	}
	var vendor struct {
		Files []struct {
			File, SHA256 string
			Bytes        int
		}
	}
	if err := json.Unmarshal(text, &vendor); err != nil {
		t.Fatal(err)
	}
	named := []string{"VENDOR.json"}
	for _, f := range vendor.Files {
		named = append(named, f.File)
		content, err := os.ReadFile("static/lib/" + f.File)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != f.SHA256 || len(content) != f.Bytes {
			t.Errorf("%s is not what VENDOR.json describes", f.File)
		}
	}
	entries, err := os.ReadDir("static/lib")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(named, e.Name()) {
			t.Errorf("%s is not in VENDOR.json", e.Name())
		}
	}
}

func TestReachableAddresses(t *testing.T) {
	got := reachable([]netip.AddrPort{netip.MustParseAddrPort("[::]:2055"), netip.MustParseAddrPort("192.0.2.9:4739")},
		[]netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1")})
	if want := []string{"198.51.100.1:2055", "[2001:db8::1]:2055", "192.0.2.9:4739"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
