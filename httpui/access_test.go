package httpui

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/crypto/bcrypt"
)

const testToken = "nfs_token-of-a-viewer"

// guardedServer has a viewer, an admin and a token.
func guardedServer(t *testing.T, change func(*Config)) *Server {
	t.Helper()
	hash := func(password string) string {
		h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		return string(h)
	}
	sum := sha256.Sum256([]byte(testToken))
	config := Config{Listen: "127.0.0.1:0", Access: Access{
		Users:  []User{{"vera", hash("viewer's words"), Viewer}, {"ada", hash("admin's words"), Admin}},
		Tokens: []Token{{"grafana", strings.ToUpper(hex.EncodeToString(sum[:])), Viewer}},
	}}
	if change != nil {
		change(&config)
	}
	s, err := New(config, Dependencies{Flows: &fakeFlows{}, Addresses: func() []netip.AddrPort { return nil },
		Problems: func(context.Context) []string { return []string{"the disk is full"} }, Registry: prometheus.NewRegistry(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// logIn returns the session's cookie.
func logIn(t *testing.T, s *Server, name, password string) *http.Cookie {
	t.Helper()
	code, answer, cookies := post(s, "/api/v1/login", fmt.Sprintf(`{"name":%q,"password":%q}`, name, password))
	if code != http.StatusOK || len(cookies) != 2 { // of the session and of the device
		t.Fatalf("login of %s: %d %s", name, code, answer)
	}
	return cookies[0]
}

func post(s *Server, target, body string, headers ...string) (int, string, []*http.Cookie) {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	r.Host = "localhost"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Result().Cookies()
}

func TestWhoMayDoWhat(t *testing.T) {
	s := guardedServer(t, nil)
	viewer, admin := "nfstats="+logIn(t, s, "vera", "viewer's words").Value, "nfstats="+logIn(t, s, "ada", "admin's words").Value
	for _, c := range []struct {
		method, path, header, value string
		want                        int
	}{
		{"GET", "/api/v1/status", "", "", 401},
		{"GET", "/api/v1/status", "Cookie", viewer, 200},
		{"GET", "/api/v1/status", "Authorization", "Bearer " + testToken, 200},
		{"GET", "/api/v1/status", "Authorization", "bearer " + testToken, 200},
		{"GET", "/api/v1/status", "Authorization", "Bearer " + testToken + "x", 401},
		{"GET", "/api/v1/status", "Authorization", "Bearer ", 401},
		{"GET", "/api/v1/status", "Authorization", "Basic " + testToken, 401},
		{"GET", "/api/v1/status", "Cookie", "nfstats=", 401},
		{"GET", "/api/v1/status", "Cookie", "nfstats=guessed; nfstats=again", 401},
		{"GET", "/api/v1/status", "Cookie", "__Host-" + viewer, 401}, // not the name without TLS
		{"GET", "/api/v1/nosuch", "", "", 401},
		{"GET", "/nosuch", "", "", 303},
		{"GET", "/", "", "", 303},
		{"GET", "/", "Cookie", viewer, 200},
		{"POST", "/", "", "", 401},
		{"GET", "/assets/../api/v1/status", "", "", 303},
		{"GET", "/assets/..%2fapi/v1/status", "", "", 404},
		{"GET", "//api/v1/status", "", "", 303},
		{"GET", "/assets/../api/v1/status", "Cookie", viewer, 307},
		{"GET", "/login/../api/v1/devices", "", "", 303},
		{"CONNECT", "/api/v1/status", "", "", 401},
		{"OPTIONS", "/api/v1/status", "", "", 401},
		{"POST", "/api/v1/devices", "", "", 401},
		{"POST", "/api/v1/devices", "Cookie", viewer, 403},
		{"POST", "/api/v1/imports", "Cookie", viewer, 403},
		{"DELETE", "/api/v1/imports/1", "Cookie", viewer, 403},
		{"GET", "/api/v1/imports", "Cookie", viewer, 403}, // names of files
		{"HEAD", "/api/v1/imports", "Cookie", viewer, 403},
		{"GET", "/api/v1/imports/files", "Cookie", viewer, 403},
		{"GET", "/api/v1/imports/jobs", "Cookie", viewer, 403},
		{"GET", "/api/v1/imports", "Cookie", admin, 404}, // this server has none
		{"POST", "/api/v1/devices", "Authorization", "Bearer " + testToken, 403},
		{"DELETE", "/api/v1/devices/192.0.2.1", "Cookie", viewer, 403},
		{"PATCH", "/api/v1/interfaces/192.0.2.1/1", "Cookie", viewer, 403},
		{"POST", "/api/v1/devices", "Cookie", admin, 400}, // reaches the handler: no body
		{"GET", "/healthz", "", "", 200},
		{"GET", "/login", "", "", 200},
		{"GET", "/api/v1/session", "", "", 200},
		{"GET", "/metrics", "", "", 401},
		{"GET", "/metrics", "Cookie", viewer, 200},
	} {
		w := request(s, c.method, c.path, c.header, c.value)
		if w.Code != c.want {
			t.Errorf("%s %s with %s %.30q: %d %s, want %d", c.method, c.path, c.header, c.value, w.Code, w.Body, c.want)
		}
		if place := w.Header().Get("Location"); w.Code == 303 && !strings.HasPrefix(place, "/login?next=%2F") {
			t.Errorf("%s is sent to %s", c.path, place)
		}
	}
}

func TestMetricsAndReadinessOfStrangers(t *testing.T) {
	s := guardedServer(t, nil)
	ask := func(path, from string, headers ...string) (int, string) {
		r := httptest.NewRequest("GET", path, nil)
		r.Host, r.RemoteAddr = "localhost", from
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for from, want := range map[string]int{"127.0.0.1:5": 200, "[::1]:5": 200, "[::ffff:127.0.0.1]:5": 200, "192.0.2.1:5": 401} {
		if code, _ := ask("/metrics", from); code != want {
			t.Errorf("/metrics from %s: %d, want %d", from, code, want)
		}
		if code, text := ask("/readyz", from); code != 503 || strings.Contains(text, "disk") != (want == 200) {
			t.Errorf("/readyz from %s: %d %s", from, code, text)
		}
	}
	if code, _ := ask("/metrics", "127.0.0.1:5", "X-Forwarded-For", "192.0.2.1"); code != 401 {
		t.Errorf("/metrics through a proxy: %d, want 401", code)
	}
}

func TestSessions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sessions.json")
	config := Config{}
	s := guardedServer(t, func(c *Config) { c.Access.SessionsFile = file; config = *c })
	planted := "nfstats=planted"
	code, answer, cookies := post(s, "/api/v1/login", `{"name":"ada","password":"admin's words"}`, "Cookie", planted)
	if code != 200 || !strings.Contains(answer, `"role":"admin"`) || cookies[0].Value == "planted" || len(cookies[0].Value) < 50 {
		t.Fatalf("%d %s %v", code, answer, cookies)
	}
	if c := cookies[0]; !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure || c.Path != "/" || c.Domain != "" {
		t.Errorf("the cookie is %s", c)
	}
	mine := "nfstats=" + cookies[0].Value
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if text, _ := os.ReadFile(file); strings.Contains(string(text), cookies[0].Value) {
		t.Error("the file has the id itself")
	}
	works := func(s *Server) bool { return request(s, "GET", "/api/v1/status", "Cookie", mine).Code == 200 }
	same := func(c *Config) { c.Access = config.Access }
	if !works(s) || !works(guardedServer(t, same)) {
		t.Error("the session does not survive a restart")
	}
	other := func(c *Config) { same(c); c.Access.Users = append([]User{}, config.Access.Users[:1]...) }
	if works(guardedServer(t, other)) {
		t.Error("a removed user still has a session")
	}
	changed := func(c *Config) { c.Access.SessionsFile = file } // other salts: other hashes
	if works(guardedServer(t, changed)) {
		t.Error("the session survives another password")
	}
	if code, _, cookies := post(s, "/api/v1/logout", "", "Cookie", mine); code != 200 || cookies[0].MaxAge >= 0 {
		t.Errorf("logout: %d %v", code, cookies)
	}
	if works(s) || works(guardedServer(t, same)) {
		t.Error("the session works after the logout")
	}
	s.gate.sessions.open[digest("old")] = session{Name: "ada", Proof: proofOf(s.gate.users["ada"]), Expires: time.Now().Add(-time.Second)}
	if _, _, ok := s.gate.sessions.find("old"); ok {
		t.Error("an expired session works")
	}
}

func TestFailedLogins(t *testing.T) {
	s := guardedServer(t, nil)
	for _, body := range []string{`{"name":"ada","password":"viewer's words"}`, `{"name":"nobody","password":"nobody"}`, `{"name":"ada\r\nSet-Cookie: x=y","password":""}`,
		`{"name":"` + strings.Repeat("a", 200) + `","password":"x"}`} {
		if code, answer, cookies := post(s, "/api/v1/login", body); code != 401 || !strings.Contains(answer, wrongLogin) || len(cookies) != 0 {
			t.Errorf("%.60s: %d %s %v", body, code, answer, cookies)
		}
	}
	if code, _, _ := post(s, "/api/v1/login", `{"name":"ada","password":"admin's words"}`, "Sec-Fetch-Site", "cross-site"); code != 403 {
		t.Errorf("a login from another origin: %d", code)
	}
	if code, _, _ := post(s, "/api/v1/login", "name=ada&password=x"); code != 400 {
		t.Errorf("a form: %d", code)
	}
	for i := range 20 {
		post(s, "/api/v1/login", fmt.Sprintf(`{"name":"guess%d","password":"x"}`, i))
	}
	if code, answer, _ := post(s, "/api/v1/login", `{"name":"ada","password":"admin's words"}`); code != 429 || !strings.Contains(answer, "Wait 15 minutes") {
		t.Errorf("after many failures: %d %s", code, answer)
	}
}

// writeCertificate makes a certificate of a name.
func writeCertificate(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTLSAndANewCertificate(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, "first.example")
	s := guardedServer(t, func(c *Config) {
		c.Certificate, c.Key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	})
	ctx, stop := context.WithCancel(t.Context())
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	defer func() { stop(); <-done }()
	ask := func() (*http.Response, string) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		response, err := client.Post("https://"+s.listener.Addr().(*net.TCPAddr).String()+"/api/v1/login", "application/json", strings.NewReader(`{"name":"vera","password":"viewer's words"}`))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response, response.TLS.PeerCertificates[0].DNSNames[0]
	}
	response, name := ask()
	if name != "first.example" || response.ProtoMajor != 2 || response.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s %s %v", name, response.Proto, response.Header)
	}
	if c := response.Cookies(); len(c) != 2 || !c[0].Secure || c[0].Name != "__Host-nfstats" ||
		!c[1].Secure || !strings.HasPrefix(c[1].Name, "__Host-nfstats-device-") {
		t.Errorf("%v", c)
	}
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(certificateInterval)
	if _, name := ask(); name != "first.example" {
		t.Errorf("with a broken file: %s", name)
	}
	writeCertificate(t, dir, "second.example")
	for range 20 {
		time.Sleep(certificateInterval / 4)
		if _, name = ask(); name == "second.example" {
			return
		}
	}
	t.Errorf("the certificate is still that of %s", name)
}
