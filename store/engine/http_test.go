//go:build linux && amd64

package engine

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// TestInsertForms sends the same rows in the ways in which clients send them.
func TestInsertForms(t *testing.T) {
	s := start(t, t.TempDir())
	execute(t, client(t, s), "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
	for _, c := range []struct{ name, url, body string }{
		{"statement and data in the body", "", "INSERT INTO nf.t FORMAT CSV\n1,x\n2,y\n"},
		{"data in the statement's line", "", `INSERT INTO nf.t FORMAT JSONEachRow {"a": 1, "b": "x"} {"a": 2, "b": "y"}`},
		{"statement in the URL", "INSERT INTO nf.t FORMAT CSV", "1,x\n2,y\n"},
		{"data in both", "INSERT INTO nf.t FORMAT CSV 1,x", "2,y\n"},
		{"values in the body", "", "INSERT INTO nf.t (a, b) VALUES (1, 'x'), (2, 'y');"},
		{"values in the URL", "INSERT INTO nf.t (a, b) VALUES (1, 'x'), (2, 'y')", ""},
		{"values behind the URL", "INSERT INTO nf.t (a, b) VALUES", "(1, 'x'), (2, 'y')"},
		{"select in the body", "", "INSERT INTO nf.t SELECT number + 1, ['x', 'y'][number + 1] FROM numbers(2)"},
		{"select in the URL", "INSERT INTO nf.t SELECT number + 1, ['x', 'y'][number + 1] FROM numbers(2)", ""},
		{"comments and case", "", "/* INSERT */ insert into nf.t -- FORMAT TSV\n format csv\n1,x\n2,y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, text := post(t, s, strings.NewReader(c.body), "query", c.url); status != 200 || text != "" {
				t.Errorf("%d %s", status, text)
			}
			if _, rows := post(t, s, strings.NewReader("SELECT * FROM nf.t ORDER BY a FORMAT CSV")); rows != "1,\"x\"\n2,\"y\"\n" {
				t.Errorf("rows: %q", rows)
			}
			post(t, s, strings.NewReader("TRUNCATE TABLE nf.t"))
		})
	}
	for _, bad := range []struct{ sql, code string }{
		{"INSERT INTO nf.t FORMAT CSV\nx,y\n", "27"}, {"INSERT INTO nf.nosuch FORMAT CSV\n1\n", "60"},
		{"INSERT INTO nf.t FORMAT Nosuch\n1\n", "73"}, {"INSERT INTO", "62"},
	} {
		status, text := post(t, s, strings.NewReader(bad.sql))
		if status == 200 || !strings.HasPrefix(text, "Code: ") {
			t.Errorf("%s: %d %s", bad.sql, status, text)
		}
	}
	if _, n := post(t, s, strings.NewReader("SELECT count() FROM nf.t")); n != "0\n" {
		t.Errorf("%s rows of failed inserts", n)
	}
}

// TestLargeInsert streams rows whose pieces end amid a row.
func TestLargeInsert(t *testing.T) {
	s := start(t, t.TempDir())
	execute(t, client(t, s), "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
	const n = 300_000
	var rows bytes.Buffer
	for i := range n {
		fmt.Fprintf(&rows, "%d,\"text of row %d, long enough to cross the borders of pieces\"\n", i, i)
	}
	encoders := map[string]func(io.Writer) io.WriteCloser{
		"":     func(w io.Writer) io.WriteCloser { return plainWriter{w} },
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
		"lz4":  func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) },
	}
	for coding, encoder := range encoders {
		in, out := io.Pipe()
		go func() {
			w := encoder(out)
			_, err := w.Write(rows.Bytes())
			out.CloseWithError(errors.Join(err, w.Close()))
		}()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://engine/?query=INSERT+INTO+nf.t+FORMAT+CSV", in)
		if err != nil {
			t.Fatal(err)
		}
		if coding != "" {
			request.Header.Set("Content-Encoding", coding)
		}
		response, err := owner(s).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if summary := response.Header.Get("X-ClickHouse-Summary"); response.StatusCode != 200 || !strings.Contains(summary, `"written_rows":"300000"`) {
			t.Errorf("%s: %s %s", coding, response.Status, summary)
		}
	}
	if _, sums := post(t, s, strings.NewReader("SELECT count(), sum(a), uniqExact(b) FROM nf.t")); sums != fmt.Sprintf("%d\t%d\t%d\n", 4*n, 4*n*(n-1)/2, n) {
		t.Errorf("rows: %s", sums)
	}
}

