package filter

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// An Error says what is wrong with a filter, and where.
type Error struct {
	Message  string
	Position int // characters before the place
}

// Error returns the message with the place, counted from 1.
func (e *Error) Error() string { return fmt.Sprintf("%s (at character %d)", e.Message, e.Position+1) }

type tokenKind uint8

const (
	end      tokenKind = iota
	word               // a field, a keyword or a value
	text               // a quoted value
	operator           // = != < <= > >= ( ) ,
)

type token struct {
	kind tokenKind
	text string
	at   int // bytes before it
}

// A scanner cuts a filter into tokens.
type scanner struct {
	source string
	at     int
}

func (s *scanner) fail(at int, format string, args ...any) error {
	return &Error{fmt.Sprintf(format, args...), utf8.RuneCountInString(s.source[:min(at, len(s.source))])}
}

// wordCharacters are what numbers, addresses, prefixes, ranges and names consist
// of.
const wordCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/-%"

func (s *scanner) next() (token, error) {
	rest := strings.TrimLeft(s.source[s.at:], " \t\r\n")
	s.at = len(s.source) - len(rest)
	at := s.at
	if rest == "" {
		return token{end, "", at}, nil
	}
	take := func(kind tokenKind, n int) (token, error) {
		s.at += n
		return token{kind, rest[:n], at}, nil
	}
	if n := len(rest) - len(strings.TrimLeft(rest, wordCharacters)); n > 0 {
		return take(word, n)
	}
	switch c := rest[0]; c {
	case '(', ')', ',':
		return take(operator, 1)
	case '=', '!', '<', '>':
		for _, o := range []string{"!=", "<=", ">=", "<>", "==", "=", "<", ">"} {
			if strings.HasPrefix(rest, o) {
				t, _ := take(operator, len(o))
				t.text = map[string]string{"<>": "!=", "==": "="}[o]
				if t.text == "" {
					t.text = o
				}
				return t, nil
			}
		}
	case '\'', '"':
		if n := strings.IndexByte(rest[1:], c); n >= 0 {
			s.at += n + 2
			return token{text, rest[1 : n+1], at}, nil
		}
		return token{}, s.fail(at, "the quote is not closed")
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, s.fail(at, "%q has no meaning here", r)
}
