package journal_test

import (
	"testing"
	"time"
)

// Whoever rolls up minutes that are over must be able to rely on the time.
func TestStoredUntil(t *testing.T) {
	c := config(t.TempDir())
	c.BlockAge = time.Millisecond
	j := open(t, c)
	const start = 1_700_000_000_000
	append1 := func(number uint64, receivedMs int64) {
		burst := numbered(number, 1)
		burst[0].ReceivedMs = receivedMs
		j.Append(burst)
	}
	if got := j.StoredUntil(start); got != start {
		t.Errorf("nothing waits: %d, want now", got)
	}
	append1(0, start-5000) // stamped before, appended after
	append1(1, start+1000)
	if got := j.StoredUntil(start + 9000); got != start {
		t.Errorf("something waits: %d, want %d", got, start)
	}
	b, err := j.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := timesOf(b); got[0] != start || got[len(got)-1] < got[0] {
		t.Errorf("times %v are not held at %d", got, start)
	}
	if got := j.StoredUntil(start + 9000); got != start {
		t.Errorf("a block is on its way: %d, want %d", got, start)
	}
	j.Done(b.Range)
	for j.Status().Read != j.Status().Written { // the second, if it was a block of its own
		next, err := j.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		j.Done(next.Range)
	}
	if got := j.StoredUntil(start + 9000); got != start+9000 {
		t.Errorf("all is done: %d, want now", got)
	}
	append1(2, start+8000)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	j = open(t, c)
	if got := j.StoredUntil(start - 99_000); got != 0 {
		t.Errorf("after a restart: %d, want unknown", got)
	}
	append1(3, start-99_000) // the clock went back meanwhile
	var times []int64
	for j.Status().Read != j.Status().Written {
		b, err := j.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, timesOf(b)...)
		j.Done(b.Range)
	}
	if len(times) != 4 || times[3] != start+9000 {
		t.Errorf("received at %v, want %d for the last", times, start+9000)
	}
	if got := j.StoredUntil(start - 99_000); got != start+9000 {
		t.Errorf("the clock went back: %d, want %d", got, start+9000)
	}
}
