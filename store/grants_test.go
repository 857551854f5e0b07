package store

import (
	"html"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nfstats/nfstats/store/engine/enginetest"
)

var (
	sqlBlock  = regexp.MustCompile("(?s)```sql\n(.*?)```")
	grantOnly = regexp.MustCompile(`(?m)^(GRANT .*) TO nfstats;$`)
)

// TestDocumentedGrants runs the engine with the rights that docs/clickhouse.md
// gives the user nfstats, and does with them what the daemon does.
func TestDocumentedGrants(t *testing.T) {
	text, err := os.ReadFile("../docs/clickhouse.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := sqlBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of SQL in docs/clickhouse.md, want those of a server, a cluster and a reader", len(blocks))
	}
	grants := "<query>GRANT CREATE DATABASE ON nfstats.*</query>" // the document has it made by an administrator
	for _, g := range grantOnly.FindAllStringSubmatch(blocks[0][1], -1) {
		grants += "<query>" + html.EscapeString(g[1]) + "</query>"
	}
	dir := t.TempDir()
	rights := filepath.Join(dir, "clickhouse", "users.d", "rights.xml")
	if err := os.MkdirAll(filepath.Dir(rights), 0o700); err != nil {
		t.Fatal(err)
	}
	xml := `<clickhouse><roles><owner><grants replace="replace">` + grants + `</grants></owner><reader><grants replace="replace"></grants></reader></roles></clickhouse>`
	if err := os.WriteFile(rights, []byte(xml), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, enginetest.StartIn(t, dir))
	if err := s.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Conn().Exec(t.Context(), "CREATE DATABASE elsewhere"); err == nil || !strings.Contains(err.Error(), "Not enough privileges") {
		t.Errorf("another database can be made: the rights are not in force: %v", err)
	}
	if err := s.InsertFlows(t.Context(), Block{Token: "t", Collector: "c", Source: "file"}, filled(100, 1)); err != nil {
		t.Error(err)
	}
	for what, do := range map[string]func() error{
		"roll up":   func() error { return s.RollUpSource(t.Context(), "file", 0) },
		"inventory": func() error { return s.AddSeen(t.Context(), time.Now().Add(-time.Hour)) },
		"import": func() error {
			if err := s.SaveImport(t.Context(), Import{ID: "gone", Attempt: 1, State: ImportDone, FirstFlow: time.Unix(0, 0), LastFlow: time.Unix(0, 0)}); err != nil {
				return err
			}
			_, err := s.ForgetImport(t.Context(), "gone")
			return err
		},
		"edit": func() error {
			return s.EditInterface(t.Context(), Interface{Exporter: netip.MustParseAddr("10.1.0.1"), IfIndex: 1, Edit: InterfaceEdit{Name: "uplink"}})
		},
		"forget": func() error { return s.ForgetExporter(t.Context(), netip.MustParseAddr("10.1.0.9")) },
		"query": func() error {
			_, err := s.Series(t.Context(), Selection{From: time.Now().Add(-time.Hour), To: time.Now()}, "src_as", 5, 3)
			return err
		},
		"AS names": func() error { s.asNames = "missing.csv"; return s.loadASNames(t.Context()) },
		"retention": func() error {
			enforced(t, newRetention(t, s, keepAllFor(5)))
			enforced(t, newRetention(t, s, keepAllFor(Forever)))
			return nil
		},
		"budget": func() error {
			return s.Conn().Exec(t.Context(), "ALTER TABLE flows DROP PARTITION '2020-01-01'")
		},
		"parts": func() error {
			var parts uint64
			return s.Conn().QueryRow(t.Context(), "SELECT count() FROM system.parts WHERE database = 'nfstats'").Scan(&parts)
		},
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, block := range blocks { // what needs users and a cluster is at least right SQL
		for statement := range strings.SplitSeq(strings.TrimSpace(block[1]), ";\n") {
			if err := s.Conn().Exec(t.Context(), "EXPLAIN AST "+strings.TrimSuffix(statement, ";")); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	}
}
