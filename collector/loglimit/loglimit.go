// Package loglimit bounds the lines that strangers can make us write into the
// log, by datagrams with forged addresses or by guessing passwords, say: one a
// minute of a kind, and a hundred of all kinds. What is left out is counted.
package loglimit

import (
	"sync"
	"time"
)

// Bounds of a Limiter.
const (
	Interval = time.Minute // between two lines of the same kind
	Lines    = 100         // in an interval, of all kinds
	kinds    = 4096        // remembered; beyond, all are forgotten at once
)

// Limiter decides which lines are written. K tells kinds of lines apart.
type Limiter[K comparable] struct {
	flood func(leftOut int)

	mu    sync.Mutex
	lines map[K]*line
	until time.Time // end of the interval
	wrote int       // lines in it
	more  int       // that were due in it beyond Lines
}

type line struct {
	next    time.Time
	leftOut int
}

// New returns a limiter. It calls flood, before the first line of another
// interval, with the number of lines that were left out beyond Lines.
func New[K comparable](flood func(leftOut int)) *Limiter[K] {
	return &Limiter[K]{flood: flood, lines: map[K]*line{}}
}

// Due reports whether a line may be written now, and how many of its kind were
// left out since the last one.
func (l *Limiter[K]) Due(kind K) (leftOut int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.lines[kind]
	if known == nil {
		if len(l.lines) >= kinds {
			clear(l.lines)
		}
		known = &line{}
		l.lines[kind] = known
	}
	now := time.Now()
	if now.After(l.until) {
		if l.more > 0 {
			l.flood(l.more)
		}
		l.until, l.wrote, l.more = now.Add(Interval), 0, 0
	}
	if now.Before(known.next) {
		known.leftOut++
		return 0, false
	}
	if l.wrote == Lines {
		known.leftOut++
		l.more++
		return 0, false
	}
	l.wrote++
	leftOut = known.leftOut
	*known = line{next: now.Add(Interval)}
	return leftOut, true
}
