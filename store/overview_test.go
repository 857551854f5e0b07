package store

import "testing"

func TestExtent(t *testing.T) {
	s := prepared(t)
	if e, err := s.Extent(t.Context()); err != nil || e != (Extent{}) {
		t.Errorf("without flows: %+v, %v; want zero", e, err)
	}
	b := filled(1000, 1)
	// A day and a half between the ends: more than one partition.
	oldest, newest := b.TimeReceived[0]-36*3600*1000, b.TimeReceived[0]
	b.TimeReceived[417] = oldest
	if err := s.InsertFlows(t.Context(), Block{Token: "extent", Collector: "test"}, b); err != nil {
		t.Fatal(err)
	}
	e, err := s.Extent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e.Flows != 1000 || e.Oldest.UnixMilli() != oldest || e.Newest.UnixMilli() != newest {
		t.Errorf("%d flows from %d to %d, want 1000 from %d to %d", e.Flows, e.Oldest.UnixMilli(), e.Newest.UnixMilli(), oldest, newest)
	}
}
