package asnames

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestShipped(t *testing.T) {
	shipped, err := Shipped()
	numbers, names := shipped.Numbers, shipped.Names
	if err != nil {
		t.Fatal(err)
	}
	if len(numbers) != 91065 || len(names) != len(numbers) {
		t.Errorf("%d numbers, %d names, want 91065", len(numbers), len(names))
	}
	if !slices.IsSorted(numbers) {
		t.Error("the numbers are not in order")
	}
	at, found := slices.BinarySearch(numbers, 3356)
	if !found || names[at] != "Level 3 Communications, Inc." {
		t.Errorf("AS3356 is %q, %v", names[at], found)
	}
}

func TestRead(t *testing.T) {
	for text, want := range map[string]string{
		"asn,name,country\nAS64500,\"Example, Inc.\",DE\n 64501 , Other \n": "64500 Example, Inc.;64501 Other;",
		"64500,Example\n":                  "64500 Example;",
		"64500,Example\nsixty,Other\n":     `line 2: "sixty" is not an AS number`,
		"64500\n":                          "line 1: no name",
		"asn,name\n":                       "there are none",
		"64500,\"Example\n":                "line 1",
		"4294967296,Too\n4294967296,Large": "line 2",
	} {
		path := filepath.Join(t.TempDir(), "names.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		table, err := Read(path)
		var got strings.Builder
		for i, number := range table.Numbers {
			fmt.Fprintf(&got, "%d %s;", number, table.Names[i])
		}
		if err != nil {
			got.Reset()
			got.WriteString(err.Error())
		} else if table.Version == "" {
			t.Errorf("%q: no version", text)
		}
		if err == nil && got.String() != want || err != nil && !strings.Contains(got.String(), want) {
			t.Errorf("%q: %s, want %s", text, got.String(), want)
		}
	}
	if _, err := Read("missing.csv"); err == nil {
		t.Error("a missing file is no error")
	}
}