// TestBrokenInsertLeavesNothing cuts the data of an INSERT off.
func TestBrokenInsertLeavesNothing(t *testing.T) {
	s := start(t, t.TempDir())
	execute(t, client(t, s), "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt64) ENGINE = MergeTree ORDER BY a")
	in, out := io.Pipe()
	go func() {
		io.WriteString(out, strings.Repeat("12345\n", 1000))
		out.CloseWithError(errors.New("cut off"))
	}()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://engine/?query=INSERT+INTO+nf.t+FORMAT+CSV", in)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := owner(s).Do(request); err == nil {
		t.Errorf("answered: %s", response.Status)
	}
	eventually(t, "no insert runs", func() error {
		if _, n := post(t, s, strings.NewReader("SELECT count() FROM system.processes WHERE query_kind = 'Insert'")); n != "0\n" {
			return errors.New(n)
		}
		return nil
	})
	if _, n := post(t, s, strings.NewReader("SELECT count() FROM nf.t")); n != "0\n" {
		t.Errorf("%s rows", n)
	}
}

// TestCompressedAnswers reads one result under every coding.
func TestCompressedAnswers(t *testing.T) {
	s := start(t, t.TempDir())
	const sql, want = "SELECT number FROM numbers(100000)", 588890
	for accept, decoder := range map[string]func(io.Reader) (io.Reader, error){
		"gzip":             func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"br, zstd;q=0.5":   func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
		"lz4":              func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil },
		"br, zstd;q=0":     func(r io.Reader) (io.Reader, error) { return r, nil },
		"blocks: compress": func(r io.Reader) (io.Reader, error) { return blockReader{compress.NewReader(r)}, nil },
	} {
		parameters := []string{"enable_http_compression", "1"}
		if strings.HasPrefix(accept, "blocks") {
			parameters = []string{"compress", "1"}
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.config.Listen+"/?"+query(parameters).Encode(), strings.NewReader(sql))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept-Encoding", accept)
		response, body := ask(t, request)
		reader, err := decoder(strings.NewReader(body))
		if err != nil {
			t.Fatalf("%s: %v", accept, err)
		}
		if plain, err := io.ReadAll(reader); err != nil || len(plain) != want {
			t.Errorf("%s: %s %q, %d bytes, want %d: %v", accept, response.Status, response.Header.Get("Content-Encoding"), len(plain), want, err)
		}
	}
}

// TestClickhouseGoCompression uses each compression of the Go client, both ways.
func TestClickhouseGoCompression(t *testing.T) {
	s := start(t, t.TempDir())
	execute(t, client(t, s), "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
	methods := []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionZSTD, clickhouse.CompressionGZIP}
	for _, method := range methods {
		c := clientWith(t, s, func(o *clickhouse.Options) { o.Compression = &clickhouse.Compression{Method: method} })
		batch, err := c.PrepareBatch(t.Context(), "INSERT INTO nf.t")
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		for i := range 1000 {
			if err := batch.Append(uint64(i), "text"); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			t.Errorf("%s: insert: %v", method, err)
		}
		var n uint64
		if err := c.QueryRow(t.Context(), "SELECT count() FROM (SELECT a, b, rand() FROM nf.t)").Scan(&n); err != nil {
			t.Errorf("%s: query: %v", method, err)
		}
		var exception *clickhouse.Exception
		if err := c.Exec(t.Context(), "SELECT nosuch"); !errors.As(err, &exception) || exception.Code != 47 {
			t.Errorf("%s: got %v, want code 47", method, err)
		}
	}
	if _, n := post(t, s, strings.NewReader("SELECT count() FROM nf.t")); n != strconv.Itoa(1000*len(methods))+"\n" {
		t.Errorf("%s rows", n)
	}
}

// TestExceptions checks code, status and form of errors.
func TestExceptions(t *testing.T) {
	s := start(t, t.TempDir())
	for _, c := range []struct {
		sql          string
		parameters   []string
		code, status int
	}{
		{"SELECT", nil, 62, 400}, {"SELECT nosuch", nil, 47, 404}, {"SELECT nosuch()", nil, 46, 404}, {"SELECT * FROM nosuch", nil, 60, 404},
		{"SELECT 1 FORMAT Nosuch", nil, 73, 404}, {"SELECT toUInt8('x')", nil, 6, 400}, {"SELECT throwIf(1)", nil, 395, 500},
		{"SELECT {x:UInt8}", nil, 456, 500}, {"SELECT {x:UInt8}", []string{"param_x", "text"}, 457, 500},
		{"SELECT 1", []string{"database", "nosuch"}, 81, 404}, {"SELECT 1", []string{"nosuch_setting", "1"}, 164, 500},
		{"SELECT 1", []string{"max_threads", "many"}, 36, 400}, {"SELECT 1", []string{"client_protocol_version", "x"}, 36, 400},
		{"SELECT 1", []string{"session_timezone", "Nowhere"}, 36, 400},
		{"SELECT 1 SETTINGS max_query_size = 1", nil, 164, 500},
		{"SELECT " + strings.Repeat("(", 5000), nil, 306, 500}, {"SELECT '" + strings.Repeat("x", 2<<20) + "'", nil, 229, 413},
	} {
		status, body, header := get(t, s, c.sql, c.parameters...)
		if status != c.status || header.Get("X-ClickHouse-Exception-Code") != strconv.Itoa(c.code) || !strings.HasPrefix(body, fmt.Sprintf("Code: %d. DB::Exception: ", c.code)) {
			t.Errorf("%.60s %v: got %d, code %s, want %d, %d: %.200s", c.sql, c.parameters, status, header.Get("X-ClickHouse-Exception-Code"), c.status, c.code, body)
		}
	}
	// With full rights a wrong setting is explained by ClickHouse.
	for setting, code := range map[string]string{"nosuch_setting": "115", "max_threads": "27"} {
		if status, body := post(t, s, strings.NewReader("SELECT 1"), setting, "many"); status == 200 || !strings.HasPrefix(body, "Code: "+code+". ") {
			t.Errorf("%s: %d %s", setting, status, body)
		}
	}
}

