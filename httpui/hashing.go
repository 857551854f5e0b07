package httpui

import (
	"context"
	"time"
)

// Passwords are compared one at a time for strangers and one at a time for known
// devices and the machine itself: each takes a CPU for up to a second. So
// strangers neither take all CPUs nor make users wait.
const (
	maxHashing      = 32 // that wait, in each lane; beyond, logins are refused for a moment
	hashingPatience = 20 * time.Second
)

// lane lets one comparison after the other pass.
type lane struct {
	places chan struct{} // of those that wait, and the one that is at work
	work   chan struct{}
}

func newLane() *lane {
	return &lane{places: make(chan struct{}, maxHashing), work: make(chan struct{}, 1)}
}

// enter takes a place to wait; false: there is none. Whoever has one leaves.
func (l *lane) enter() bool {
	select {
	case l.places <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l *lane) leave() { <-l.places }

// compare runs a comparison when it is its turn; false: it came to no turn.
func (l *lane) compare(ctx context.Context, comparison func()) bool {
	ctx, cancel := context.WithTimeout(ctx, hashingPatience)
	defer cancel()
	select {
	case l.work <- struct{}{}:
		defer func() { <-l.work }()
		comparison()
		return true
	case <-ctx.Done():
		return false
	}
}
