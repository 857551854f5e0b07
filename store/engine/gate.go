package engine

import (
	"context"
	"sync"
)

// A gate holds statements back while tables are attached anew.
type gate struct {
	mu     sync.Mutex
	open   chan struct{} // nil while the gate is open, else closed when it opens
	passes uint64        // how often it was shut
}

// wait returns when the gate is open, with how often it was shut until then.
func (g *gate) wait(ctx context.Context) (uint64, error) {
	for {
		g.mu.Lock()
		open, passes := g.open, g.passes
		g.mu.Unlock()
		if open == nil {
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

// shut closes the gate; the returned function opens it.
func (g *gate) shut() (open func()) {
	opened := make(chan struct{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = opened
	g.passes++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.open = nil
		close(opened)
	}
}
