//go:build linux && amd64

package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A prison is an engine with one table, a secret beside its folder, and a
// listener that it must not reach.
type prison struct {
	*Supervisor
	dir, secret, outside string
	files                []string // of ClickHouse's folder, without the tables' data
	reached              chan string
}

func newPrison(t *testing.T) *prison {
	t.Helper()
	return newPrisonOf(t, start(t, t.TempDir()))
}

func newPrisonOf(t *testing.T, s *Supervisor) *prison {
	t.Helper()
	p := &prison{Supervisor: s, dir: s.config.DataDir, reached: make(chan string, 100)}
	execute(t, client(t, p.Supervisor), "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt32) ENGINE = MergeTree ORDER BY a", "INSERT INTO nf.t VALUES (1)")
	p.secret = filepath.Join(p.dir, "secret.txt")
	if err := os.WriteFile(p.secret, []byte("TOPSECRET"), 0o644); err != nil {
		t.Fatal(err)
	}
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { outside.Close() })
	go func() {
		for {
			conn, err := outside.Accept()
			if err != nil {
				return
			}
			p.reached <- conn.RemoteAddr().String()
			conn.Close()
		}
	}()
	p.outside = outside.Addr().String()
	seen(t, p.Supervisor, "SELECT count() FROM nf.t", "1")
	p.files = p.listFiles(t)
	return p
}

// hashOf returns the hashes of all files below a folder, and what its links name.
func hashOf(t *testing.T, root string) map[string]string {
	t.Helper()
	hashes := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Type()&fs.ModeSymlink != 0:
			hashes[path], err = os.Readlink(path)
		case d.Type().IsRegular():
			var text []byte
			if text, err = os.ReadFile(path); err == nil {
				hashes[path] = fmt.Sprintf("%x", sha256.Sum256(text))
			}
		default:
			hashes[path] = d.Type().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hashes
}

// differences returns the names whose hash is another one.
func differences(before, after map[string]string) (names []string) {
	for name, hash := range after {
		if before[name] != hash {
			names = append(names, name)
		}
	}
	for name := range before {
		if _, there := after[name]; !there {
			names = append(names, name+" is gone")
		}
	}
	return names
}

