//go:build linux && amd64

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestReaderFollows changes what the writer has and waits until users see it.
func TestReaderFollows(t *testing.T) {
	s := start(t, t.TempDir())
	owner := client(t, s)
	execute(t, owner, "CREATE DATABASE nf", "CREATE TABLE nf.t (p UInt8, a UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY a")
	for _, step := range []struct{ name, change, sql, want string }{
		{"a table", "INSERT INTO nf.t SELECT number % 3, number FROM numbers(300)", "SELECT count(), sum(a) FROM t", "300\t44850"},
		{"rows", "INSERT INTO nf.t SELECT 1, number FROM numbers(100)", "SELECT count(), sum(a) FROM t", "400\t49800"},
		{"a merge", "OPTIMIZE TABLE nf.t FINAL", "SELECT count(), sum(a), (SELECT count() FROM system.parts WHERE table = 't' AND active) FROM t", "400\t49800\t3"},
		{"a dropped partition", "ALTER TABLE nf.t DROP PARTITION 1", "SELECT count(), sum(a) FROM t", "200\t29900"},
		{"its number of rows alone", "ALTER TABLE nf.t DROP PARTITION 2", "SELECT count() FROM t", "100"},
		{"a column", "ALTER TABLE nf.t ADD COLUMN b UInt8 DEFAULT 7", "SELECT sum(b) FROM t", "700"},
		{"a TTL", "ALTER TABLE nf.t MODIFY TTL toDateTime(a) + toIntervalDay(36500)", "SELECT count() FROM t", "100"},
		{"a mutation", "ALTER TABLE nf.t UPDATE b = 8 WHERE a < 3", "SELECT sum(b) FROM t", "701"},
		{"deleted rows", "ALTER TABLE nf.t DELETE WHERE a = 0", "SELECT sum(b), count() FROM t", "693\t99"},
		{"emptied", "TRUNCATE TABLE nf.t", "SELECT count(), sum(a) FROM t", "0\t0"},
		{"another name", "RENAME TABLE nf.t TO nf.u", "SELECT count() FROM u", "0"},
		{"a name with signs", "CREATE TABLE nf.`a b.c` ENGINE = MergeTree ORDER BY a AS SELECT 5 AS a", "SELECT a FROM `a b.c`", "5"},
		{"exchanged", "EXCHANGE TABLES nf.u AND nf.`a b.c`", "SELECT a FROM u", "5"},
		{"a view", "CREATE VIEW nf.v AS SELECT a + 1 AS b FROM nf.u", "SELECT b FROM v", "6"},
		{"another view", "CREATE OR REPLACE VIEW nf.v AS SELECT a + 2 AS b FROM nf.u", "SELECT b FROM v", "7"},
		{"a materialized view", "CREATE MATERIALIZED VIEW nf.m ENGINE = SummingMergeTree ORDER BY a POPULATE AS SELECT a FROM nf.u", "SELECT a FROM m", "5"},
		{"a dictionary", "CREATE DICTIONARY nf.d (a UInt64, b UInt64) PRIMARY KEY a SOURCE(CLICKHOUSE(HOST '127.0.0.1' QUERY 'SELECT a, a * 2 FROM nf.u')) LAYOUT(HASHED()) LIFETIME(0)", "SELECT dictGet('nf.d', 'b', 5)", "10"},
		{"what is new in it", "INSERT INTO nf.u VALUES (9)", "SELECT dictGet('nf.d', 'b', 9)", "18"},
		{"dropped", "DROP DICTIONARY nf.d", "SELECT count() FROM system.tables WHERE name = 'd'", "0"},
		{"a dropped view", "DROP VIEW nf.v", "SELECT count() FROM system.tables WHERE name = 'v'", "0"},
		{"a dropped table", "DROP TABLE nf.`a b.c` SYNC", "SELECT count() FROM system.tables WHERE database = 'nf' AND name = 'a b.c'", "0"},
		{"one of that name", "CREATE TABLE nf.`a b.c` ENGINE = MergeTree ORDER BY x AS SELECT 6 AS x", "SELECT x FROM `a b.c`", "6"},
	} {
		if err := owner.Exec(t.Context(), step.change); err != nil {
			t.Fatalf("%s: %v", step.change, err)
		}
		began := time.Now()
		seen(t, s, step.sql, step.want)
		t.Logf("%s: seen after %v", step.name, time.Since(began).Round(10*time.Millisecond))
	}
	if st := s.ReaderState(); st.Restarts != 0 {
		t.Errorf("the reader died: %+v", st)
	}
}

