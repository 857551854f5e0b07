package store

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zaptest"

	"github.com/nfstats/nfstats/store/engine/enginetest"
)

var update = flag.Bool("update", false, "write the golden files of the DDL")

// statements returns all DDL of the migrations as the configuration has it executed.
func statements(t *testing.T, cfg Config) []string {
	t.Helper()
	cfg.Database = "nfstats"
	s, err := New(cfg, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	migrations, err := readMigrations(migrationFiles)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range migrations {
		for _, statement := range m.statements {
			forms, err := ddl(s.fillIn(statement), s.database, s.cluster)
			if err != nil {
				t.Fatalf("%04d_%s: %v", m.version, m.name, err)
			}
			all = append(all, forms...)
		}
	}
	return all
}

// TestDDL compares the DDL of each mode with its golden file, and has the engine
// parse it. `go test ./store -run TestDDL -update` writes the files.
func TestDDL(t *testing.T) {
	supervisor := enginetest.Start(t)
	engine := open(t, supervisor)
	if err := engine.createDatabase(t.Context()); err != nil {
		t.Fatal(err)
	}
	for mode, cfg := range map[string]Config{
		"single":  {Dial: supervisor.Dial, Key: supervisor.Key()},
		"server":  {URL: "clickhouse://nfstats:it's@ch.example.net:9000"},
		"cluster": {URL: "clickhouse://nfstats:it's@ch1.example.net:9000,ch2.example.net:9000", Cluster: "prod"},
	} {
		all := statements(t, cfg)
		got, golden := strings.Join(all, ";\n\n")+";\n", filepath.Join("testdata", "ddl", mode+".sql")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: the DDL differs from %s; -update writes it anew:\n%s", mode, golden, diff)
		}
		for _, statement := range all {
			if err := engine.Conn().Exec(t.Context(), "EXPLAIN AST "+withoutComments(statement)); err != nil {
				t.Errorf("%s: %v in\n%s", mode, err, statement)
			}
		}
	}
}

var comment = regexp.MustCompile(`(?m)^--.*\n`)

// withoutComments drops comments in front: EXPLAIN wants its statement first.
func withoutComments(statement string) string { return comment.ReplaceAllString(statement, "") }

