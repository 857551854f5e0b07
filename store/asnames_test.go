package store

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap/zaptest"

	"github.com/nfstats/nfstats/store/engine/enginetest"
)

// TestASNamesAreReplaced prepares the same tables with other names each time.
func TestASNamesAreReplaced(t *testing.T) {
	supervisor, path := enginetest.Start(t), filepath.Join(t.TempDir(), "names.csv")
	for _, step := range []struct {
		file  string // "": none
		names uint64
		name  string // of AS 3356
	}{
		{"", 91065, "Level 3 Communications, Inc."},
		{"3356,Mine\n64500,Example\n", 2, "Mine"},
		{"3356,Ours\n64500,Example\n", 2, "Ours"},
		{"no number,Mine\nat all,Example\n", 91065, "Level 3 Communications, Inc."},
	} {
		config := Config{Dial: supervisor.Dial, Key: supervisor.Key(), Database: "nfstats"}
		if step.file != "" {
			config.ASNames = path
			if err := os.WriteFile(path, []byte(step.file), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := New(config, zaptest.NewLogger(t))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		var names uint64
		var name string
		if err := s.Conn().QueryRow(t.Context(), "SELECT count(), dictGet(nfstats.as_name, 'name', 3356) FROM as_names FINAL").Scan(&names, &name); err != nil || names != step.names || name != step.name {
			t.Errorf("%q: %d names, AS3356 is %q, %v, want %d, %q", step.file, names, name, err, step.names, step.name)
		}
	}
}