// TestReaderNeverCountsWrong reads sums that hold at any time while the writer
// inserts, merges and drops: each insert adds the same, and each day has it whole.
func TestReaderNeverCountsWrong(t *testing.T) {
	s := start(t, t.TempDir())
	owner := client(t, s)
	execute(t, owner, "CREATE DATABASE nf", "CREATE TABLE nf.t (p UInt32, a UInt64, pad String) ENGINE = MergeTree PARTITION BY p ORDER BY a SETTINGS old_parts_lifetime = 3",
		"INSERT INTO nf.t SELECT 0, number % 1000, repeat('x', 100) FROM numbers(1000)")
	seen(t, s, "SELECT count() FROM t", "1000")
	ctx, stop := context.WithTimeout(t.Context(), 12*time.Second)
	defer stop()
	var writing sync.WaitGroup
	writing.Go(func() {
		for day := 1; ctx.Err() == nil; day++ {
			for _, statement := range []string{
				fmt.Sprintf("INSERT INTO nf.t SELECT %d, number %% 1000, repeat('x', 100) FROM numbers(20000)", day),
				fmt.Sprintf("OPTIMIZE TABLE nf.t PARTITION %d FINAL", day),
				fmt.Sprintf("INSERT INTO nf.t SELECT %d, number %% 1000, repeat('x', 100) FROM numbers(1000)", day),
				fmt.Sprintf("ALTER TABLE nf.t DROP PARTITION %d", max(day-3, 0)),
			} {
				if err := owner.Exec(ctx, statement); err != nil && ctx.Err() == nil {
					t.Errorf("%s: %v", statement, err)
				}
				pause, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
				<-pause.Done()
				cancel()
			}
		}
	})
	answers, failures := 0, map[string]int{}
	for ctx.Err() == nil {
		// 1,000 rows have the sum 499,500: any multiple is right, all else is not.
		status, body, _ := get(t, s, "SELECT count() % 1000, sum(a) * 1000 = count() * 499500, sum(length(pad)) = 100 * count() FROM t")
		switch {
		case status != 200:
			failures[body[:min(len(body), 400)]]++
		case body != "0\t1\t1\n" && body != "0\t0\t1\n" || strings.HasPrefix(body, "0\t0"):
			t.Fatalf("a wrong number: %s", body)
		default:
			answers++
		}
	}
	writing.Wait()
	t.Logf("%d answers, failed: %v", answers, failures)
	if answers < 20 || len(failures) > 0 {
		t.Errorf("%d answers, failed: %v", answers, failures)
	}
}

// TestPartsThatComeBackWithOtherRows makes the writer give a part's name again, and
// changes names twice within the time after which a dictionary is loaded.
func TestPartsThatComeBackWithOtherRows(t *testing.T) {
	s := start(t, t.TempDir())
	owner := client(t, s)
	execute(t, owner, "CREATE DATABASE nf", "CREATE TABLE nf.t (k UInt64, v UInt64) ENGINE = MergeTree ORDER BY k", "INSERT INTO nf.t SELECT number, 1000 FROM numbers(300000)",
		"CREATE TABLE nf.names (a UInt64, name String) ENGINE = MergeTree ORDER BY a", "INSERT INTO nf.names VALUES (1, 'first')",
		"CREATE DICTIONARY nf.d (a UInt64, name String) PRIMARY KEY a SOURCE(CLICKHOUSE(HOST '127.0.0.1' DB 'nf' TABLE 'names')) LAYOUT(HASHED()) LIFETIME(3600)")
	seen(t, s, "SELECT count() FROM t WHERE v = 1000", "300000")
	for range 3 {
		seen(t, s, "SELECT count() FROM t WHERE v = 5", "0") // remembered by part, where anything remembers it
	}
	execute(t, owner, "TRUNCATE TABLE nf.t", "DETACH TABLE nf.t", "ATTACH TABLE nf.t", "INSERT INTO nf.t SELECT number, 5 FROM numbers(300000)")
	seen(t, s, "SELECT count() FROM t WHERE v = 5", "300000")
	seen(t, s, "SELECT count() FROM t WHERE v = 1000", "0")

	seen(t, s, "SELECT dictGet('nf.d', 'name', 1)", "first")
	for _, name := range []string{"second", "third", "last"} {
		execute(t, owner, "TRUNCATE TABLE nf.names", "INSERT INTO nf.names VALUES (1, '"+name+"')")
		time.Sleep(900 * time.Millisecond) // a change while another one is pending
	}
	seen(t, s, "SELECT dictGet('nf.d', 'name', 1)", "last")
	execute(t, owner, "CREATE TABLE nf.c (k UInt64) ENGINE = MergeTree ORDER BY k COMMENT 'ENGINE = Memory'", "INSERT INTO nf.c VALUES (7)")
	seen(t, s, "SELECT k FROM c", "7")
	seen(t, s, "SHOW SETTINGS LIKE 'final'", "final\tBool\t0")
}

