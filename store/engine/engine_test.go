//go:build linux && amd64

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
)

// The supervisor starts this test binary as the engine process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" {
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
	s, err := New(Config{DataDir: dir, Database: "nf", Listen: freePort(t), Library: testLibrary(t), MaxMemory: 2 << 30},
		zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	ready(t, s)
	return s
}

func ready(t *testing.T, s *Supervisor) {
	t.Helper()
	eventually(t, "the engine is ready", func() error {
		if st := s.State(); !st.Ready {
			return fmt.Errorf("state: %+v", st)
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
	c, err := clickhouse.Open(&clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{"engine:80"},
		Auth:        clickhouse.Auth{Username: "nfstats", Password: s.Key()},
		DialContext: func(ctx context.Context, _ string) (net.Conn, error) { return s.Dial(ctx) }})
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
	values := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		values.Set(parameters[i], parameters[i+1])
	}
	response, err := http.Post("http://"+s.config.Listen+"/?"+values.Encode(), "text/plain", strings.NewReader(sql))
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

func TestClickhouseGoWorksOverTheSocket(t *testing.T) {
	s := start(t, t.TempDir())
	c := client(t, s)
	execute(t, c, "CREATE DATABASE nf", `CREATE TABLE nf.t (a UInt64, b LowCardinality(String), c IPv6, d DateTime64(3, 'UTC'),
		e Enum8('x' = 1, 'y' = 2), f Array(UInt32), g Nullable(String), h Map(String, UInt8), i Tuple(UInt8, String)) ENGINE = MergeTree ORDER BY a`)
	batch, err := c.PrepareBatch(t.Context(), "INSERT INTO nf.t")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	const n = 50_000
	for i := range n {
		name := fmt.Sprint("n", i%3)
		if err := batch.Append(uint64(i), name, net.ParseIP("2001:db8::1"), at, "y", []uint32{1, 2, uint32(i)}, &name, map[string]uint8{"k": 7}, []any{uint8(3), "z"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	rows, err := c.Query(t.Context(), "SELECT * FROM nf.t WHERE a >= $1 ORDER BY a", uint64(n/2))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	count := 0
	for rows.Next() {
		var a uint64
		var b, e string
		var ip net.IP
		var d time.Time
		var f []uint32
		var g *string
		var h map[string]uint8
		var i []any
		if err := rows.Scan(&a, &b, &ip, &d, &e, &f, &g, &h, &i); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint("n", a%3); b != want || g == nil || *g != want || ip.String() != "2001:db8::1" || !d.Equal(at) || e != "y" || f[2] != uint32(a) || h["k"] != 7 || fmt.Sprint(i) != "[3 z]" {
			t.Fatalf("row %d: %v %v %v %v %v %v %v %v", a, b, ip, d, e, f, g, h, i)
		}
		count++
	}
	if err := rows.Err(); err != nil || count != n/2 {
		t.Errorf("%d rows, want %d: %v", count, n/2, err)
	}
	var exception *clickhouse.Exception
	if err := c.Exec(t.Context(), "SELECT * FROM nosuch"); !errors.As(err, &exception) || exception.Code != 60 {
		t.Errorf("error %v (%T), want ClickHouse's code 60", err, err)
	}
}

func TestDeduplicationToken(t *testing.T) {
	s := start(t, t.TempDir())
	c := client(t, s)
	execute(t, c, "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100")
	for _, token := range []string{"x", "x", "y"} {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token}))
		batch, err := c.PrepareBatch(ctx, "INSERT INTO nf.t")
		if err != nil {
			t.Fatal(err)
		}
		if err := batch.Append(uint8(1)); err != nil {
			t.Fatal(err)
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
	var n uint64
	if err := c.QueryRow(t.Context(), "SELECT count() FROM nf.t").Scan(&n); err != nil || n != 2 {
		t.Errorf("%d rows, want 2: %v", n, err)
	}
}

func TestReadOnlyListener(t *testing.T) {
	s := start(t, t.TempDir())
	execute(t, client(t, s), "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt32) ENGINE = MergeTree ORDER BY a", "INSERT INTO nf.t SELECT number FROM numbers(10)")

	status, body, header := get(t, s, "SELECT sum(a) AS s FROM t WHERE a < {limit:UInt32} FORMAT JSONEachRow", "param_limit", "5")
	if status != 200 || strings.TrimSpace(body) != `{"s":10}` && strings.TrimSpace(body) != `{"s":"10"}` {
		t.Errorf("parameters: %d %s", status, body)
	}
	if header.Get("X-ClickHouse-Query-Id") == "" || header.Get("X-ClickHouse-Format") != "JSONEachRow" || header.Get("X-ClickHouse-Timezone") != "UTC" {
		t.Errorf("headers: %v", header)
	}
	if status, body, _ := get(t, s, "SELECT 1 AS x", "default_format", "CSVWithNames"); status != 200 || body != "\"x\"\n1\n" {
		t.Errorf("default_format: %d %q", status, body)
	}
	if status, body, _ := get(t, s, "SELECT 9223372036854775807 AS x", "default_format", "JSONEachRow", "output_format_json_quote_64bit_integers", "1"); status != 200 || body != "{\"x\":\"9223372036854775807\"}\n" {
		t.Errorf("output setting: %d %q", status, body)
	}
	status, body, header = get(t, s, "SELECT * FROM nosuch")
	if status != 404 || header.Get("X-ClickHouse-Exception-Code") != "60" || !strings.HasPrefix(body, "Code: 60. DB::Exception: ") {
		t.Errorf("exception: %d %v %s", status, header, body)
	}
	if status, body, _ := get(t, s, ""); status == 200 {
		t.Errorf("an empty statement is answered: %s", body)
	}
}

// TestWalls tries to get from the read-only listener to where only its owner may
// go. Nothing may succeed, and nothing may have happened.
func TestWalls(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	c := client(t, s)
	execute(t, c, "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt32) ENGINE = MergeTree ORDER BY a", "INSERT INTO nf.t VALUES (1)")
	secret := filepath.Join(dir, "secret.txt")
	if err := os.WriteFile(secret, []byte("TOPSECRET"), 0o644); err != nil {
		t.Fatal(err)
	}
	reached := make(chan string, 10)
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	go func() {
		for {
			conn, err := outside.Accept()
			if err != nil {
				return
			}
			reached <- conn.RemoteAddr().String()
			conn.Close()
		}
	}()
	address := outside.Addr().String()
	out := filepath.Join(dir, "clickhouse", "user_files", "out.csv")
	for _, sql := range []string{
		"SELECT file('" + secret + "')",
		"SELECT file('/etc/passwd')",
		"SELECT file('/proc/self/environ')",
		"SELECT file('../../secret.txt')",
		"SELECT * FROM file('" + secret + "', 'LineAsString')",
		"SELECT * FROM file('../../secret.txt', 'LineAsString', 'l String')",
		"SELECT * FROM url('http://" + address + "/', 'LineAsString', 'l String')",
		"SELECT * FROM s3('http://" + address + "/b/k', 'LineAsString', 'l String')",
		"SELECT * FROM remote('" + address + "', 'system', 'one')",
		"SELECT * FROM remoteSecure('" + address + "', 'system', 'one')",
		"SELECT * FROM mysql('" + address + "', 'd', 't', 'u', 'p')",
		"SELECT * FROM postgresql('" + address + "', 'd', 't', 'u', 'p')",
		"SELECT * FROM mongodb('" + address + "', 'd', 't', 'u', 'p', 'a String')",
		"SELECT * FROM sqlite('" + secret + "', 't')",
		"SELECT * FROM executable('id', 'TSV', 'l String')",
		"SELECT * FROM hdfs('hdfs://" + address + "/x', 'TSV', 'l String')",
		"SELECT * FROM input('a UInt8')",
		"SELECT 1 INTO OUTFILE '" + out + "'",
		"SELECT 1 INTO OUTFILE '" + out + "' FORMAT CSV",
		"INSERT INTO t VALUES (2)",
		"/* SELECT */ INSERT INTO t VALUES (2)",
		"-- SELECT 1\nINSERT INTO t VALUES (2)",
		"INSERT INTO FUNCTION file('" + out + "') SELECT 1",
		"INSERT INTO FUNCTION url('http://" + address + "/', 'TSV', 'a UInt8') SELECT 1",
		"INSERT INTO FUNCTION null('a UInt8') VALUES (1)",
		"CREATE TABLE nf.x (a UInt8) ENGINE = MergeTree ORDER BY a",
		"CREATE TEMPORARY TABLE x (a UInt8)",
		"CREATE DICTIONARY nf.d (a UInt64) PRIMARY KEY a SOURCE(HTTP(URL 'http://" + address + "/' FORMAT 'TSV')) LAYOUT(FLAT()) LIFETIME(1)",
		"CREATE FUNCTION f AS (x) -> x",
		"CREATE USER u",
		"DROP TABLE t", "TRUNCATE TABLE t", "ALTER TABLE t DELETE WHERE 1", "DELETE FROM t WHERE 1", "RENAME TABLE t TO u", "OPTIMIZE TABLE t",
		"ATTACH TABLE x", "DETACH TABLE t", "EXCHANGE TABLES t AND t",
		"BACKUP DATABASE nf TO File('x')", "RESTORE DATABASE nf FROM File('x')",
		"SYSTEM SHUTDOWN", "SYSTEM FLUSH LOGS", "SYSTEM STOP MERGES", "KILL QUERY WHERE 1", "USE nf",
		"SET max_memory_usage = 0", "SET readonly = 0",
		"SELECT 1; DROP TABLE t", "SELECT 1;\nSELECT 2", "SELECT 1; -- \nDROP TABLE t",
		"SELECT count() FROM t SETTINGS readonly = 0", "SELECT count() FROM t SETTINGS max_execution_time = 0",
		"SELECT count() FROM t SETTINGS allow_introspection_functions = 1",
		"SELECT addressToSymbol(1)",
		"SELECT * FROM (SELECT 1) SETTINGS max_result_rows = 0",
		"EXPLAIN SELECT file('" + secret + "') SETTINGS readonly = 0",
		"GRANT ALL ON *.* TO default",
	} {
		if status, body, _ := get(t, s, sql); status == 200 || strings.Contains(body, "TOPSECRET") || strings.Contains(body, "root:") {
			t.Errorf("%s\n got through: %d %.300s", sql, status, body)
		}
	}
	for _, setting := range []string{"readonly", "max_execution_time", "max_memory_usage", "max_result_rows", "allow_introspection_functions", "log_comment", "format_schema", "--path", "max_threads=1 --readonly"} {
		if status, body, _ := get(t, s, "SELECT 1", setting, "0"); status == 200 {
			t.Errorf("setting %s in the URL got through: %s", setting, body)
		}
	}
	// The statement may be split between URL and body.
	if status, body, _ := get(t, s, "; DROP TABLE t", "query", "SELECT 1"); status == 200 {
		t.Errorf("split statement got through: %s", body)
	}
	if status, body, _ := get(t, s, "2", "query", "INSERT INTO t FORMAT TSV"); status == 200 {
		t.Errorf("INSERT with data got through: %s", body)
	}
	// A web page that points its own name here gets no answer.
	request, _ := http.NewRequest(http.MethodPost, "http://"+s.config.Listen+"/", strings.NewReader("SELECT 1"))
	request.Host = "evil.example:8123"
	if response, err := http.DefaultClient.Do(request); err != nil || response.StatusCode == 200 {
		t.Errorf("a foreign host name is answered: %v %v", response, err)
	}
	var count, tables uint64
	if err := c.QueryRow(t.Context(), "SELECT count(), (SELECT count() FROM system.tables WHERE database = 'nf') FROM nf.t").Scan(&count, &tables); err != nil || count != 1 || tables != 1 {
		t.Errorf("the database was changed: %d rows in t, %d tables, %v", count, tables, err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a file was written")
	}
	select {
	case from := <-reached:
		t.Errorf("the engine reached the network from %s", from)
	default:
	}
}

// TestConfinement tries what the kernel must refuse to the engine even with full
// rights.
func TestConfinement(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	c := client(t, s)
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	for _, sql := range []string{
		"SELECT file('/etc/passwd')",
		"SELECT file('" + keyPath(dir) + "')",
		"SELECT file('/proc/self/environ')",
		"SELECT file('/proc/1/cmdline')",
		"SELECT * FROM url('http://" + outside.Addr().String() + "/', 'LineAsString', 'l String') SETTINGS http_max_tries = 1",
		"INSERT INTO FUNCTION file('" + filepath.Join(dir, "x.csv") + "') SELECT 1",
	} {
		if err := c.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s succeeds", sql)
		}
	}
}

func TestSocketNeedsTheKey(t *testing.T) {
	s := start(t, t.TempDir())
	other := &Supervisor{config: s.config, key: "wrong"}
	if err := client(t, other).Ping(t.Context()); err == nil {
		t.Error("a wrong key is accepted")
	}
	info, err := os.Stat(socketPath(s.config.DataDir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v %v", info, err)
	}
	dial, key, err := Attach(t.Context(), s.config.DataDir)
	if err != nil || key != s.Key() || dial == nil {
		t.Errorf("attach: %q, %v", key, err)
	}
}

func TestQueryEndsWhenItsClientGoes(t *testing.T) {
	s := start(t, t.TempDir())
	c := client(t, s)
	running := func() (n uint64) {
		if err := c.QueryRow(t.Context(), "SELECT count() FROM system.processes WHERE query LIKE 'SELECT count() FROM numbers(30000000000%'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.config.Listen+"/",
		strings.NewReader("SELECT count() FROM numbers(30000000000000) WHERE NOT ignore(sipHash64(number))"))
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			err = fmt.Errorf("%s: %s", response.Status, body)
		}
		gone <- err
	}()
	eventually(t, "the query runs", func() error {
		if running() == 0 {
			select {
			case err := <-gone:
				t.Fatalf("the query has ended already: %v", err)
			default:
			}
			return fmt.Errorf("no query")
		}
		return nil
	})
	leave()
	<-gone
	eventually(t, "the query has ended", func() error {
		if n := running(); n != 0 {
			return fmt.Errorf("%d queries", n)
		}
		return nil
	})
}

func TestEngineIsRestartedAndKeepsItsRows(t *testing.T) {
	s := start(t, t.TempDir())
	c := client(t, s)
	execute(t, c, "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt32) ENGINE = MergeTree ORDER BY a", "INSERT INTO nf.t SELECT number FROM numbers(1000)")
	for range 3 {
		pid, before := enginePID(t), s.State().Restarts
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the engine is restarted", func() error {
			if st := s.State(); st.Restarts == before || !st.Ready {
				return fmt.Errorf("%+v", st)
			}
			return nil
		})
		var n uint64
		if err := c.QueryRow(t.Context(), "SELECT count() FROM nf.t").Scan(&n); err != nil || n != 1000 {
			t.Fatalf("%d rows after a crash: %v", n, err)
		}
	}
}

// enginePID finds the child process.
func enginePID(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	children := string(text)
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, path := range tasks {
		if text, err := os.ReadFile(path); err == nil {
			children += " " + string(text)
		}
	}
	for _, field := range strings.Fields(children) {
		var pid int
		fmt.Sscan(field, &pid)
		if cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.Contains(string(cmdline), "\x00engine") {
			return pid
		}
	}
	t.Fatal("no engine process")
	return 0
}

func TestSecondInstanceIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	second, err := New(s.config, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	err = second.Open(t.Context())
	if want := fmt.Sprintf("another nfstats (process %d) is running", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if _, _, err := Attach(t.Context(), dir); err != nil {
		t.Errorf("the refused instance disturbed the first: %v", err)
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := New(Config{DataDir: t.TempDir(), Database: "nf", Listen: l.Addr().String(), Library: testLibrary(t)}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "another program has this port") {
		t.Errorf("got %v", err)
	}
}

func TestLongDataDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	var one uint8
	if err := client(t, start(t, dir)).QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("%d, %v", one, err)
	}
}

func TestMissingLibrary(t *testing.T) {
	_, err := New(Config{DataDir: t.TempDir(), Library: "/nonexistent/libchdb.so"}, zap.NewNop())
	if err == nil || !strings.Contains(err.Error(), "store.embedded.library") {
		t.Errorf("got %v", err)
	}
	if _, err = FindLibrary(""); err == nil || !strings.Contains(err.Error(), "make engine") {
		t.Errorf("got %v", err)
	}
}
