package engine

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurns(t *testing.T) {
	greedy, modest := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	synctest.Test(t, func(t *testing.T) {
		places := &turns{running: 4, each: 3, waiting: 8, patience: time.Minute}
		leave := map[int]func(){}
		for i := range 3 {
			var err error
			if leave[i], err = places.enter(t.Context(), greedy); err != nil {
				t.Fatal(err)
			}
		}
		waiting, waited := 0, make(chan string, 10)
		wait := func(ctx context.Context, client netip.Prefix, name string) {
			waiting++
			go func() {
				if end, err := places.enter(ctx, client); err != nil {
					waited <- name + " refused"
				} else {
					waited <- name
					time.Sleep(time.Second)
					end()
				}
			}()
			synctest.Wait()
		}
		for range 4 {
			wait(t.Context(), greedy, "greedy")
		}
		if len(waited) > 0 {
			t.Errorf("one client has a fourth turn: %s", <-waited)
		}
		if _, err := places.enter(t.Context(), greedy); err == nil {
			t.Error("one client has more than half of the places in the queue")
		}
		wait(t.Context(), modest, "modest")
		if len(waited) != 1 || <-waited != "modest" {
			t.Error("a client without a turn waits for one that has three")
		}
		gone, cancel := context.WithCancel(t.Context())
		wait(gone, modest, "gone") // takes the last place: nobody else may
		wait(t.Context(), modest, "second")
		cancel()
		leave[0]()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		close(waited)
		got := map[string]int{}
		for name := range waited {
			got[name]++
		}
		if got["greedy"] != 4 || got["second"] != 1 {
			t.Errorf("turns: %v", got)
		}
		leave[1]()
		leave[2]()
		leave[2]() // once only counts
		if places.total != 0 || len(places.active) != 0 || len(places.queue) != 0 {
			t.Errorf("left behind: %d run, %v, %d wait", places.total, places.active, len(places.queue))
		}
	})
}

func TestTurnsAreNotWaitedForForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := &turns{running: 1, each: 1, waiting: 1, patience: time.Minute}
		leave, err := places.enter(t.Context(), netip.Prefix{})
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		began := time.Now()
		if _, err := places.enter(t.Context(), netip.Prefix{}); err == nil || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}
