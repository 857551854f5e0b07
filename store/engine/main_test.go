//go:build linux && amd64

package engine

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
)

// The supervisor starts this test binary as the engine process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "daemon" {
		daemon(os.Args[2])
	}
	if len(os.Args) > 1 && (os.Args[1] == string(writer) || os.Args[1] == string(reader)) {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		logger, _ := zap.NewDevelopment()
		if err := Serve(ctx, logger); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// daemon is what a test kills: a supervisor on the folder, until stdin ends.
func daemon(dir string) {
	ctx, stop := context.WithCancel(context.Background())
	s, err := New(Config{DataDir: dir, Database: "nf", Listen: os.Getenv("LISTEN"), Library: os.Getenv("LIBRARY"), MaxMemory: 1 << 30}, zap.NewNop())
	if err == nil {
		err = s.Open(ctx)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		<-s.Ready()
		fmt.Println("ready")
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	s.Run(ctx)
	os.Exit(0)
}

// patience bounds every wait for what must happen.
const patience = 60 * time.Second

func testLibrary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("NFSTATS_STORE_EMBEDDED_LIBRARY")
	if path == "" {
		path, _ = filepath.Abs("../../bin/" + LibraryName)
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no embedded ClickHouse: %v", err)
		}
		t.Skipf("no embedded ClickHouse (make engine fetches it): %v", err)
	}
	return path
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a supervised engine until the test ends.
func start(t *testing.T, dir string) *Supervisor {
	t.Helper()
	s := prepare(t, dir)
	run(t, s)
	return s
}

func prepare(t *testing.T, dir string) *Supervisor {
	t.Helper()
	s, err := New(Config{DataDir: dir, Database: "nf", Listen: freePort(t), Library: testLibrary(t), MaxMemory: 2 << 30},
		zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, s *Supervisor) {
	t.Helper()
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	ready(t, s)
}

func ready(t *testing.T, s *Supervisor) {
	t.Helper()
	eventually(t, "the engine is ready", func() error {
		if st := s.State(); !st.Ready {
			return fmt.Errorf("state: %+v", st)
		}
		if st := s.ReaderState(); !st.Ready {
			return fmt.Errorf("the reader's state: %+v", st)
		}
		return nil
	})
}

// box asks the reader as the web UI does for an admin, and returns the answer.
func box(t *testing.T, s *Supervisor, sql string) string {
	t.Helper()
	transport := keyed{s.ReaderKey(), &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.DialReader(ctx) }}}
	response, err := (&http.Client{Transport: transport}).Post("http://reader/?role=admin", "text/plain", strings.NewReader(sql))
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.TrimSpace(string(text))
}

// seen waits until the reader answers a statement so.
func seen(t *testing.T, s *Supervisor, sql, want string) {
	t.Helper()
	eventually(t, sql+" is "+want, func() error {
		if status, body, _ := get(t, s, sql); strings.TrimSpace(body) != want {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
}

func eventually(t *testing.T, what string, ok func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	t.Fatalf("waited in vain: %s: %v", what, err)
}

func client(t *testing.T, s *Supervisor) driver.Conn {
	t.Helper()
	return clientWith(t, s, func(*clickhouse.Options) {})
}

func clientWith(t *testing.T, s *Supervisor, change func(*clickhouse.Options)) driver.Conn {
	t.Helper()
	options := &clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{"engine:80"},
		Auth:        clickhouse.Auth{Username: "nfstats", Password: s.Key()},
		DialContext: func(ctx context.Context, _ string) (net.Conn, error) { return s.Dial(ctx) }}
	change(options)
	c, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func execute(t *testing.T, c driver.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := c.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// get asks the read-only listener and returns status and body.
func get(t *testing.T, s *Supervisor, sql string, parameters ...string) (int, string, http.Header) {
	t.Helper()
	response, err := http.Post("http://"+s.config.Listen+"/?"+query(parameters).Encode(), "text/plain", strings.NewReader(sql))
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return response.StatusCode, string(body), response.Header
}

// enginePID finds the writer that a process, usually this one, started.
func enginePID(t *testing.T, parent int) int { return processPID(t, parent, writer) }

// processPID finds a process of the engine that a process started.
func processPID(t *testing.T, parent int, r role) int {
	t.Helper()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, path := range tasks {
		children, _ := os.ReadFile(path)
		for _, field := range strings.Fields(string(children)) {
			if cmdline, _ := os.ReadFile("/proc/" + field + "/cmdline"); strings.Contains(string(cmdline), "\x00"+string(r)) {
				pid, err := strconv.Atoi(field)
				if err != nil {
					t.Fatal(err)
				}
				return pid
			}
		}
	}
	t.Fatal("no engine process")
	return 0
}

// ask sends a request to the read-only listener and returns its whole answer.
func ask(t *testing.T, request *http.Request) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// owner returns a client of the socket, for requests to http://engine/ with
// full rights.
func owner(s *Supervisor) *http.Client {
	return &http.Client{Transport: keyed{s.Key(), &http.Transport{DisableCompression: true, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.Dial(ctx) }}}}
}

type keyed struct {
	key string
	http.RoundTripper
}

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-ClickHouse-Key", k.key)
	return k.RoundTripper.RoundTrip(r)
}

// post sends body to the socket with full rights.
func post(t *testing.T, s *Supervisor, body io.Reader, parameters ...string) (int, string) {
	t.Helper()
	response, err := owner(s).Post("http://engine/?"+query(parameters).Encode(), "text/plain", body)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func query(parameters []string) url.Values {
	values := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		values.Set(parameters[i], parameters[i+1])
	}
	return values
}
