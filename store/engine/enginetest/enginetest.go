// Package enginetest runs the embedded ClickHouse for tests of other packages.
package enginetest

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/store/engine"
)

// Main is the TestMain of packages that call Start: the supervisor starts the
// test binary again as the engine process.
func Main(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "engine" || os.Args[1] == "reader") {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := engine.Serve(ctx, zap.NewNop()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// Start runs an engine until the test ends. Where the library is missing it
// skips the test, in CI it fails it.
func Start(t testing.TB) *engine.Supervisor {
	t.Helper()
	return StartIn(t, t.TempDir())
}

// StartIn is Start with a data folder that the caller has prepared.
func StartIn(t testing.TB, dir string) *engine.Supervisor {
	t.Helper()
	library := os.Getenv("NFSTATS_STORE_EMBEDDED_LIBRARY")
	if library == "" {
		library = filepath.Join(repository(t), "bin", engine.LibraryName)
	}
	if _, err := os.Stat(library); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no embedded ClickHouse: %v", err)
		}
		t.Skipf("no embedded ClickHouse (make engine fetches it): %v", err)
	}
	s, err := engine.New(engine.Config{DataDir: dir, Database: "nfstats", Library: library, MaxMemory: 4 << 30, WithoutReader: true}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	for deadline := time.Now().Add(time.Minute); !s.State().Ready; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the engine does not start: %s", s.State().Problem)
		}
	}
	return s
}

func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = filepath.Dir(dir)
	}
}
