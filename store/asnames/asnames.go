// Package asnames holds the names of autonomous systems that ship with NFStats,
// some 91,000 AS numbers and their holders, and reads others from a file.
//
// The names come from the ip-location-db asn package (2.3.2026061719), which
// merges RouteViews, NRO statistics and DB-IP's IP to ASN Lite, each under
// CC BY 4.0. Whoever shows them credits routeviews.org, nro.net and, with a link,
// db-ip.com, as the web UI does.
package asnames

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

//go:embed asnames.csv.gz
var compressed []byte

// Table is an edition of the names.
type Table struct {
	Version string // changes whenever a name does
	Numbers []uint32
	Names   []string // of each number
}

// Shipped returns the names that are part of the program, by number.
func Shipped() (Table, error) {
	text, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return Table{}, fmt.Errorf("read the AS names: %w", err)
	}
	t, err := parse(text)
	if err != nil {
		return Table{}, fmt.Errorf("read the AS names: %w", err)
	}
	t.Version = version(compressed)
	return t, nil
}

func version(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// parse reads lines of CSV.
func parse(text io.Reader) (Table, error) {
	lines := csv.NewReader(text)
	lines.FieldsPerRecord = -1
	lines.ReuseRecord = true
	var t Table
	for {
		record, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return t, err
		}
		line, _ := lines.FieldPos(0)
		number, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(record[0]), "AS"), 10, 32)
		switch {
		case err != nil && line == 1: // the heading
		case err != nil:
			return t, fmt.Errorf("line %d: %q is not an AS number", line, record[0])
		case len(record) < 2:
			return t, fmt.Errorf("line %d: no name after the AS number", line)
		default:
			t.Numbers, t.Names = append(t.Numbers, uint32(number)), append(t.Names, strings.TrimSpace(record[1]))
		}
	}
	if len(t.Numbers) == 0 {
		return t, errors.New("there are none")
	}
	return t, nil
}
