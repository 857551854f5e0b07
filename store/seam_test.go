package store

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"
)

// Charts are looked at while minutes move from flows to the rollups. Nothing may
// be counted twice or not at all, not even for a moment.
func TestSeamShowsInNoChart(t *testing.T) {
	s := prepared(t)
	from := time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Hour)
	for i := range 3 {
		b := filled(4000, uint64(i))
		aged(b, from, 30, uint64(i))
		for j := range b.Len() {
			b.Bytes[j], b.Packets[j] = b.Bytes[j]%(1<<40), 1
		}
		if err := s.InsertFlows(t.Context(), Block{Token: fmt.Sprint(i), Collector: "c"}, b); err != nil {
			t.Fatal(err)
		}
	}
	if err := NewRollups(s, "c", until(from.Add(time.Minute))).CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	selection := Selection{From: from.Add(-time.Hour), To: from.Add(time.Hour), Scale: ScaleSampled}
	first, err := s.Shares(t.Context(), selection, "src_as", 10)
	if err != nil {
		t.Fatal(err)
	}
	rolling, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() {
		for i := 2; i <= 30 && rolling.Err() == nil; i++ {
			if err := NewRollups(s, "c", until(from.Add(time.Duration(i)*time.Minute))).CatchUp(rolling); err != nil {
				done <- err
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		done <- nil
	}()
	asked := 0
	for running := true; running; asked++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
		}
		now, err := s.Shares(t.Context(), selection, "src_as", 10)
		if err != nil {
			t.Fatal(err)
		}
		if now.Total.BitsPerSecond != first.Total.BitsPerSecond || math.Abs(now.Total.FlowsPerSecond*7200-12_000) > 0.01 {
			t.Fatalf("question %d: %v bits/s and %v flows, want %v and 12000", asked, now.Total.BitsPerSecond, now.Total.FlowsPerSecond*7200, first.Total.BitsPerSecond)
		}
	}
	if asked < 3 {
		t.Errorf("only %d questions were asked meanwhile", asked)
	}
}
