package httpui

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/nfstats/nfstats/collector/loglimit"
)

// loginAs asks for a login from an address, with cookies.
func loginAs(s *Server, address, name, password string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	body := fmt.Sprintf(`{"name":%q,"password":%q}`, name, password)
	r := httptest.NewRequest("POST", "/api/v1/login", strings.NewReader(body))
	r.Host, r.RemoteAddr = "localhost", net.JoinHostPort(address, "5")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// guess fails with a name from many addresses until it is locked.
func guess(t *testing.T, s *Server, name string) {
	t.Helper()
	for i := range attemptsPerName {
		if w := loginAs(s, fmt.Sprintf("198.51.100.%d", i), name, "guess"); w.Code != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d %s", i, w.Code, w.Body)
		}
	}
	if w := loginAs(s, "203.0.113.9", name, "guess"); w.Code != http.StatusTooManyRequests {
		t.Fatalf("after %d guesses: %d %s", attemptsPerName, w.Code, w.Body)
	}
}

// What strangers do with a user's name keeps no device out that the user logged
// in from before, also over a restart.
func TestStrangersLockNoKnownDeviceOut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "devices.json")
	var config Config
	s := guardedServer(t, func(c *Config) { c.Access.DevicesFile = file; config = *c })
	first := loginAs(s, "192.0.2.1", "ada", "admin's words").Result().Cookies()
	ada := first[1]
	if !ada.HttpOnly || ada.SameSite != http.SameSiteStrictMode || ada.MaxAge < 86400 || len(ada.Value) < 50 {
		t.Errorf("the cookie is %s", ada)
	}
	text, err := os.ReadFile(file)
	if info, _ := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || strings.Contains(string(text), ada.Value) {
		t.Errorf("%v: %s", err, text)
	}
	vera := loginAs(s, "192.0.2.2", "vera", "viewer's words").Result().Cookies()[1]
	for range 2 {
		guess(t, s, "ada")
		planted := &http.Cookie{Name: ada.Name, Value: vera.Value}
		for _, cookies := range [][]*http.Cookie{nil, {vera}, {planted}, {{Name: ada.Name, Value: "guessed"}}} {
			if w := loginAs(s, "192.0.2.1", "ada", "admin's words", cookies...); w.Code != http.StatusTooManyRequests {
				t.Errorf("another device with %v: %d", cookies, w.Code)
			}
		}
		w := loginAs(s, "203.0.113.7", "ada", "admin's words", ada)
		if w.Code != http.StatusOK || w.Result().Cookies()[1].Value != ada.Value {
			t.Errorf("the known device: %d %s", w.Code, w.Body)
		}
		s = guardedServer(t, func(c *Config) { c.Access = config.Access }) // a restart, which forgets the guesses
	}
	for range attemptsPerDevice { // who takes the device's cookie may not guess without end
		loginAs(s, "203.0.113.8", "ada", "guess", ada)
	}
	if w := loginAs(s, "203.0.113.7", "ada", "admin's words", ada); w.Code != http.StatusTooManyRequests {
		t.Errorf("guesses with the cookie: %d", w.Code)
	}
	if w := loginAs(s, "203.0.113.7", "ada", "admin's words"); w.Code != http.StatusOK {
		t.Errorf("guesses with the cookie count for others: %d", w.Code)
	}
}

func TestKnownDevicesAreBounded(t *testing.T) {
	s := guardedServer(t, nil)
	vera := loginAs(s, "192.0.2.2", "vera", "viewer's words").Result().Cookies()[1]
	for range maxDevices + 5 {
		logIn(t, s, "ada", "admin's words")
	}
	if n := len(s.gate.devices.devices); n != maxDevices+1 {
		t.Errorf("%d devices of two users are known", n)
	}
	guess(t, s, "vera")
	if w := loginAs(s, "192.0.2.2", "vera", "viewer's words", vera); w.Code != http.StatusOK {
		t.Errorf("devices of one user push out another's: %d", w.Code)
	}
}

// The machine itself is the way back for users whom strangers lock out, but not
// for what a proxy on it passes on.
func TestTheMachineItselfIsTheWayBack(t *testing.T) {
	s := guardedServer(t, nil)
	guess(t, s, "ada")
	const right = `{"name":"ada","password":"admin's words"}`
	address := served(t, s)
	response, text := asked(t, "POST", address+"/api/v1/login", right, "X-Forwarded-For", "127.0.0.1")
	if response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("through a proxy: %d %s", response.StatusCode, text)
	}
	if response, text = asked(t, "POST", address+"/api/v1/login", right); response.StatusCode != http.StatusOK {
		t.Errorf("on the machine itself: %d %s", response.StatusCode, text)
	}
}

// However many passwords strangers have compared, users do not wait for them.
func TestStrangersTakeNoTurnsOfUsers(t *testing.T) {
	s := guardedServer(t, nil)
	device := loginAs(s, "192.0.2.1", "ada", "admin's words").Result().Cookies()[1]
	s.gate.strangers.work <- struct{}{} // a stranger's comparison that takes long
	for s.gate.strangers.enter() {      // and as many that wait as may
	}
	w := loginAs(s, "198.51.100.1", "ada", "guess")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("one stranger more: %d %v", w.Code, w.Header())
	}
	if w := loginAs(s, "192.0.2.1", "ada", "admin's words", device); w.Code != http.StatusOK {
		t.Errorf("a known device: %d %s", w.Code, w.Body)
	}
}

// Failed logins fill no disk with lines, but all are counted.
func TestFailedLoginsAreCountedAndFewAreLogged(t *testing.T) {
	core, lines := observer.New(zap.WarnLevel)
	s := guardedServer(t, nil)
	s.deps.Logger = zap.New(core)
	for i := range 300 {
		loginAs(s, fmt.Sprintf("198.51.%d.%d", i/200, i%200), fmt.Sprintf("name%d", i), "guess")
	}
	if n := lines.FilterMessage("a login failed").Len(); n != loglimit.Lines {
		t.Errorf("%d lines of 300 failed logins, want %d", n, loglimit.Lines)
	}
	if n := testutil.ToFloat64(s.metrics.logins.WithLabelValues("failed")); n != 300 {
		t.Errorf("%v failed logins are counted, want 300", n)
	}
}
