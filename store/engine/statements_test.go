//go:build linux && amd64

package engine

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// A statementMaker writes statements that try to get out: pieces that read or
// write files, start programs or lift limits, in the places and spellings that
// SQL has for them.
type statementMaker struct {
	*rand.Rand
	folder string // ClickHouse's
}

func (m statementMaker) one(texts ...string) string { return texts[m.IntN(len(texts))] }

// path names a file, by the ways that ClickHouse resolves names.
func (m statementMaker) path() string {
	name := m.one("config.xml", "users.xml", "made.proto", "metadata/made.sql", "metadata/nf/t.sql", "store/made", "../secret.txt", "tmp/made")
	return m.one(m.folder+"/"+name, name, "../clickhouse/"+name, "../../clickhouse/"+name, "/etc/passwd", "/proc/self/environ", "/proc/self/maps")
}

// spelled writes a name as it is, in other cases, quoted, or with escapes.
func (m statementMaker) spelled(name string) string {
	switch m.IntN(7) {
	case 0:
		return strings.ToUpper(name)
	case 1:
		return "`" + name + "`"
	case 2:
		return `"` + name + `"`
	case 3:
		at := m.IntN(len(name))
		return fmt.Sprintf("`%s\\x%02x%s`", name[:at], name[at], name[at+1:])
	}
	return name
}

// blank separates tokens.
func (m statementMaker) blank() string {
	if m.IntN(3) > 0 {
		return " "
	}
	return m.one("\n", "\t", "/**/", "/* ' */", "-- \"\n", "# `\n", "\u00a0", "\u2003", "\ufeff", "#!x\n", " /* /* */ */ ")
}

// value is a literal, in one of its spellings.
func (m statementMaker) value(text string) string {
	return m.one("'"+text+"'", "$$"+text+"$$", "$x$"+text+"$x$", "'\\"+"x"+fmt.Sprintf("%x", text[0])+text[1:]+"'", "‘"+text+"’")
}

// setting is a name with a value, of those that reach files or lift limits.
func (m statementMaker) setting() string {
	switch m.IntN(7) {
	case 6:
		return m.one("extremes = 1", "final = 1", "max_threads = 1", "session_timezone = 'UTC'", "output_format_json_quote_64bit_integers = 1")
	case 0:
		return m.spelled(m.one("x.y", "a.b.c", "extremes", "final")) + m.blank() + "=" + m.blank() + m.one("0", "1", "true", "DEFAULT", "[1]", "{'a': 1}")
	case 1:
		return m.spelled(m.one("readonly", "max_threads", "max_memory_usage", "max_execution_time", "max_result_rows", "max_block_size", "allow_ddl", "log_comment",
			"allow_introspection_functions", "max_untracked_memory", "function_sleep_max_microseconds_per_block")) + "=" + m.one("0", "1000000000000", "''")
	case 2:
		return m.spelled("format_schema_source") + "=" + m.value(m.one("string", "file", "query"))
	}
	return m.spelled(m.one("output_format_schema", "format_schema", "format_template_row", "format_template_resultset", "format_avro_schema_registry_url",
		"additional_result_filter", "backup_restore_failure_after_retries", "query_cache_tag")) + m.blank() + "=" + m.blank() + m.value(m.path())
}

func (m statementMaker) settings() string {
	text := m.blank() + m.one("SETTINGS", "settings", "SeTtInGs")
	for n := 1 + m.IntN(3); n > 0; n-- {
		text += m.blank() + m.setting()
		if n > 1 {
			text += m.one(",", ", ", " ,/**/")
		}
	}
	return text
}

