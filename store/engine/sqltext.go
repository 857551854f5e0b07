package engine

import (
	"iter"
	"strings"
)

// shape is what the HTTP interface must know of a statement before ClickHouse
// sees it. Nothing that protects anything relies on it.
type shape struct {
	format string // named by the statement's FORMAT clause; "" for none

	// An INSERT whose rows are data, not a SELECT's result: the statement up to
	// its FORMAT or VALUES, and where its inline data begin.
	takesData bool
	head      string
	data      int // offset in the statement
}

// inspect finds the shape of sql.
func inspect(sql string) shape {
	var s shape
	var insert bool
	var before, last token // the two tokens in front of t
	count := 0
	for t := range tokens(sql) {
		count++
		switch {
		case count == 1:
			insert = isWord(t, "INSERT")
		case insert:
			if s, decided := insertShape(sql, count, last, t); decided {
				return s
			}
		case isWord(before, "FORMAT") && before.depth == 0 && last.word:
			// What may follow the clause; FORMAT is a column's name else.
			if t.text == ";" || isWord(t, "SETTINGS") || isWord(t, "INTO") {
				s.format = last.text
			}
		}
		before, last = last, t
	}
	switch {
	case insert && count > 1:
		return shape{takesData: true, head: sql, data: len(sql)}
	case isWord(before, "FORMAT") && before.depth == 0 && last.word && count > 2:
		s.format = last.text
	}
	return s
}

// insertShape looks at token number count of an INSERT, and the one before it,
// and reports whether they decide its shape.
func insertShape(sql string, count int, before, t token) (s shape, decided bool) {
	switch {
	case isWord(t, "SELECT"), isWord(t, "WITH"), isWord(t, "INFILE"):
		return shape{}, count > 3
	case t.depth == 0 && count > 3 && isWord(t, "VALUES"):
		return shape{format: "Values", takesData: true, head: sql[:t.start], data: t.end}, true
	case t.depth == 0 && count > 4 && isWord(before, "FORMAT") && t.word:
		// Data begin after one line break, or after blanks in the same line.
		data := t.end
		for data < len(sql) && (sql[data] == ' ' || sql[data] == '\t' || sql[data] == '\r') {
			data++
		}
		if data < len(sql) && sql[data] == '\n' {
			data++
		}
		return shape{format: t.text, takesData: true, head: sql[:before.start], data: data}, true
	}
	return shape{}, false
}

func isWord(t token, keyword string) bool { return t.word && strings.EqualFold(t.text, keyword) }

// A token is a word, a number, a quoted piece or a sign of SQL.
type token struct {
	text       string // as written
	start, end int    // in the statement
	depth      int    // brackets that it stands in
	word       bool   // a keyword or a bare name
}

// tokens yields the tokens of sql; blanks and comments are left out.
func tokens(sql string) iter.Seq[token] { return split(sql, scan) }

// renderedTokens yields the tokens of what ClickHouse has rendered, which has
// neither comments nor heredocs: a -- in it is two signs.
func renderedTokens(sql string) iter.Seq[token] { return split(sql, scanRendered) }

func split(sql string, scan func(string) (int, tokenKind)) iter.Seq[token] {
	return func(yield func(token) bool) {
		depth := 0
		for at := 0; at < len(sql); {
			n, kind := scan(sql[at:])
			t := token{text: sql[at : at+n], start: at, end: at + n, word: kind == kindWord}
			at += n
			if kind == kindBlank {
				continue
			}
			if strings.Contains(")]}", t.text) {
				depth--
			}
			t.depth = depth
			if strings.Contains("([{", t.text) {
				depth++
			}
			if !yield(t) {
				return
			}
		}
	}
}

type tokenKind int

const (
	kindBlank tokenKind = iota // or a comment
	kindWord
	kindOther
)

// scan returns the length and kind of the token at the start of s, which is not
// empty.
func scan(s string) (n int, kind tokenKind) {
	switch {
	case strings.HasPrefix(s, "--"), strings.HasPrefix(s, "# "), strings.HasPrefix(s, "#!"):
		return through(s, "\n", 0), kindBlank
	case strings.HasPrefix(s, "/*"):
		return through(s, "*/", 2), kindBlank
	case s[0] == '$':
		if tag := strings.IndexByte(s[1:], '$') + 2; tag > 1 && isName(s[1:tag-1]) { // a heredoc
			return through(s, s[:tag], tag), kindOther
		}
	}
	return scanRendered(s)
}

// scanRendered is scan without comments and heredocs.
func scanRendered(s string) (n int, kind tokenKind) {
	switch c := s[0]; {
	case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
		return 1, kindBlank
	case c == '\'' || c == '"' || c == '`':
		return quotedLength(s), kindOther
	case isNameByte(c):
		for n = 1; n < len(s) && isNameByte(s[n]); n++ {
		}
		if c >= '0' && c <= '9' {
			return n, kindOther
		}
		return n, kindWord
	}
	return 1, kindOther
}

// through returns the length of s up to and with the first end from offset from
// on, or of all of it.
func through(s, end string, from int) int {
	if i := strings.Index(s[min(from, len(s)):], end); i >= 0 {
		return from + i + len(end)
	}
	return len(s)
}

// quotedLength returns the length of the quoted piece at the start of s. A backslash
// escapes a character; a doubled quote is two pieces, which is as good here.
func quotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return len(s)
}

func isName(s string) bool {
	for i := range len(s) {
		if !isNameByte(s[i]) {
			return false
		}
	}
	return true
}

func isNameByte(c byte) bool {
	return c == '_' || c == '$' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}
