package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nfstats/nfstats/store/engine"
)

// The tests of this file's package run the built program from outside, as an
// operator does.

// patience bounds every wait for something that must happen. It is generous:
// machines may be slow, and a test that succeeds does not wait for it.
const patience = 60 * time.Second

// program builds nfstats once and returns its path.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nfstats-program")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "nfstats")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build nfstats: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if path, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(status)
}

// lacking skips the test for what this machine lacks; in CI it fails it.
func lacking(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// library is the embedded ClickHouse that `make engine` fetched.
func library(t testing.TB) string {
	t.Helper()
	path := os.Getenv("NFSTATS_STORE_EMBEDDED_LIBRARY")
	if path == "" {
		path, _ = filepath.Abs("../../bin/libchdb.so")
	}
	if _, err := os.Stat(path); err != nil {
		lacking(t, "no embedded ClickHouse (make engine fetches it): %v", err)
	}
	return path
}

// daemon is a running nfstats with ports and a folder of its own.
type daemon struct {
	t    testing.TB
	dir  string
	udp  string // where it receives flows
	http string // base URL of UI and API
	sql  string // base URL of the read-only ClickHouse
	env  []string
	cmd  *exec.Cmd

	limited string // shell commands that limit it, such as ulimit -n 300; "": none

	log  *lockedBuffer
	done chan struct{}
}

// newDaemon prepares a daemon on free loopback ports; start runs it.
func newDaemon(t testing.TB, env ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, dir: t.TempDir(),
		udp: freeAddress(t, "udp"), http: freeAddress(t, "tcp"), sql: freeAddress(t, "tcp")}
	d.env = append(os.Environ(),
		"NFSTATS_DATA_DIR="+d.dir,
		"NFSTATS_COLLECTOR_LISTEN="+d.udp,
		"NFSTATS_COLLECTOR_NAME=test",
		"NFSTATS_HTTP_LISTEN="+d.http,
		"NFSTATS_STORE_EMBEDDED_LISTEN="+d.sql,
		"NFSTATS_STORE_EMBEDDED_LIBRARY="+library(t),
		"NFSTATS_STORE_EMBEDDED_MAX_MEMORY=4GiB",
		"NFSTATS_LOG_LEVEL=debug")
	d.env = append(d.env, env...)
	d.http, d.sql = "http://"+d.http, "http://"+d.sql
	return d
}

func freeAddress(t testing.TB, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// command prepares nfstats with the daemon's configuration.
func (d *daemon) command(args ...string) *exec.Cmd {
	d.t.Helper()
	path, err := program()
	if err != nil {
		d.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = d.env
	return cmd
}

// start runs the daemon until the test ends and waits until it is ready.
func (d *daemon) start() {
	d.t.Helper()
	d.launch()
	d.eventually("the daemon is ready", func() error {
		select {
		case <-d.done:
			d.t.Fatalf("the daemon ended:\n%s", d.log)
		default:
		}
		_, err := d.get(d.http + "/readyz")
		return err
	})
}

// launch runs the daemon without waiting for it.
func (d *daemon) launch() { d.t.Helper(); d.run("serve") }

// run runs a command of nfstats that lasts, until the test ends.
func (d *daemon) run(args ...string) {
	d.t.Helper()
	cmd, log, done := d.command(args...), &lockedBuffer{}, make(chan struct{})
	cmd.Stderr, cmd.Stdout = log, log
	if d.limited != "" {
		underLimits(cmd, d.limited)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() {
		defer close(done)
		cmd.Wait()
	}()
	d.cmd, d.log, d.done = cmd, log, done
	d.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(patience):
			cmd.Process.Kill()
			d.t.Errorf("the daemon does not stop:\n%s", log)
		}
		if d.t.Failed() {
			d.t.Logf("log of the daemon:\n%s", log)
		}
	})
}

// stop ends the daemon cleanly.
func (d *daemon) stop() {
	d.t.Helper()
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(patience):
		d.t.Fatalf("the daemon does not stop:\n%s", d.log)
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		d.t.Errorf("the daemon ended with status %d:\n%s", code, d.log)
	}
}

// kill ends the daemon as kill -9 does.
func (d *daemon) kill() {
	d.cmd.Process.Kill()
	<-d.done
}

// eventually waits until ok returns nil.
func (d *daemon) eventually(what string, ok func() error) {
	d.t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	d.t.Fatalf("waited in vain: %s: %v\n%s", what, err, d.log)
}

func (d *daemon) get(url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return string(body), fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return string(body), nil
}

// query asks ClickHouse and returns rows as objects: the engine of the data folder,
// which has rows as soon as they are stored, or, where there is none, the read-only
// address, which shows them a moment later.
func (d *daemon) query(sql string) ([]map[string]any, error) {
	const parameters = "/?database=nfstats&default_format=JSONEachRow&output_format_json_quote_64bit_integers=0"
	client, base := http.DefaultClient, d.sql
	dial, key, err := engine.Attach(context.Background(), d.dir)
	if err == nil {
		client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}}
		base = "http://engine"
	}
	request, err := http.NewRequest(http.MethodPost, base+parameters, strings.NewReader(sql))
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-ClickHouse-Key", key)
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", sql, body)
	}
	var rows []map[string]any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	for decoder.More() {
		var row map[string]any
		if err := decoder.Decode(&row); err != nil {
			return nil, fmt.Errorf("%s: %w in %s", sql, err, body)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// number returns the one number that a query yields.
func (d *daemon) number(sql string) (uint64, error) {
	rows, err := d.query("SELECT toUInt64((" + sql + ")) AS n")
	if err != nil {
		return 0, err
	}
	n, err := rows[0]["n"].(json.Number).Int64()
	return uint64(n), err
}

// expectNumber waits until a query yields want.
func (d *daemon) expectNumber(what, sql string, want uint64) {
	d.t.Helper()
	d.eventually(what, func() error {
		got, err := d.number(sql)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s: got %d, want %d", sql, got, want)
		}
		return nil
	})
}

// metric returns the sum of the samples of a metric whose line contains all of
// labels.
func (d *daemon) metric(name string, labels ...string) (float64, error) {
	text, err := d.get(d.http + "/metrics")
	if err != nil {
		return 0, err
	}
	sum, found := 0.0, false
lines:
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ") {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(line, label) {
				continue lines
			}
		}
		var value float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(strings.TrimSpace(line), ' '):], &value); err != nil {
			return 0, fmt.Errorf("metric %q: %w", line, err)
		}
		sum, found = sum+value, true
	}
	if !found {
		return 0, fmt.Errorf("no metric %s with %v", name, labels)
	}
	return sum, nil
}

// send sends datagrams to the daemon from a loopback address.
func (d *daemon) send(from string, datagrams ...[]byte) {
	d.t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(from)})
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	to, err := net.ResolveUDPAddr("udp4", d.udp)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, datagram := range datagrams {
		if _, err := conn.WriteToUDP(datagram, to); err != nil {
			d.t.Fatal(err)
		}
	}
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// Write appends to the buffer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

// String returns what was written.
func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