func (p *prison) listFiles(t *testing.T) (files []string) {
	t.Helper()
	root := filepath.Join(p.dir, "clickhouse")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && (path == filepath.Join(root, "store") || path == filepath.Join(root, "data")) {
			return fs.SkipDir
		}
		files = append(files, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// untouched checks that nothing has happened.
func (p *prison) untouched(t *testing.T) {
	t.Helper()
	var rows, tables uint64
	if err := client(t, p.Supervisor).QueryRow(t.Context(), "SELECT count(), (SELECT count() FROM system.tables WHERE database = 'nf') FROM nf.t").Scan(&rows, &tables); err != nil || rows != 1 || tables != 1 {
		t.Errorf("the database was changed: %d rows in t, %d tables, %v", rows, tables, err)
	}
	if now := p.listFiles(t); !slices.Equal(now, p.files) {
		t.Errorf("files were made or removed:\n%v\n%v", p.files, now)
	}
	if st := p.State(); st.Restarts != 0 {
		t.Errorf("the engine died: %+v", st)
	}
	if st := p.ReaderState(); st.Restarts != 0 {
		t.Errorf("the reader died: %+v", st)
	}
	select {
	case from := <-p.reached:
		t.Errorf("the engine reached the network from %s", from)
	default:
	}
}

// reaching returns statements that read files or the network, or start programs.
func (p *prison) reaching() []string {
	statements := []string{
		"SELECT file('" + p.secret + "')", "SELECT file('/etc/passwd')", "SELECT file('/proc/self/environ')", "SELECT file('../../secret.txt')",
		"SELECT catboostEvaluate('" + p.secret + "', 1)", "SELECT arrayMap(file, ['config.xml'])", "SELECT * APPLY file FROM (SELECT 'config.xml' AS x)",
		"SELECT * APPLY(x -> file(x)) FROM (SELECT 'config.xml' AS x)", "SELECT `file`('config.xml')", "SELECT `f\\x69le`('config.xml')",
		"SELECT file/**/('config.xml')", "SELECT 1 AS a$b$, file('config.xml')", "SELECT 1 AS $b$, file('config.xml')", "SELECT $$ $$, file('config.xml')",
		"SELECT - - 1, file('config.xml')", "SELECT -(-(1)), file('config.xml')", "SELECT 'a\\'', file('config.xml')", "SELECT 'a''', file('config.xml')", "SELECT 1 AS `a\\``, file('config.xml')",
		"SELECT 1 AS \"a'\", file('config.xml')", "SELECT 4 /* '*/, file('config.xml')", "SELECT 1 # '\n, file('config.xml')", "SELECT 1 AS `--`, file('config.xml')", "SELECT 1 AS `/*`, file('config.xml')",
		"SELECT $'$ ' $'$, file('config.xml')", "SELECT x'27', file('config.xml')", "SELECT 1 AS ‘a’, file('config.xml')", "SELECT ‘'’, file('config.xml'), '1'", "SELECT file -- comment\n('config.xml')", "SHOW TABLES WHERE name = file('config.xml')",
	}
	for _, call := range []string{
		"file('" + p.secret + "', 'LineAsString')", "file('../../secret.txt', 'LineAsString', 'l String')", "file('config.xml', 'LineAsString', 'l String')",
		"filesystem('/')", "filesystem('')", "fileCluster('c', 'config.xml', 'LineAsString', 'l String')",
		"url('http://" + p.outside + "/', 'LineAsString', 'l String')", "url('file:///etc/passwd', 'LineAsString', 'l String')",
		"url('http://localhost:1/', 'LineAsString', 'l String')", "urlCluster('c', 'http://" + p.outside + "/', 'LineAsString', 'l String')",
		"s3('http://" + p.outside + "/b/k', 'LineAsString', 'l String')", "s3('http://" + p.outside + "/b/k')", "gcs('http://" + p.outside + "/b/k', 'LineAsString', 'l String')",
		"azureBlobStorage('http://" + p.outside + "/', 'c', 'b')", "hdfs('hdfs://" + p.outside + "/x', 'TSV', 'l String')",
		"remote('" + p.outside + "', 'system', 'one')", "remoteSecure('" + p.outside + "', 'system', 'one')", "cluster('default', 'system', 'one')",
		"mysql('" + p.outside + "', 'd', 't', 'u', 'p')", "postgresql('" + p.outside + "', 'd', 't', 'u', 'p')", "mongodb('" + p.outside + "', 'd', 't', 'u', 'p', 'a String')",
		"redis('" + p.outside + "', 'k', 'k String')", "odbc('DSN=x', 'a', 'b')", "jdbc('x', 'a', 'b')", "ytsaurus('http://" + p.outside + "', '//x', 't', 'a UInt8')",
		"sqlite('made.db', 't')", "sqlite('metadata/made.sql', 't')", "`sq\\x6cite`('metadata/made.sql', 't')", "SQLite /* x */ ('made.db', 't')", "sqlite\u00a0('made.db', 't')",
		"icebergLocal('/etc')", "deltaLakeLocal('/etc')", "paimonLocal('/etc')", "iceberg('http://" + p.outside + "/b/k')", "deltaLake('http://" + p.outside + "/b/k')", "hudi('http://" + p.outside + "/b/k')",
		"executable('id', 'TSV', 'l String')", "executable('../../../bin/id', 'TSV', 'l String')", "eval('SELECT 1')", "input('a UInt8')", "loop(t)",
	} {
		statements = append(statements, "SELECT * FROM "+call)
	}
	return statements
}

// changing are statements that change something.
func (p *prison) changing() []string {
	return []string{
		"INSERT INTO t VALUES (2)", "/* SELECT */ INSERT INTO t VALUES (2)", "-- SELECT 1\nINSERT INTO t VALUES (2)", "INSERT INTO t SELECT 2", "INSERT INTO t FORMAT CSV\n2\n",
		"WITH 2 AS x INSERT INTO t SELECT x", "INSERT INTO FUNCTION file('made.csv') SELECT 1", "INSERT INTO FUNCTION url('http://" + p.outside + "/', 'TSV', 'a UInt8') SELECT 1",
		"INSERT INTO FUNCTION s3('http://" + p.outside + "/b/k', 'TSV', 'a UInt8') SELECT 1", "INSERT INTO t FROM INFILE '" + p.secret + "' FORMAT LineAsString",
		"CREATE TABLE nf.x (a UInt8) ENGINE = MergeTree ORDER BY a", "CREATE TABLE nf.x ENGINE = Memory AS SELECT 1", "CREATE TABLE nf.x AS file('config.xml', 'LineAsString')",
		"CREATE VIEW nf.x AS SELECT 1", "CREATE MATERIALIZED VIEW nf.x ENGINE = Memory AS SELECT * FROM nf.t", "CREATE DATABASE x", "CREATE FUNCTION f AS (x) -> x",
		"CREATE DICTIONARY nf.d (a UInt64) PRIMARY KEY a SOURCE(HTTP(URL 'http://" + p.outside + "/' FORMAT 'TSV')) LAYOUT(FLAT()) LIFETIME(1)",
		"CREATE DICTIONARY nf.d (a UInt64) PRIMARY KEY a SOURCE(EXECUTABLE(COMMAND 'id' FORMAT 'TSV')) LAYOUT(FLAT()) LIFETIME(1)",
		"CREATE USER u", "CREATE ROLE r", "CREATE NAMED COLLECTION c AS a = 1", "GRANT ALL ON *.* TO default", "GRANT owner TO default", "ALTER USER default IDENTIFIED BY 'x'",
		"DROP TABLE t", "DROP DATABASE nf", "TRUNCATE TABLE t", "ALTER TABLE t DELETE WHERE 1", "ALTER TABLE t ADD COLUMN b UInt8", "DELETE FROM t WHERE 1", "UPDATE t SET a = 2 WHERE 1",
		"RENAME TABLE t TO u", "OPTIMIZE TABLE t FINAL", "ATTACH TABLE x", "DETACH TABLE t", "EXCHANGE TABLES t AND t", "UNDROP TABLE t", "CHECK TABLE t", "MOVE USER u TO x",
		"BACKUP DATABASE nf TO File('x')", "RESTORE DATABASE nf FROM File('x')",
		"SYSTEM SHUTDOWN", "SYSTEM KILL", "SYSTEM FLUSH LOGS", "SYSTEM DROP MARK CACHE", "SYSTEM RELOAD CONFIG", "SYSTEM SUSPEND FOR 1 SECOND",
	}
}

// TestWalls tries to get from the read-only listener to where only the owner may
// go.
func TestWalls(t *testing.T) {
	p := newPrison(t)
	statements := append(append(p.reaching(), p.changing()...),
		"", ";", "-- nothing", "SELECT", "CREATE TEMPORARY TABLE x (a UInt8)", "SYSTEM STOP MERGES", "KILL QUERY WHERE 1", "KILL MUTATION WHERE 1", "USE nf", "BEGIN TRANSACTION", "HANDLER t OPEN", "WATCH t",
		"SET max_memory_usage = 0", "SET readonly = 0", "SET ROLE owner", "SET ROLE ALL", "SET DEFAULT ROLE owner TO default", "EXECUTE AS default SELECT 1",
		"SELECT 1 INTO OUTFILE 'made.csv'", "SELECT 1 INTO OUTFILE '"+p.dir+"/clickhouse/made.csv' FORMAT CSV", "SELECT 1 INTO OUTFILE 'made.csv' AND STDOUT", "select 1 into/**/outfile 'made.csv' truncate",
		"SELECT 1; DROP TABLE t", "SELECT 1;\nSELECT 2", "SELECT 1; -- \nDROP TABLE t", "SELECT 1;;DROP TABLE t", "SELECT 1 PARALLEL WITH DROP TABLE t",
		"SELECT count() FROM t SETTINGS readonly = 0", "SELECT count() FROM t SETTINGS max_execution_time = 0", "SELECT count() FROM t SETTINGS allow_introspection_functions = 1",
		"SELECT * FROM (SELECT 1 SETTINGS readonly = 0)", "SELECT * FROM (SELECT addressToSymbol(1) settings/**/allow_introspection_functions=1)",
		"SELECT 1 SETTINGS readonly = 0 UNION ALL SELECT 1", "WITH x AS (SELECT 1 SETTINGS `readonly` = 0) SELECT * FROM x", "SELECT (SELECT 1 SETTINGS max_execution_time = 0)",
		"SELECT * FROM (SELECT 1) SETTINGS max_result_rows = 0", "SELECT 1 SETTINGS additional_result_filter = 'file(1)'",
		"SELECT 1 FORMAT Template SETTINGS format_template_row = '"+p.secret+"'", "SELECT 1 FORMAT Protobuf SETTINGS output_format_schema = 'made.proto'",
		"EXPLAIN SELECT * FROM file('config.xml') SETTINGS readonly = 0", "EXPLAIN INSERT INTO t VALUES (2)", "DESCRIBE TABLE sqlite('made.db', 't')",
		"DESCRIBE TABLE url('http://"+p.outside+"/x.csv')", "DESCRIBE TABLE file('config.xml', 'LineAsString')", "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT * FROM sqlite('made.db', 't')))",
		"SELECT addressToSymbol(1)", "SELECT * FROM system.stack_trace", "SELECT * FROM system.users", "SELECT * FROM system.symbols",
		"SELECT 1 WHERE 1 IN (SELECT * FROM sqlite('made.db', 't'))", "WITH x AS (SELECT * FROM sqlite('made.db', 't')) SELECT * FROM x")
	for _, sql := range statements {
		if status, body, _ := get(t, p.Supervisor, sql); status == 200 || strings.Contains(body, "TOPSECRET") || strings.Contains(body, "root:") {
			t.Errorf("%s\n got through: %d %.300s", sql, status, body)
		}
	}
	// The statement may be split between URL and body.
	if status, body, _ := get(t, p.Supervisor, "; DROP TABLE t", "query", "SELECT 1"); status == 200 {
		t.Errorf("split statement got through: %s", body)
	}
	if status, body, _ := get(t, p.Supervisor, "2", "query", "INSERT INTO t FORMAT TSV"); status == 200 {
		t.Errorf("INSERT with data got through: %s", body)
	}
	if status, body, _ := get(t, p.Supervisor, "SELECT 1", "role", "owner", "param_x", "1"); status != 200 {
		t.Errorf("role: %d %s", status, body) // passed over
	}
	p.untouched(t)
}

// TestReaderRole checks that ClickHouse's own grants hold without the wall in
// front of them.
func TestReaderRole(t *testing.T) {
	p := newPrison(t)
	for _, sql := range append(p.reaching(), p.changing()...) {
		if strings.Contains(strings.ToLower(sql), "made.") && strings.HasPrefix(sql, "SELECT") || strings.Contains(sql, "config.xml'") || strings.Contains(sql, "x69le") {
			continue // refused as well, but sqlite() makes its file first, and file() may read ClickHouse's folder
		}
		if status, body := post(t, p.Supervisor, strings.NewReader(sql), "role", ViewerRole, "readonly", "1", "database", "nf"); status == 200 {
			t.Errorf("%s\n got through: %.300s", sql, body)
		}
	}
	p.untouched(t)
}

// TestConfinement tries what the kernel must refuse to the engine even with full
// rights.
func TestConfinement(t *testing.T) {
	p := newPrison(t)
	script := filepath.Join(p.dir, "clickhouse", "user_scripts", "run.sh")
	if err := os.MkdirAll(filepath.Dir(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho ran > \"$0.made\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.files = p.listFiles(t)
	for _, sql := range []string{
		"SELECT file('/etc/passwd')", "SELECT file('" + p.secret + "')", "SELECT file('" + keyPath(p.dir) + "')", "SELECT file('/proc/self/environ')", "SELECT file('/proc/1/cmdline')",
		fmt.Sprintf("SELECT file('/proc/%d/environ')", os.Getpid()),
		"SELECT * FROM url('http://" + p.outside + "/', 'LineAsString', 'l String') SETTINGS http_max_tries = 1",
		"SELECT * FROM remote('" + p.outside + "', 'system', 'one') SETTINGS connections_with_failover_max_tries = 1",
		"SELECT * FROM executable('run.sh', 'TSV', 'l String')",
		"INSERT INTO FUNCTION file('" + filepath.Join(p.dir, "made.csv") + "') SELECT 1", "INSERT INTO FUNCTION file('/tmp/nfstats-made.csv') SELECT 1",
	} {
		// A program that does not start has no output, which is no error.
		if status, body := post(t, p.Supervisor, strings.NewReader(sql)); status == 200 && (body != "" || !strings.Contains(sql, "executable")) {
			t.Errorf("%s\n got through: %.300s", sql, body)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", enginePID(t, os.Getpid())))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("the engine process is not %s", want)
		}
	}
	p.untouched(t)
}

// TestReaderSettings asks for settings in the URL.
func TestReaderSettings(t *testing.T) {
	s := start(t, t.TempDir())
	memory := fmt.Sprint(readerMemory(s.config.MaxMemory) / 2)
	for _, c := range []struct{ name, value, want string }{
		{"max_execution_time", "0", "60"}, {"max_execution_time", "5", "5"}, {"max_execution_time", "1e9", "60"}, {"max_execution_time", "-1", "60"}, {"max_execution_time", "NaN", ""},
		{"max_memory_usage", "0", memory}, {"max_memory_usage", "100000000000000", memory}, {"max_memory_usage", "50000000", "50000000"}, {"max_result_rows", "0", "10000000"},
		{"max_temporary_data_on_disk_size_for_query", "0", fmt.Sprint(s.config.MaxMemory)}, {"max_threads", "1000", fmt.Sprint(readOnlyCeilings(0, 0)[2].value)},
		{"readonly", "0", "1"}, {"readonly", "2", "1"}, {"max_query_size", "0", fmt.Sprint(4 * readOnlyStatement)}, {"allow_experimental_json_type", "1", "true"},
		{"extremes", "1", "true"}, {"session_timezone", "Asia/Tokyo", "Asia/Tokyo"}, {"output_format_json_quote_64bit_integers", "1", "true"},
		{"allow_introspection_functions", "1", ""}, {"format_schema", "x", ""}, {"output_format_schema", "x", ""}, {"additional_result_filter", "1", ""},
		{"max_parser_depth", "100000", ""}, {"path", "/", ""}, {"config-file", "/etc/passwd", ""}, {"--path", "/", ""}, {"max_threads=1 --readonly", "0", ""},
		{"max_execution_time", "60 --readonly=0", ""}, {"extremes", "1\x00--readonly=0", "*"}, {"session_timezone", "UTC\n--readonly=0", ""}, {"user", "x", "-"},
	} {
		sql := "SELECT getSetting('" + c.name + "')"
		if c.want == "" || c.want == "-" || c.want == "*" {
			sql = "SELECT getSetting('readonly')"
		}
		status, body, _ := get(t, s, sql, c.name, c.value)
		body, _, _ = strings.Cut(body, "\n") // extremes follow
		switch {
		case c.want == "*":
			if status == 200 && body != "1" {
				t.Errorf("%s=%q: readonly is %s", c.name, c.value, body)
			}
		case c.want == "":
			if status == 200 {
				t.Errorf("%s=%q is accepted: %s", c.name, c.value, body)
			}
		case c.want == "-" && body == "1":
		case status != 200 || body != c.want:
			t.Errorf("%s=%q: %d %s, want %s", c.name, c.value, status, body, c.want)
		}
	}
	// A comment of the request does not hide the one that statements are known by.
	if _, body, _ := get(t, s, "SELECT getSetting('log_comment')", "log_comment", "", "query_id", "mine"); !strings.HasPrefix(body, "mine ") || len(body) < 20 {
		t.Errorf("log_comment: %q", body)
	}
	if status, body, _ := get(t, s, "SELECT number FROM numbers(20000000) FORMAT Null"); status == 200 || !strings.Contains(body, "TOO_MANY_ROWS_OR_BYTES") {
		t.Errorf("20 million rows: %d %s", status, body)
	}
	if status, body, _ := get(t, s, "SELECT number FROM numbers(20000000) FORMAT Null", "max_result_rows", "100", "result_overflow_mode", "break"); status != 200 {
		t.Errorf("rows limited by the client: %d %s", status, body)
	}
	if status, body, _ := get(t, s, "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number))", "max_execution_time", "1"); status != 408 || !strings.HasPrefix(body, "Code: 159.") {
		t.Errorf("timeout: %d %s", status, body)
	}
}

// TestReaderCannotCancelOthers uses the query id of a statement of the owner's.
func TestReaderCannotCancelOthers(t *testing.T) {
	s := start(t, t.TempDir())
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	run := func(ctx context.Context, c *http.Client, address, sql string) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/?query_id=shared", strings.NewReader(sql))
		if err != nil {
			t.Error(err)
			return
		}
		if response, err := c.Do(request); err == nil {
			response.Body.Close()
		}
	}
	running := func(text string) bool {
		const sql = "SELECT count() FROM system.processes WHERE startsWith(query, '%s')"
		if strings.Contains(text, "owner") {
			_, n := post(t, s, strings.NewReader(fmt.Sprintf(sql, text)))
			return n == "1\n"
		}
		return box(t, s, fmt.Sprintf(sql, text)) == "1"
	}
	await := func(text string, want bool) {
		eventually(t, fmt.Sprintf("%s runs: %v", text, want), func() error {
			if running(text) != want {
				return errors.New("no")
			}
			return nil
		})
	}
	go run(ctx, owner(s), "http://engine", "SELECT 'owner', count() FROM numbers(30000000000000) WHERE NOT ignore(sipHash64(number))")
	await(`SELECT \'owner\'`, true)
	readerCtx, readerLeaves := context.WithCancel(t.Context())
	go run(readerCtx, http.DefaultClient, "http://"+s.config.Listen, "SELECT 'reader', count() FROM numbers(30000000000000) WHERE NOT ignore(sipHash64(number))")
	await(`SELECT \'reader\'`, true)
	readerLeaves()
	await(`SELECT \'reader\'`, false)
	if !running(`SELECT \'owner\'`) {
		t.Error("the owner's statement was cancelled")
	}
}

// TestBrowsersOfOthers makes the requests that a web page from elsewhere could.
func TestBrowsersOfOthers(t *testing.T) {
	door := newDoorkeeper([]string{"Flows.example.net"})
	for _, c := range []struct {
		name, host string
		header     map[string]string
		admitted   bool
	}{
		{"curl", "127.0.0.1:8123", nil, true}, {"IPv6", "[::1]:8123", nil, true}, {"without port", "192.0.2.1", nil, true}, {"localhost", "localhost:8123", nil, true},
		{"configured", "flows.EXAMPLE.net:8123", nil, true}, {"final dot", "localhost.:8123", nil, true}, {"HTTP/1.0", "", nil, true}, {"a zone", "[fe80::1%eth0]:8123", nil, true},
		{"rebound name", "evil.example:8123", nil, false}, {"name with our prefix", "localhost.evil.example", nil, false}, {"name like an address", "127.0.0.1.evil.example", nil, false},
		{"own page", "localhost:8123", map[string]string{"Origin": "http://localhost:8123", "Sec-Fetch-Site": "same-origin"}, true}, {"typed in", "127.0.0.1:8123", map[string]string{"Sec-Fetch-Site": "none"}, true},
		{"other page", "127.0.0.1:8123", map[string]string{"Origin": "https://evil.example"}, false}, {"other port", "localhost:8123", map[string]string{"Origin": "http://localhost:8080"}, false},
		{"sandboxed page", "localhost:8123", map[string]string{"Origin": "null"}, false}, {"embedded", "localhost:8123", map[string]string{"Sec-Fetch-Site": "cross-site"}, false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Host = c.host
		for name, value := range c.header {
			r.Header.Set(name, value)
		}
		if err := door.admit(r); (err == nil) != c.admitted {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	s := start(t, t.TempDir())
	request := httptest.NewRequest(http.MethodPost, "http://"+s.config.Listen+"/", strings.NewReader("SELECT 1"))
	request.Host, request.RequestURI = "evil.example", ""
	if response, body := ask(t, request); response.StatusCode != http.StatusForbidden || !strings.Contains(body, "http.allowed_hosts") {
		t.Errorf("%s %s", response.Status, body)
	}
}

// TestUnconfinedListenerIsClosed asks the listener of an engine that could not
// be confined.
func TestUnconfinedListenerIsClosed(t *testing.T) {
	h := &handler{users: &readerHouse{closed: "the kernel has no Landlock"}}
	answer := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/", strings.NewReader("SELECT 1"))
	h.readOnly(newDoorkeeper(nil)).ServeHTTP(answer, request)
	if answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), h.users.closed) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}
