package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Completion is something that a filter may name.
type Completion struct {
	Value string `json:"value"` // as the filter language writes it
	Name  string `json:"name"`
}

// completions are the queries behind Complete, by what is asked for. They give
// value and name, the best match first.
var completions = map[string]string{
	"as": `SELECT toString(asn) AS value, name FROM as_names FINAL
WHERE startsWith(value, {number:String}) OR positionCaseInsensitiveUTF8(name, {text:String}) > 0
ORDER BY value = {number:String} DESC, startsWith(lowerUTF8(name), lowerUTF8({text:String})) DESC, length(name), asn LIMIT 20`,
	"exporter": `SELECT ` + plainExporter + ` AS value, name FROM exporters FINAL
WHERE positionCaseInsensitiveUTF8(value, {text:String}) > 0 OR positionCaseInsensitiveUTF8(name, {text:String}) > 0
ORDER BY startsWith(lowerUTF8(name), lowerUTF8({text:String})) DESC, name, value LIMIT 20`,
	"interface": `SELECT concat(` + plainExporter + `, '/', toString(if_index)) AS value, if(description = '', name, concat(name, ' · ', description)) AS shown FROM interfaces FINAL
WHERE (startsWith(value, {text:String}) OR positionCaseInsensitiveUTF8(shown, {text:String}) > 0 OR toString(if_index) = {text:String})
    AND (exporter_addr, if_index) NOT IN (` + leftIfIndexes + `)
ORDER BY startsWith(lowerUTF8(name), lowerUTF8({text:String})) DESC, exporter_addr, if_index LIMIT 20`,
}

const plainExporter = `replaceRegexpOne(toString(exporter_addr), '^::ffff:([0-9]+\\.)', '\\1')`

// Complete returns what a text may be the beginning or a part of: "as",
// "exporter" or "interface" by number, address or name; at most 20.
func (s *Store) Complete(ctx context.Context, what, text string) ([]Completion, error) {
	query, ok := completions[what]
	if !ok {
		return nil, fmt.Errorf("what=%s: want as, exporter or interface", what)
	}
	number := text
	if len(text) > 2 && (text[:2] == "AS" || text[:2] == "as") && text[2] >= '0' && text[2] <= '9' {
		number = text[2:]
	}
	parameters := clickhouse.Parameters{"text": escaped(text), "number": escaped(number)}
	rows, err := s.conn.Query(clickhouse.Context(limited(ctx), clickhouse.WithParameters(parameters)), query)
	if err != nil {
		return nil, fmt.Errorf("complete %q: %w", text, err)
	}
	defer rows.Close()
	found := []Completion{}
	for rows.Next() {
		var c Completion
		if err := rows.Scan(&c.Value, &c.Name); err != nil {
			return nil, fmt.Errorf("complete %q: %w", text, err)
		}
		found = append(found, c)
	}
	return found, rows.Err()
}
