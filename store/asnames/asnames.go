// Package asnames holds the names of autonomous systems that ship with NFStats:
// some 91,000 AS numbers and their holders.
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
)

//go:embed asnames.csv.gz
var compressed []byte

// Version changes whenever a name does.
func Version() string {
	sum := sha256.Sum256(compressed)
	return hex.EncodeToString(sum[:8])
}

// All returns the AS numbers in order and the name of each.
func All() (numbers []uint32, names []string, err error) {
	text, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, nil, fmt.Errorf("read the AS names: %w", err)
	}
	lines := csv.NewReader(text)
	lines.FieldsPerRecord = 2
	if _, err := lines.Read(); err != nil { // the heading
		return nil, nil, fmt.Errorf("read the AS names: %w", err)
	}
	for {
		record, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return numbers, names, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read the AS names: %w", err)
		}
		number, err := strconv.ParseUint(record[0], 10, 32)
		if err != nil {
			return nil, nil, fmt.Errorf("read the AS names: %w", err)
		}
		numbers, names = append(numbers, uint32(number)), append(names, record[1])
	}
}
