package loglimit

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestLinesOfOneKindAndOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flood := 0
		l := New[string](func(leftOut int) { flood += leftOut })
		written := 0
		due := func(kind string) int {
			leftOut, ok := l.Due(kind)
			if ok {
				written++
			}
			return leftOut
		}
		for range 50 {
			due("one")
		}
		if written != 1 {
			t.Errorf("%d lines of one kind, want 1", written)
		}
		for i := range 2 * kinds {
			due(fmt.Sprint(i))
		}
		if written != Lines || len(l.lines) > kinds {
			t.Errorf("%d lines, %d kinds are remembered", written, len(l.lines))
		}
		time.Sleep(Interval + 1)
		due("last")
		if flood != 2*kinds-(Lines-1) || written != Lines+1 {
			t.Errorf("the next interval tells that %d were left out, and writes %d lines", flood, written-Lines)
		}
		for range 7 {
			due("last")
		}
		time.Sleep(Interval + 1)
		if leftOut := due("last"); leftOut != 7 {
			t.Errorf("%d of the kind were left out, want 7", leftOut)
		}
	})
}
