package snmp

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gosnmp/gosnmp"
)

// indexOf returns the ifIndex, the last part of an OID below a column.
func indexOf(oid, column string) (index uint32, in bool) {
	rest, in := strings.CutPrefix(oid, column+".")
	if !in {
		return 0, false
	}
	n, err := strconv.ParseUint(rest, 10, 31)
	return uint32(n), err == nil && n > 0
}

// uptimeOf returns sysUpTime in milliseconds.
func uptimeOf(v gosnmp.SnmpPDU) (uptimeMs uint64, told bool) {
	ticks, told := number(v.Value)
	return 10 * ticks, told && v.Name == oidSysUpTime && ticks <= math.MaxUint32
}

// number returns a number of whatever type the agent chose, where it is one.
func number(value any) (n uint64, is bool) {
	switch v := value.(type) {
	case int: // Integer
		return uint64(max(v, 0)), v >= 0
	case uint: // Counter32, Gauge32
		return uint64(v), true
	case uint32: // TimeTicks, Unsigned32
		return uint64(v), true
	case uint64: // Counter64
		return v, true
	}
	return 0, false
}

func toUint(value any) uint64 {
	n, _ := number(value)
	return n
}

// maxText is the longest text that is kept of an agent: a DisplayString ends at 255 octets (RFC 2579).
const maxText = 255

// toText returns a text fit for display, "" where the value is none. What is no
// UTF-8 is taken for ISO 8859-1, in which agents write what is not ASCII. What
// cannot be seen, or turns the direction of what follows, becomes a space.
func toText(value any) string {
	octets, _ := value.([]byte)
	text := string(octets[:min(len(octets), 4*maxText)])
	if !utf8.Valid(octets) {
		runes := make([]rune, 0, maxText)
		for _, b := range octets[:min(len(octets), maxText)] {
			runes = append(runes, rune(b))
		}
		text = string(runes)
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return strings.TrimSpace(text)
}
