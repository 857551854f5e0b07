package engine

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// turns bound the statements that run and wait at one time, of all clients and of
// each. Whoever runs fewest is next, so that one client's statements keep others
// waiting for one of them at most.
type turns struct {
	running, each int           // at one time, of all and of one client
	waiting       int           // for a turn, of all; one client may have half of them
	patience      time.Duration // of a statement that waits; 0: endless

	mu     sync.Mutex
	active map[netip.Prefix]int
	total  int
	queue  []*waiter
}

// A waiter is a statement that waits for its turn.
type waiter struct {
	client netip.Prefix
	turn   chan struct{} // closed when it has come
}

// enter waits for a turn; leave ends it.
func (t *turns) enter(ctx context.Context, client netip.Prefix) (leave func(), err error) {
	w, err := t.line(client)
	if err != nil {
		return nil, err
	}
	var late <-chan time.Time
	if t.patience > 0 {
		timer := time.NewTimer(t.patience)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-w.turn:
		return sync.OnceFunc(func() { t.leave(client) }), nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-late:
		err = newException(codeTooManyQueries, "Too many simultaneous queries: no turn came within %s. "+
			"(TOO_MANY_SIMULTANEOUS_QUERIES)", t.patience)
	}
	if !t.giveUp(w) {
		t.leave(client) // it had come meanwhile
	}
	return nil, err
}

// line takes a place in the queue.
func (t *turns) line(client netip.Prefix) (*waiter, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := 0
	for _, w := range t.queue {
		if w.client == client {
			mine++
		}
	}
	if len(t.queue) >= t.waiting || t.each < t.running && mine >= t.waiting/2 {
		return nil, newException(codeTooManyQueries, "Too many simultaneous queries: %d run and %d wait. "+
			"(TOO_MANY_SIMULTANEOUS_QUERIES)", t.total, len(t.queue))
	}
	w := &waiter{client, make(chan struct{})}
	t.queue = append(t.queue, w)
	t.next()
	return w, nil
}

// giveUp takes a waiter out of the queue. It reports false if its turn has come.
func (t *turns) giveUp(w *waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.queue, w)
	if i >= 0 {
		t.queue = slices.Delete(t.queue, i, i+1)
	}
	return i >= 0
}

func (t *turns) leave(client netip.Prefix) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total--
	if t.active[client]--; t.active[client] == 0 {
		delete(t.active, client)
	}
	t.next()
}

// next gives turns to those whose client runs fewest, the first of them first.
func (t *turns) next() {
	if t.active == nil {
		t.active = map[netip.Prefix]int{}
	}
	for t.total < t.running && len(t.queue) > 0 {
		best := 0
		for i, w := range t.queue {
			if t.active[w.client] < t.active[t.queue[best].client] {
				best = i
			}
		}
		w := t.queue[best]
		if t.active[w.client] >= t.each {
			return
		}
		t.queue = slices.Delete(t.queue, best, best+1)
		t.total++
		t.active[w.client]++
		close(w.turn)
	}
}

// clientOf returns who sent a request: its address, of IPv6 the /64; one for all
// that come through a Unix socket.
func clientOf(r *http.Request) netip.Prefix {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	address, bits := from.Addr().Unmap().WithZone(""), 64
	if address.Is4() {
		bits = 32
	}
	prefix, _ := address.Prefix(bits)
	return prefix
}
