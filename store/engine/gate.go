package engine

import (
	"context"
	"sync"
)

// A gate holds statements back while tables are attached anew.
type gate struct {
	mu     sync.Mutex
	shuts  int           // by how many it is held shut
	open   chan struct{} // closed when it opens
	passes uint64        // how often it was shut
}

// wait returns when the gate is open, with how often it was shut until then.
func (g *gate) wait(ctx context.Context) (uint64, error) {
	for {
		g.mu.Lock()
		shuts, open, passes := g.shuts, g.open, g.passes
		g.mu.Unlock()
		if shuts == 0 {
			return passes, nil
		}
		select {
		case <-open:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// shutSince reports whether the gate was shut since wait returned that count.
func (g *gate) shutSince(passes uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passes != passes
}

// shut closes the gate until the returned function is called.
func (g *gate) shut() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shuts++; g.shuts == 1 {
		g.open = make(chan struct{})
	}
	g.passes++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.shuts--; g.shuts == 0 {
			close(g.open)
		}
	}
}