// TestExceptionAmidResult lets a query fail after much of its result was sent.
func TestExceptionAmidResult(t *testing.T) {
	s := start(t, t.TempDir())
	const sql = "SELECT number, throwIf(number = 3000000) FROM numbers(10000000)"
	response, err := owner(s).Post("http://engine/", "text/plain", strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil || response.StatusCode != 200 {
		t.Errorf("%s, and the body ends as if it were whole", response.Status)
	}
	tag := response.Header.Get("X-ClickHouse-Exception-Tag")
	end := string(body[max(0, len(body)-2000):])
	if !strings.Contains(end, "\r\n__exception__\r\n"+tag+"\r\nCode: 395. DB::Exception: ") || !strings.HasSuffix(end, tag+"\r\n__exception__\r\n") || len(tag) != 16 {
		t.Errorf("tag %q, end of the body: %q", tag, end)
	}
	for _, method := range []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionGZIP} {
		c := clientWith(t, s, func(o *clickhouse.Options) { o.Compression = &clickhouse.Compression{Method: method} })
		rows, err := c.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for rows.Next() {
			count++
		}
		var exception *clickhouse.Exception
		if err := rows.Err(); count == 0 || !errors.As(err, &exception) || exception.Code != 395 {
			t.Errorf("%s: %d rows, then %v, want code 395", method, count, err)
		}
		rows.Close()
	}
}

// TestParameters binds values of several types, hostile ones too.
func TestParameters(t *testing.T) {
	s := start(t, t.TempDir())
	for _, c := range []struct{ sql, value, want string }{
		{"SELECT {x:UInt8} + 1", "41", "42"}, {"SELECT {x:String}", `'; DROP TABLE t; -- \\`, `\'; DROP TABLE t; -- \\`}, {"SELECT length({x:String})", "", "0"},
		{"SELECT length({x:String})", `ä\tb\nc`, "6"}, {"SELECT {x:Array(UInt32)}[2]", "[1,2,3]", "2"}, {"SELECT {x:Nullable(String)} IS NULL", `\N`, "1"},
		{"SELECT {x:DateTime64(3, 'UTC')}", "2026-01-02 03:04:05.678", "2026-01-02 03:04:05.678"}, {"SELECT {x:IPv6}", "2001:db8::1", "2001:db8::1"},
		{"SELECT name FROM system.{x:Identifier} LIMIT 0", "tables", ""}, {"SELECT {x:Map(String, UInt8)}['k']", "{'k': 7}", "7"},
	} {
		if status, body, _ := get(t, s, c.sql, "param_x", c.value); status != 200 || strings.TrimSuffix(body, "\n") != c.want {
			t.Errorf("%s with %q: %d %q, want %q", c.sql, c.value, status, body, c.want)
		}
	}
	execute(t, client(t, s), "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt32) ENGINE = MergeTree ORDER BY a")
	for _, sql := range []string{"INSERT INTO nf.{x:Identifier} FORMAT CSV\n1\n", "INSERT INTO nf.{x:Identifier} SELECT 1"} {
		if status, body := post(t, s, strings.NewReader(sql), "param_x", "t"); status != 200 {
			t.Errorf("%s: %d %s", sql, status, body)
		}
	}
	if _, n := post(t, s, strings.NewReader("SELECT count() FROM nf.t")); n != "2\n" {
		t.Errorf("%s rows", n)
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	w.WriteField("query", "SELECT {x:UInt8}")
	w.WriteField("param_x", "7")
	w.Close()
	response, err := http.Post("http://"+s.config.Listen+"/", w.FormDataContentType(), &form)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); string(body) != "7\n" {
		t.Errorf("form: %s", body)
	}
}