// TestStatementsKeepNoTableBack drops a partition under statements that take long.
func TestStatementsKeepNoTableBack(t *testing.T) {
	s := start(t, t.TempDir())
	owner := client(t, s)
	execute(t, owner, "CREATE DATABASE nf", "CREATE TABLE nf.t (p UInt8, a UInt64) ENGINE = MergeTree PARTITION BY p ORDER BY a", "INSERT INTO nf.t SELECT number % 2, number FROM numbers(200)")
	seen(t, s, "SELECT count() FROM t", "200")
	const drop = "ALTER TABLE nf.t DROP PARTITION 1"
	for _, c := range []struct{ name, sql, drop string }{
		{"one that can be ended", "SELECT count() FROM t, numbers(1000000000000) WHERE NOT ignore(sipHash64(number, a))", drop},
		{"one that cannot", "SELECT max(arrayLevenshteinDistance(range(100000 + a), range(1, 100001 + a))) FROM t", "ALTER TABLE nf.t DROP PARTITION 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answered := make(chan string, 1)
			go func() { answered <- attemptFor(s, c.sql, "20") }()
			time.Sleep(time.Second)
			execute(t, owner, c.drop)
			eventually(t, "another table is read", func() error {
				if body := attempt(s, "SELECT 'well'"); !strings.Contains(body, "well") {
					return errors.New(body)
				}
				return nil
			})
			eventually(t, "the partition is gone", func() error {
				if body := attempt(s, "SELECT sum(p = 1) FROM t"); !strings.Contains(body, "200 OK 0") {
					return errors.New(body)
				}
				return nil
			})
			if body := <-answered; strings.Contains(body, "200 OK") {
				t.Errorf("the statement has ended: %s", body)
			}
		})
	}
}