// expression may call what reaches out.
func (m statementMaker) expression(depth int) string {
	switch m.IntN(9) {
	case 0:
		return m.spelled("formatRow") + m.one("", m.blank()) + "(" + m.value(m.one("Protobuf", "Template", "CapnProto", "Avro", "CustomSeparated", "LineAsString")) + ", 1 AS a)"
	case 1:
		return m.spelled(m.one("file", "catboostEvaluate", "showCertificate", "trap", "addressToLine", "demangle", "getServerSetting", "sleep")) + m.one("", m.blank()) + "(" + m.value(m.path()) + ")"
	case 2:
		return "arrayMap(" + m.spelled("file") + ", [" + m.value(m.path()) + "])"
	case 3:
		if depth > 0 {
			return "(" + m.query(depth-1) + ")"
		}
	case 4:
		return "dictGet(" + m.value("nf."+m.one("t", "d", "imports")) + ", 'a', 1)"
	case 5:
		return "sleepEachRow(0.001)"
	}
	return m.one("1", "a", "*", "a + 1", "'it''s'", "count()", "now()", "'/*'", "\"settings\"", "settings")
}

// source is what stands behind FROM.
func (m statementMaker) source(depth int) string {
	switch m.IntN(8) {
	case 0:
		return m.spelled(m.one("file", "sqlite", "url", "filesystem", "executable", "s3", "remote", "mysql", "hdfs", "icebergLocal", "deltaLakeLocal", "input", "loop", "cluster", "fileCluster", "jdbc", "odbc")) +
			m.one("", m.blank()) + "(" + m.value(m.path()) + m.one("", ", 'LineAsString'", ", 't'", ", 'TSV', 'a String'") + ")"
	case 1:
		return m.one("system.models", "system.server_settings", "merge('system', '.*')", "`system`.`models`", "nf.imports", "INFORMATION_SCHEMA.TABLES", "mergeTreeIndex('nf', 't')", "dictionary('nf.d')")
	case 2:
		return "view(" + m.query(0) + ")"
	case 3:
		return "format(" + m.one("Protobuf", "CapnProto", "Template", "TSV") + ", " + m.value("1") + ")"
	}
	if depth > 0 && m.IntN(2) == 0 {
		return "(" + m.query(depth-1) + ")"
	}
	return m.one("t", "nf.t", "numbers(3)", "values('a UInt8', 1)")
}

func (m statementMaker) query(depth int) string {
	text := m.one("", "", "", "", "", "", "WITH x AS (SELECT 1"+m.settings()+") ") + "SELECT" + m.blank() + m.expression(depth) + m.blank() + "FROM" + m.blank() + m.source(depth)
	if m.IntN(4) == 0 {
		text += m.blank() + m.one("WHERE ", "PREWHERE ", "HAVING ", "QUALIFY ") + m.expression(depth)
	}
	if m.IntN(5) == 0 {
		text += " " + m.one("UNION ALL", "EXCEPT", "INTERSECT", "PARALLEL WITH", ";") + " " + m.query(0)
	}
	if m.IntN(3) == 0 {
		text += m.settings()
	}
	return text
}

// statement is a whole one, which may end with a format or a file.
func (m statementMaker) statement() string {
	text := m.query(m.IntN(4))
	switch m.IntN(10) {
	case 0:
		text = m.one("EXPLAIN ", "EXPLAIN AST ", "EXPLAIN PIPELINE ", "EXPLAIN ESTIMATE ", "DESCRIBE TABLE ", "CREATE TABLE nf.made ENGINE = Memory AS ", "INSERT INTO t ",
			"INSERT INTO FUNCTION file("+m.value(m.path())+") ", "SET readonly = 0; ", "EXECUTE AS default ", "BACKUP TABLE nf.t TO File("+m.value(m.path())+"); ") + text
	case 1:
		text += m.blank() + "INTO" + m.blank() + "OUTFILE" + m.blank() + m.value(m.path()) + m.one("", " TRUNCATE", " APPEND", " AND STDOUT")
	}
	if m.IntN(3) == 0 {
		text += " FORMAT " + m.one("Protobuf", "ProtobufSingle", "Template", "CapnProto", "Avro", "Null", "CustomSeparated", "Native", "SQLInsert", "Npy", "Prometheus") + m.one("", m.settings())
	}
	return text
}

