package store

import (
	"fmt"
	"testing"
	"time"
)

// Operators compare time_received with a DateTime, such as now(). Flows of the
// last second before it must not be missed, whatever part they are in.
func TestTimesCompareInSmallParts(t *testing.T) {
	s := prepared(t)
	edge := time.Now().Truncate(time.Minute).Add(-time.Hour)
	for i, part := range []struct {
		flows       int
		first, last int64 // milliseconds from the edge
	}{{1000, -1000, -400}, {500, -300, 700}, {500, 701, 1700}} {
		b := filled(part.flows, 1)
		for j := range part.flows {
			b.TimeReceived[j] = edge.UnixMilli() + part.first + (part.last-part.first)*int64(j)/int64(part.flows-1)
		}
		if err := s.InsertFlows(t.Context(), Block{Token: fmt.Sprint(i), Collector: "c"}, b); err != nil {
			t.Fatal(err)
		}
	}
	at := fmt.Sprintf("toDateTime(%d, 'UTC')", edge.Unix())
	// One flow lies exactly on the edge.
	for condition, want := range map[string]uint64{
		"time_received < " + at:                                      1150,
		"time_received <= " + at:                                     1151,
		"time_received < " + at + " + 1":                             1650,
		"time_received > " + at:                                      849,
		"time_received >= " + at:                                     850,
		"time_received BETWEEN " + at + " AND " + at + " + 1":        500,
		"time_received < now() - (now() - " + at + ")":               1150,
		"toStartOfMinute(time_received) = " + at:                     850,
		"time_received < '" + edge.UTC().Format(time.DateTime) + "'": 1150,
	} {
		if got := number(t, s, "SELECT count() FROM flows WHERE "+condition); got != want {
			t.Errorf("%s: %d flows, want %d", condition, got, want)
		}
	}
}
