package store

import (
	"context"
	"fmt"
	"time"
)

// Extent tells how much table flows holds.
type Extent struct {
	Flows          uint64
	Oldest, Newest time.Time // time_received, UTC; zero where there are no flows
}

// Extent returns how many flows are stored and of which time. ClickHouse knows
// that for each part by heart (time_received is in the partition key), so no row
// is read.
func (s *Store) Extent(ctx context.Context) (Extent, error) {
	var e Extent
	row := s.conn.QueryRow(limited(ctx), "SELECT count(), min(time_received), max(time_received) FROM flows")
	if err := row.Scan(&e.Flows, &e.Oldest, &e.Newest); err != nil {
		return Extent{}, fmt.Errorf("read the extent of table flows: %w", err)
	}
	if e.Flows == 0 {
		return Extent{}, nil // min and max of nothing are 1970
	}
	return e, nil
}
