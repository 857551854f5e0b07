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

// extentSQL reads the first and the last minute of the sort key and, of these
// alone, the times.
const extentSQL = `WITH (SELECT toStartOfMinute(time_received) FROM flows ORDER BY toStartOfMinute(time_received) LIMIT 1) AS first,
    (SELECT toStartOfMinute(time_received) FROM flows ORDER BY toStartOfMinute(time_received) DESC LIMIT 1) AS last
SELECT (SELECT count() FROM flows),
    (SELECT min(time_received) FROM flows WHERE toStartOfMinute(time_received) = first),
    (SELECT max(time_received) FROM flows WHERE toStartOfMinute(time_received) = last)`

// Extent returns how many flows are stored and of which time.
func (s *Store) Extent(ctx context.Context) (Extent, error) {
	var e Extent
	if err := s.conn.QueryRow(limited(ctx), extentSQL).Scan(&e.Flows, &e.Oldest, &e.Newest); err != nil {
		return Extent{}, fmt.Errorf("read the extent of table flows: %w", err)
	}
	if e.Flows == 0 {
		return Extent{}, nil // min and max of nothing are 1970
	}
	return e, nil
}
