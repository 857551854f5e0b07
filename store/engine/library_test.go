package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A wrong file is told at once, not each time that it is loaded.
func TestLibraryIsVerified(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.so")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.so"): "no such file",
		text:                          "no shared library",
		dir:                           "no shared library",
		program:                       "not libchdb",
	} {
		if _, err := FindLibrary(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "store.embedded.library") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
