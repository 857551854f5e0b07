package engine

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// LibraryName is the file that holds ClickHouse.
const LibraryName = "libchdb.so"

// FindLibrary returns the path of libchdb.so: the configured one, else the first
// that exists beside the program and in the folders where packages put it.
func FindLibrary(configured string) (string, error) {
	if configured != "" {
		path, err := filepath.Abs(configured)
		if err != nil {
			return "", fmt.Errorf("find the embedded ClickHouse: %w", err)
		}
		if err := verifyLibrary(path); err != nil {
			return "", fmt.Errorf("the embedded ClickHouse is not at store.embedded.library: %w", err)
		}
		return path, nil
	}
	var folders []string
	if program, err := os.Executable(); err == nil {
		beside := filepath.Dir(program)
		folders = append(folders, beside, filepath.Join(beside, "../lib/nfstats"))
	}
	folders = append(folders, "/usr/local/lib/nfstats", "/usr/lib/nfstats")
	for _, folder := range folders {
		path := filepath.Join(folder, LibraryName)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("the embedded ClickHouse (%s) is missing in %s: fetch it with `make engine`, name it by store.embedded.library, or set store.clickhouse to a server of yours",
		LibraryName, strings.Join(folders, ", "))
}

// verifyLibrary reports whether a file is no shared object for this machine that
// has libchdb's functions: loading it again would not help.
func verifyLibrary(path string) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s is no shared library: %w", path, err)
	}
	defer file.Close()
	if machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]; file.Machine != machine {
		return fmt.Errorf("%s is for another processor: %v", path, file.Machine)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return fmt.Errorf("read the symbols of %s: %w", path, err)
	}
	if !slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return s.Name == "chdb_connect" && s.Section != elf.SHN_UNDEF }) {
		return fmt.Errorf("%s is a shared library, but not libchdb", path)
	}
	return nil
}