// TestReaderIsReplaced kills the reader amid a statement.
func TestReaderIsReplaced(t *testing.T) {
	s := start(t, t.TempDir())
	execute(t, client(t, s), "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt64) ENGINE = MergeTree ORDER BY a", "INSERT INTO nf.t VALUES (1)")
	seen(t, s, "SELECT count() FROM t", "1")
	if err := syscall.Kill(processPID(t, os.Getpid(), reader), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, one := post(t, s, strings.NewReader("SELECT count() FROM nf.t")); one != "1\n" {
		t.Errorf("the writer answers %q", one)
	}
	eventually(t, "the reader answers again", func() error {
		response, err := http.Post("http://"+s.config.Listen+"/", "text/plain", strings.NewReader("SELECT count() FROM t"))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if text, err := io.ReadAll(response.Body); string(text) != "1\n" {
			return fmt.Errorf("%s %v", text, err)
		}
		return nil
	})
	if st := s.State(); st.Restarts != 0 {
		t.Errorf("the writer was restarted: %+v", st)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.Metrics()...)
	const want = `# HELP nfstats_engine_restarts_total Restarts of the embedded ClickHouse: of the writer, or of the reader for users' SQL.
# TYPE nfstats_engine_restarts_total counter
nfstats_engine_restarts_total{process="reader"} 1
nfstats_engine_restarts_total{process="writer"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// TestStatementThatCannotBeStopped runs one that ClickHouse does not interrupt.
func TestStatementThatCannotBeStopped(t *testing.T) {
	s := start(t, t.TempDir())
	execute(t, client(t, s), "CREATE DATABASE nf")
	pid := processPID(t, os.Getpid(), reader)
	response, err := http.Post("http://"+s.config.Listen+"/?max_execution_time=1&log_comment=x", "text/plain",
		strings.NewReader("SELECT arrayLevenshteinDistance(range(190000), range(1, 190001))"))
	if err == nil {
		response.Body.Close()
	}
	eventually(t, "the reader is another process", func() error {
		if st := s.ReaderState(); st.Restarts == 0 || !st.Ready {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("the statement still runs")
	}
	seen(t, s, "SELECT 1", "1")
	if st := s.State(); st.Restarts != 0 {
		t.Errorf("the writer was restarted: %+v", st)
	}
}

// TestKernelHoldsTheReader takes all walls away but the kernel's: statements run
// with full rights, and still change nothing outside of the scratch folder.
func TestKernelHoldsTheReader(t *testing.T) {
	s := prepare(t, t.TempDir())
	s.unchecked = true
	run(t, s)
	p := newPrisonOf(t, s)
	before := hashOf(t, s.clickhouseDir())
	for _, sql := range append(append(p.reaching(), p.changing()...),
		"SELECT * FROM (SELECT formatRow('Protobuf', 1 AS a) SETTINGS x.y = 0, output_format_schema = '"+s.clickhouseDir()+"/metadata/made.proto')",
		"SELECT * FROM (SELECT formatRow('Protobuf', 1 AS a) SETTINGS output_format_schema = '../../clickhouse/config.xml')",
		"SELECT 1 INTO OUTFILE '"+s.clickhouseDir()+"/store/made.csv'", "SELECT 1 INTO OUTFILE '"+p.dir+"/made.csv' FORMAT CSV",
		"INSERT INTO FUNCTION file('"+s.clickhouseDir()+"/metadata/nf/t.sql') SELECT 1", "BACKUP DATABASE nf TO Disk('live', 'x')",
		"SELECT * FROM file('"+keyPath(p.dir)+"', 'LineAsString')", "SELECT file('"+s.clickhouseDir()+"/config.xml')",
		"ALTER TABLE nf.t DROP PARTITION tuple()", "ALTER TABLE nf.t MODIFY SETTING storage_policy = 'default'", "DETACH TABLE nf.t PERMANENTLY",
		"ATTACH TABLE nf.t", "SYSTEM RESTART DISK live", "SELECT * FROM system.models",
	) {
		if strings.Contains(sql, "FROM odbc(") || strings.Contains(sql, "FROM jdbc(") {
			continue // waits in vain for a program that it cannot start
		}
		body := attempt(s, sql)
		if strings.Contains(body, "TOPSECRET") || strings.Contains(body, "root:") || strings.Contains(body, "<clickhouse>") {
			t.Errorf("%s\n shows a file: %.300s", sql, body)
		}
		eventually(t, "the reader lives after "+sql, func() error {
			if st := s.ReaderState(); !st.Ready {
				return errors.New(st.Problem)
			}
			return nil
		})
	}
	if diff := differences(before, hashOf(t, s.clickhouseDir())); len(diff) > 0 {
		t.Errorf("files were changed: %v", diff)
	}
	select {
	case from := <-p.reached:
		t.Errorf("the reader reached the network from %s", from)
	default:
	}
	if _, n := post(t, s, strings.NewReader("SELECT count() FROM nf.t")); n != "1\n" {
		t.Errorf("the writer has %q rows", n)
	}
}

// attempt asks the reader for at most three seconds. It may end with the statement.
func attempt(s *Supervisor, sql string) string { return attemptFor(s, sql, "3") }

func attemptFor(s *Supervisor, sql, seconds string) string {
	response, err := http.Post("http://"+s.config.Listen+"/?max_execution_time="+seconds+"&database=nf&http_max_tries=1", "text/plain", strings.NewReader(sql))
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%s %s %v", response.Status, body, err)
}

// TestViewersReadWhatViewersMay asks for a table that names files.
func TestViewersReadWhatViewersMay(t *testing.T) {
	s := start(t, t.TempDir())
	execute(t, client(t, s), "CREATE DATABASE nf", "CREATE DATABASE other", "CREATE TABLE other.t ENGINE = MergeTree ORDER BY a AS SELECT 1 AS a",
		"CREATE TABLE nf.imports ENGINE = MergeTree ORDER BY path AS SELECT '/home/archive' AS path", "CREATE VIEW nf.v AS SELECT path FROM nf.imports")
	eventually(t, "an admin reads imports", func() error {
		if path := box(t, s, "SELECT path FROM imports"); path != "/home/archive" {
			return errors.New(path)
		}
		return nil
	})
	for _, sql := range []string{"SELECT path FROM imports", "SELECT * FROM v", "SELECT count() FROM merge('nf', 'imports')", "SELECT * FROM mergeTreeIndex('nf', 'imports')",
		"SELECT * FROM other.t", "SELECT * FROM system.models", "SELECT * FROM system.server_settings", "SELECT * FROM system.query_cache"} {
		if status, body, _ := get(t, s, sql); status == 200 && body != "0\n" {
			t.Errorf("%s: %.100s", sql, body)
		}
	}
}