// request sends a statement in the URL, a header's format, or the body.
func (m statementMaker) request(address string) (*http.Request, error) {
	parameters := url.Values{"max_execution_time": {"2"}}
	if m.IntN(4) == 0 {
		name, value, _ := strings.Cut(m.setting(), "=")
		parameters.Set(strings.Trim(strings.TrimSpace(name), "`\""), strings.Trim(strings.TrimSpace(value), "'$"))
	}
	if m.IntN(8) == 0 {
		parameters.Set(m.one("role", "user", "session_id", "database", "query_id", "default_format"), m.one("owner", "admin", "system", "Protobuf", "x"))
	}
	body := m.statement()
	if m.IntN(4) == 0 {
		cut := m.IntN(len(body) + 1)
		parameters.Set("query", body[:cut])
		body = body[cut:]
	}
	request, err := http.NewRequest(http.MethodPost, "http://"+address+"/?"+parameters.Encode(), strings.NewReader(body))
	if err == nil && m.IntN(8) == 0 {
		request.Header.Set("X-ClickHouse-Format", m.one("Protobuf", "Template", "CapnProto"))
	}
	return request, err
}

// TestStatementsThatTryToGetOut runs made statements for NFSTATS_WALLS (a minute
// in CI, else a few seconds; `make fuzz-walls` runs an hour). No file outside of
// the scratch folder changes, and no content of a file comes back.
func TestStatementsThatTryToGetOut(t *testing.T) {
	duration := 5 * time.Second
	if os.Getenv("CI") == "true" {
		duration = time.Minute
	}
	if text := os.Getenv("NFSTATS_WALLS"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	p := newPrison(t)
	execute(t, client(t, p.Supervisor), "SYSTEM STOP MERGES", "CREATE TABLE nf.imports ENGINE = MergeTree ORDER BY path AS SELECT 'TOPSECRET' AS path")
	eventually(t, "an admin reads imports", func() error {
		if text := box(t, p.Supervisor, "SELECT path FROM imports"); text != "TOPSECRET" {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	maker := statementMaker{rand.New(rand.NewPCG(seed, 0)), p.clickhouseDir()}
	before := hashOf(t, p.clickhouseDir())
	answers, codes := 0, map[string]int{}
	transport := &http.Transport{DisableKeepAlives: true}
	for began := time.Now(); time.Since(began) < duration; {
		request, err := maker.request(p.config.Listen)
		if err != nil {
			t.Fatal(err)
		}
		copied, _ := request.GetBody()
		text, _ := io.ReadAll(copied)
		sent := fmt.Sprintf("%s\n%s", request.URL.RawQuery, text)
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatalf("%s: %v", sent, err)
		}
		whole, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil { // an exception amid the result breaks it off
			codes["amid"]++
		}
		body := string(whole)
		if response.StatusCode == http.StatusOK {
			answers++
		}
		codes[response.Header.Get("X-ClickHouse-Exception-Code")]++
		for _, secret := range []string{"TOPSECRET", "root:x:", "<clickhouse>", "NFSTATS_ENGINE", "ENGINE = MergeTree\nORDER", "libchdb.so"} {
			if strings.Contains(body, secret) && response.StatusCode == http.StatusOK {
				t.Errorf("%s shows %s: %.300s", sent, secret, body)
			}
		}
	}
	if diff := differences(before, hashOf(t, p.clickhouseDir())); len(diff) > 0 {
		t.Errorf("files were changed: %v", diff)
	}
	t.Logf("%d answered; refused by code: %v; the reader was restarted %d times", answers, codes, p.ReaderState().Restarts)
	if answers == 0 || codes["164"] == 0 {
		t.Error("nothing was answered, or nothing refused")
	}
	if st := p.State(); st.Restarts != 0 {
		t.Errorf("the writer was restarted: %+v", st)
	}
}