// TestHeaders checks what clients look at.
func TestHeaders(t *testing.T) {
	s := start(t, t.TempDir())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.config.Listen+"/?query=SELECT+number+FROM+system.numbers+LIMIT+5", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-ClickHouse-Format", "JSONCompactEachRow")
	request.Header.Set("X-ClickHouse-Query-Id", "mine")
	request.Header.Set("X-ClickHouse-Database", "system")
	response, body := ask(t, request)
	for name, want := range map[string]string{"X-ClickHouse-Query-Id": "mine", "X-ClickHouse-Format": "JSONCompactEachRow", "X-ClickHouse-Timezone": "UTC",
		"X-ClickHouse-Server-Display-Name": "nfstats", "Content-Type": "application/x-ndjson; charset=UTF-8", "X-Content-Type-Options": "nosniff",
		"Access-Control-Allow-Origin": "", "Cache-Control": "no-store"} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if summary := response.Header.Get("X-ClickHouse-Summary"); !strings.Contains(summary, `"result_rows":"5"`) {
		t.Errorf("summary: %s", summary)
	}
	if !strings.HasPrefix(body, "[") || strings.Count(body, "\n") != 5 {
		t.Errorf("body: %s", body)
	}
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/", 200, "Ok.\n"}, {"GET", "/ping", 200, "Ok.\n"}, {"HEAD", "/ping", 200, ""}, {"GET", "/replicas_status", 200, "Ok.\n"},
		{"GET", "/nosuch", 404, ""}, {"PUT", "/?query=SELECT+1", 500, ""}, {"GET", "/?query=%zz", 400, ""}, {"GET", "/?query=SELECT+1;", 200, "1\n"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+s.config.Listen+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, body := ask(t, request); response.StatusCode != c.status || c.body != "" && body != c.body {
			t.Errorf("%s %s: %s %q", c.method, c.path, response.Status, body)
		}
	}
}

// TestLargeResultIsStreamed reads a result that is larger than what the engine
// may hold of it.
func TestLargeResultIsStreamed(t *testing.T) {
	s := start(t, t.TempDir())
	response, err := owner(s).Post("http://engine/?default_format=RowBinary", "text/plain", strings.NewReader("SELECT repeat('x', 1000) FROM numbers(1000000)"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	before := residentMemory(t, enginePID(t, os.Getpid()))
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil || n != 1_002_000_000 {
		t.Errorf("%d bytes: %v", n, err)
	}
	if grown := residentMemory(t, enginePID(t, os.Getpid())) - before; grown > 300<<20 {
		t.Errorf("the engine grew by %d MB for a result of 1 GB", grown>>20)
	}
}

func residentMemory(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// TestStatementsWaitForASlot fills the read-only listener.
func TestStatementsWaitForASlot(t *testing.T) {
	s := start(t, t.TempDir())
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	ended := make(chan string, readOnlyStatements)
	for i := range readOnlyStatements {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.config.Listen+"/", strings.NewReader(fmt.Sprintf("SELECT count() FROM numbers(30000000000%d) WHERE NOT ignore(sipHash64(number))", i)))
		if err != nil {
			t.Fatal(err)
		}
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 4, byte(1+i%2))}} // one has six turns
		client := &http.Client{Transport: &http.Transport{DialContext: from.DialContext}}
		go func() {
			if response, err := client.Do(request); err == nil {
				text, _ := io.ReadAll(response.Body)
				response.Body.Close()
				ended <- string(text)
			}
		}()
	}
	running := func() string {
		return box(t, s, "SELECT count() FROM system.processes WHERE query LIKE '%numbers(30000000000%' AND query NOT LIKE '%processes%'")
	}
	eventually(t, "all slots are taken", func() error {
		if n := running(); n != strconv.Itoa(readOnlyStatements) {
			select {
			case text := <-ended:
				t.Fatalf("a statement has ended: %s", text)
			default:
			}
			return errors.New(n)
		}
		return nil
	})
	answered := make(chan string, 1)
	go func() {
		response, err := http.Post("http://"+s.config.Listen+"/", "text/plain", strings.NewReader("SELECT 'waited'"))
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		answered <- string(text)
	}()
	eventually(t, "the owner is not kept waiting", func() error {
		if _, one := post(t, s, strings.NewReader("SELECT 1")); one != "1\n" {
			return errors.New(one)
		}
		return nil
	})
	select {
	case text := <-answered:
		t.Errorf("answered without a slot: %s", text)
	default:
	}
	leave()
	if text := <-answered; text != "waited\n" {
		t.Errorf("got %s", text)
	}
	eventually(t, "all statements have ended", func() error {
		if n := running(); n != "0" {
			return errors.New(n)
		}
		return nil
	})
}
