package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What docs/security.md says is shown by tests, must be: `A`, `B` (`file`).
var (
	shownBy   = regexp.MustCompile("((?:(?:`(?:Test|Fuzz)\\w+`|\"[^\"]+\")(?:, )?)+) \\(`([^`]+)`\\)")
	shownTest = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`|\"([^\"]+)\"")
	anyTest   = regexp.MustCompile("`(?:Test|Fuzz)\\w+`")
)

// TestSecurityIsShown looks for each test that docs/security.md names in the file
// that it names.
func TestSecurityIsShown(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, group := range shownBy.FindAllStringSubmatch(string(text), -1) {
		source, err := os.ReadFile(filepath.Join("../..", group[2]))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, test := range shownTest.FindAllStringSubmatch(group[1], -1) {
			want := "func " + test[1] + "("
			if test[1] == "" {
				want = "test('" + test[2]
			} else {
				named++
			}
			if !strings.Contains(string(source), want) {
				t.Errorf("%s has no %q", group[2], want)
			}
		}
	}
	if all := len(anyTest.FindAllString(string(text), -1)); named != all || named == 0 {
		t.Errorf("%d of %d tests are named with their file", named, all)
	}
}
