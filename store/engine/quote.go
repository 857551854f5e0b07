package engine

import "strings"

// quotedName returns a name of ClickHouse as SQL.
func quotedName(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}

// quotedText returns a ClickHouse string literal.
func quotedText(s string) string {
	return "'" + strings.NewReplacer("\\", "\\\\", "'", "\\'", "\x00", "\\0").Replace(s) + "'"
}
