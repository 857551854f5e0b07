package engine

import (
	"fmt"
	"os"
	"path/filepath"
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
		if _, err := os.Stat(path); err != nil {
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