func TestUnknownStatementsHaveNoClusterForm(t *testing.T) {
	for _, statement := range []string{"DROP TABLE flows", "CREATE TABLE IF NOT EXISTS x (\n a Int8\n) ENGINE = Memory", "INSERT INTO flows VALUES (1)"} {
		if forms, err := ddl(statement, "nfstats", "prod"); err == nil {
			t.Errorf("%s becomes %v", statement, forms)
		}
	}
	forms, err := ddl("ALTER TABLE flows ADD COLUMN IF NOT EXISTS a UInt8", "nfstats", "prod")
	want := []string{"ALTER TABLE flows_local ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS a UInt8", "ALTER TABLE flows ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS a UInt8"}
	if diff := cmp.Diff(want, forms); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

// A node that joins a cluster makes its tables as the others have theirs: created and
// changed by all migrations.
func TestTablesOfANodeThatJoinsAreThoseOfTheOthers(t *testing.T) {
	s := prepared(t)
	migrations, err := readMigrations(migrationFiles)
	if err != nil {
		t.Fatal(err)
	}
	applied, _, err := s.appliedMigrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	columns := func(table string) (all string) {
		t.Helper()
		const query = "SELECT extract(create_table_query, ' \\\\((.*)\\\\) ENGINE') FROM system.tables WHERE database = 'nfstats' AND name = $1"
		if err := s.Conn().QueryRow(t.Context(), query, table).Scan(&all); err != nil || all == "" {
			t.Fatalf("%s: %q, %v", table, all, err)
		}
		return all
	}
	changed := 0
	for n, m := range migrations {
		for _, statement := range m.statements {
			made := createTable.FindStringSubmatch(statement)
			if made == nil {
				continue
			}
			original := statement
			statement = evolved(s.fillIn(statement), appliedStatements(migrations[n+1:], applied))
			joined := strings.Replace(statement, "IF NOT EXISTS "+made[1]+" (", "joined (", 1)
			if err := s.Conn().Exec(t.Context(), joined); err != nil {
				t.Fatalf("%v in\n%s", err, joined)
			}
			if diff := cmp.Diff(columns(made[1]), columns("joined")); diff != "" {
				t.Errorf("%s: %s", made[1], diff)
			}
			if joined != strings.Replace(s.fillIn(original), "IF NOT EXISTS "+made[1]+" (", "joined (", 1) {
				changed++
			}
			if err := s.Conn().Exec(t.Context(), "DROP TABLE joined SYNC"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if changed == 0 {
		t.Error("no table has changed")
	}
}

// oneNode is a cluster of the engine alone.
const oneNode = `<clickhouse><tcp_port>9000</tcp_port><remote_servers><one><shard><internal_replication>true</internal_replication>
<replica><host>127.0.0.1</host><port>9000</port></replica></shard></one></remote_servers></clickhouse>`

// withoutKeeper takes from the cluster's DDL what needs a Keeper, which the engine
// has not: ON CLUSTER, and replication.
func withoutKeeper(statement string) string {
	statement = strings.ReplaceAll(statement, " ON CLUSTER 'one'", "")
	statement = regexp.MustCompile(`ENGINE = Replicated(\w*MergeTree)\('[^']*', '[^']*'(, )?`).ReplaceAllString(statement, "ENGINE = $1(")
	return strings.Replace(statement, "replicated_deduplication_window_seconds = 604800, replicated_deduplication_window", "non_replicated_deduplication_window", 1)
}

// TestOneNodeCluster stores, rolls up and queries flows through Distributed tables.
func TestOneNodeCluster(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "clickhouse", "config.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "clickhouse", "config.d", "cluster.xml"), []byte(oneNode), 0o600); err != nil {
		t.Fatal(err)
	}
	supervisor := enginetest.StartIn(t, dir)
	if err := open(t, supervisor).createDatabase(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The engine may not connect to anything, itself included.
	clusterSettings["prefer_localhost_replica"] = 1
	defer func() { clusterSettings["prefer_localhost_replica"] = 0 }()
	cfg := Config{Dial: supervisor.Dial, Key: supervisor.Key(), Database: "nfstats", Cluster: "one"}
	s, err := New(cfg, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, statement := range statements(t, cfg) {
		if err := s.Conn().Exec(t.Context(), withoutKeeper(statement)); err != nil {
			t.Fatalf("%v in\n%s", err, withoutKeeper(statement))
		}
	}
	b := filled(1000, 1)
	at := time.Now().Add(-10 * time.Minute).Truncate(time.Minute)
	for i := range b.Len() {
		b.TimeReceived[i] = at.UnixMilli() + int64(i)
		b.TimeFlowStart[i], b.TimeFlowEnd[i] = b.TimeReceived[i]-500, b.TimeReceived[i]
	}
	for range 2 { // the second time the token is known
		if err := s.InsertFlows(t.Context(), Block{Token: "t", Collector: "c", Source: "file"}, b); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.RollUpSource(t.Context(), "file", 0); err != nil {
			t.Fatal(err)
		}
	}
	var engine string
	if err := s.Conn().QueryRow(t.Context(), "SELECT engine FROM system.tables WHERE database = 'nfstats' AND name = 'flows'").Scan(&engine); err != nil || engine != "Distributed" {
		t.Fatalf("flows is %s, %v", engine, err)
	}
	var octets uint64
	for i := range b.Len() {
		octets += b.Bytes[i] * uint64(b.SamplingRate[i])
	}
	for _, table := range []string{"flows", "flows_local", "flows_1m", "flows_1m_local", "flows_1h", "flows_1h_local"} {
		var got uint64
		if err := s.Conn().QueryRow(t.Context(), "SELECT toUInt64(sum(bytes_scaled)) FROM "+table).Scan(&got); err != nil || got != octets {
			t.Errorf("%s has %d octets, want %d: %v", table, got, octets, err)
		}
	}
	selection := Selection{From: at.Add(-5 * time.Hour), To: at.Add(2 * time.Minute)}
	for _, by := range []string{"src_as", "src_addr"} {
		if series, err := s.Series(t.Context(), selection, by, 5, 400); err != nil || len(series.Rows) == 0 {
			t.Errorf("%+v: %v", series, err)
		}
		if shares, err := s.Shares(t.Context(), selection, by, 5); err != nil || len(shares.Rows) == 0 {
			t.Errorf("%+v: %v", shares, err)
		}
		if paths, err := s.Paths(t.Context(), selection, []string{by, "in_if", "out_if", "dst_as"}, 5); err != nil || len(paths.Paths) == 0 {
			t.Errorf("%+v: %v", paths, err)
		}
	}
	if err := s.AddSeen(t.Context(), at.Add(-time.Hour)); err != nil {
		t.Error(err)
	}
	if seen, err := s.KnownExporters(t.Context()); err != nil || len(seen) == 0 {
		t.Errorf("%v: %v", seen, err)
	}
	for _, table := range importedTables {
		forms, err := ddl(removal(table, "file"), cfg.Database, cfg.Cluster)
		if err != nil || len(forms) != 1 || !strings.HasPrefix(forms[0], "ALTER TABLE "+table+"_local ON CLUSTER 'one' DELETE ") {
			t.Fatalf("removal of an import: %q, %v", forms, err)
		}
		if err := s.Conn().Exec(t.Context(), withoutKeeper(forms[0])); err != nil {
			t.Error(err)
		}
		if err := s.awaitRemoval(t.Context(), table, "file"); err != nil {
			t.Error(err)
		}
	}
	for _, verb := range []string{"STOP", "START"} {
		for _, table := range expiringTables() {
			statement := s.ttlMergesSQL(verb, table)
			if err := s.Conn().Exec(t.Context(), withoutKeeper(statement)); err != nil {
				t.Error(err)
			}
			if err := s.Conn().Exec(t.Context(), "EXPLAIN AST "+statement); err != nil {
				t.Error(err)
			}
		}
	}
}
