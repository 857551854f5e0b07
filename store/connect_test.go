package store

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/nfstats/nfstats/store/engine"
	"github.com/nfstats/nfstats/store/engine/enginetest"
)

// server is the engine behind an HTTP server with a user and password, as a
// ClickHouse of the user's is.
func server(t *testing.T, s *engine.Supervisor, configure func(*httptest.Server)) *httptest.Server {
	t.Helper()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", "embedded", "embedded"
			r.Out.Header.Set("X-ClickHouse-User", "nfstats")
			r.Out.Header.Set("X-ClickHouse-Key", s.Key())
			r.Out.Header.Del("Authorization")
		},
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.Dial(ctx) }},
	}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, basic := r.BasicAuth()
		if !basic {
			user, password = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
		}
		if user != "flows" || password != "hunter2" {
			http.Error(w, "Code: 516. DB::Exception: Authentication failed", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	configure(web)
	t.Cleanup(web.Close)
	return web
}

// certificate writes a self-signed certificate and its key.
func certificate(t *testing.T, name string) (certificateFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, octets []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: octets}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", private)
}

// TestTLSToAServer reaches a ClickHouse that wants a client's certificate.
func TestTLSToAServer(t *testing.T) {
	serverCert, serverKey := certificate(t, "server")
	clientCert, clientKey := certificate(t, "client")
	otherCert, _ := certificate(t, "other")
	web := server(t, enginetest.Start(t), func(web *httptest.Server) {
		pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
		if err != nil {
			t.Fatal(err)
		}
		clients, err := os.ReadFile(clientCert)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(clients)
		web.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
		web.StartTLS()
	})
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(web.URL, "https://")
	with := func(t TLS) Config {
		return Config{URL: "https://flows@" + address, PasswordFile: password, Database: "nfstats", TLS: t}
	}
	good := with(TLS{CA: serverCert, Certificate: clientCert, Key: clientKey})
	wrongPassword := good
	wrongPassword.URL, wrongPassword.PasswordFile = "https://flows:guess@"+address, ""
	asks := good
	asks.URL += "?skip_verify=true"
	for name, c := range map[string]struct {
		config Config
		want   string // in the error; "" for none
	}{
		"all right":              {good, ""},
		"unknown CA":             {with(TLS{Certificate: clientCert, Key: clientKey}), "certificate"},
		"another CA":             {with(TLS{CA: otherCert, Certificate: clientCert, Key: clientKey}), "certificate"},
		"no client certificate":  {with(TLS{CA: serverCert}), "certificate required"},
		"not verified":           {with(TLS{SkipVerify: true, Certificate: clientCert, Key: clientKey}), ""},
		"skip_verify in the URL": {asks, "set store.tls.skip_verify"},
		"no CA file":             {with(TLS{CA: "missing.pem"}), "read store.tls.ca"},
		"CA without certificate": {with(TLS{CA: password}), "no certificate in PEM form"},
		"half a pair":            {with(TLS{CA: serverCert, Certificate: clientCert}), "store.tls.certificate"},
		"wrong password":         {wrongPassword, "Authentication failed"},
		"no password file":       {Config{URL: "https://flows@" + address, PasswordFile: "missing", Database: "nfstats"}, "store.password_file"},
		"TLS that nobody wants":  {Config{URL: "http://flows@" + address, Database: "nfstats", TLS: TLS{CA: serverCert}}, "does not ask for TLS"},
	} {
		s, err := New(c.config, zaptest.NewLogger(t))
		if err == nil {
			err = s.prepare(t.Context())
			s.Close()
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestFailover stores flows while one of two servers is away, then the other.
func TestFailover(t *testing.T) {
	s := enginetest.Start(t)
	first, second := server(t, s, (*httptest.Server).Start), server(t, s, (*httptest.Server).Start)
	hosts := strings.TrimPrefix(first.URL, "http://") + "," + strings.TrimPrefix(second.URL, "http://")
	store, err := New(Config{URL: "http://flows:hunter2@" + hosts, Database: "nfstats"}, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := filled(100, 1)
	if err := store.InsertFlows(t.Context(), Block{Token: "a", Collector: "c"}, b); err != nil {
		t.Fatal(err)
	}
	first.Close()
	stored := false
	for deadline := time.Now().Add(30 * time.Second); !stored && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		stored = store.InsertFlows(t.Context(), Block{Token: "b", Collector: "c"}, b) == nil // as a worker tries again
	}
	var rows uint64
	if err := store.Conn().QueryRow(t.Context(), "SELECT count() FROM flows").Scan(&rows); err != nil || rows != 200 {
		t.Errorf("%d flows, want 200: %v", rows, err)
	}
}
