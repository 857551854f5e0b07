package httpui

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// readKept reads what an earlier run kept in a file; file "" has nothing. What
// says what it is.
func readKept[V any](file, what string) (map[string]V, error) {
	kept := map[string]V{}
	if file == "" {
		return kept, nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", what, err)
	}
	if json.Unmarshal(text, &kept) != nil || kept == nil {
		kept = map[string]V{} // a damaged file costs a login
	}
	return kept, nil
}

// writeKept writes the file, readable by the daemon alone, as a whole or not at all.
func writeKept[V any](file, what string, kept map[string]V) error {
	if file == "" {
		return nil
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("write the %s: %w", what, err)
	}
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return fmt.Errorf("write the %s: %w", what, err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("write the %s: %w", what, err)
	}
	return nil
}
