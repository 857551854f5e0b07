package store

import (
	"context"
	"fmt"
)

// System is what ClickHouse tells about itself and its tables.
type System struct {
	Version string
	Rows    map[string]uint64 // by table
}

// System asks for the version and how many rows each table holds.
func (s *Store) System(ctx context.Context) (*System, error) {
	answer := &System{Rows: map[string]uint64{}}
	if err := s.conn.QueryRow(ctx, "SELECT version()").Scan(&answer.Version); err != nil {
		return nil, fmt.Errorf("ask ClickHouse for its version: %w", err)
	}
	rows, err := s.conn.Query(ctx, "SELECT table, toUInt64(sum(rows)) FROM system.parts WHERE database = $1 AND active GROUP BY table", s.database)
	if err != nil {
		return nil, fmt.Errorf("count the rows of the tables: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		var n uint64
		if err := rows.Scan(&table, &n); err != nil {
			return nil, fmt.Errorf("count the rows of the tables: %w", err)
		}
		answer.Rows[table] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count the rows of the tables: %w", err)
	}
	return answer, nil
}
