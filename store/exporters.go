package store

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Exporter is what the tables hold of one exporter in a time range.
type Exporter struct {
	Address   netip.Addr `json:"address"`
	Name      string     `json:"name"`
	FirstSeen int64      `json:"first_seen_ms"` // Unix milliseconds, 0 for none
	LastSeen  int64      `json:"last_seen_ms"`
	Flows     uint64     `json:"flows"`
	Octets    float64    `json:"octets"` // scaled by the sampling rate, without implausible records

	Implausible uint64 `json:"implausible"` // of Flows: records that no network can have carried
}

// ExportersSQL returns the query of Exporters.
func ExportersSQL(from, to time.Time) string {
	return fmt.Sprintf(`SELECT * FROM (
SELECT exporter_addr, any(exporter_name) AS name,
    toUnixTimestamp64Milli(min(time_received)) AS first_seen_ms, toUnixTimestamp64Milli(max(time_received)) AS last_seen_ms,
    count() AS flows, sum(bytes_scaled) AS octets, countIf(implausible) AS implausible
FROM flows
WHERE time_received >= fromUnixTimestamp64Milli(%d) AND time_received < fromUnixTimestamp64Milli(%d)
GROUP BY exporter_addr ORDER BY name = '', flows DESC, exporter_addr LIMIT 10000
) ORDER BY exporter_addr`, from.UnixMilli(), to.UnixMilli())
}

// Exporters returns who sent flows from from up to to. Where there are too many,
// those with a name come before those that were only seen, whose addresses can be forged.
func (s *Store) Exporters(ctx context.Context, from, to time.Time) ([]Exporter, error) {
	rows, err := s.conn.Query(limited(ctx), ExportersSQL(from, to))
	if err != nil {
		return nil, fmt.Errorf("read exporters: %w", err)
	}
	defer rows.Close()
	exporters := []Exporter{}
	for rows.Next() {
		var e Exporter
		if err := rows.Scan(&e.Address, &e.Name, &e.FirstSeen, &e.LastSeen, &e.Flows, &e.Octets, &e.Implausible); err != nil {
			return nil, fmt.Errorf("read exporters: %w", err)
		}
		e.Address = e.Address.Unmap()
		exporters = append(exporters, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read exporters: %w", err)
	}
	return exporters, nil
}
