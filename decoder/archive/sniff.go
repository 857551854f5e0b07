package archive

import (
	"fmt"
	"strings"
)

// signatures are how files begin that lie among archives or are mistaken for
// one.
var signatures = []struct{ start, name string }{
	{"\x1f\x8b", "gzip"},
	{"BZh", "bzip2"},
	{"\xfd7zXZ\x00", "xz"},
	{"\x28\xb5\x2f\xfd", "zstd"},
	{"PK\x03\x04", "zip"},
	{"\xcf\x10", "flow-tools"},
	{"\x0c\xa5", "nfdump"},
	{"\xa5\x0c", "nfdump"},
	{"\xd4\xc3\xb2\xa1", "packet capture"},
	{"\xa1\xb2\xc3\xd4", "packet capture"},
	{"\x0a\x0d\x0d\x0a", "packet capture"},
}

// Sniff describes the beginning of a file in words, for messages: its first
// octets and what format they tell, "begins with 1f 8b 08 00, gzip".
func Sniff(head []byte) string {
	text := fmt.Sprintf("begins with % x", head[:min(len(head), 4)])
	for _, s := range signatures {
		if strings.HasPrefix(string(head), s.start) {
			return text + ", " + s.name
		}
	}
	return text
}
