package asnames

import (
	"bytes"
	"fmt"
	"os"
)

// Read returns the names in a CSV file: an AS number, with or without "AS"
// before it, and a name in each line; further fields and a heading are allowed.
func Read(path string) (Table, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Table{}, fmt.Errorf("read the AS names: %w", err)
	}
	t, err := parse(bytes.NewReader(text))
	if err != nil {
		return Table{}, fmt.Errorf("read the AS names in %s: %w", path, err)
	}
	t.Version = version(text)
	return t, nil
}
