package engine

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// A role says which of the two engine processes one is. It is the command line
// by which `nfstats` becomes that process.
type role string

const (
	// The writer holds ClickHouse's folder. It serves the daemon, with full rights.
	writer role = "engine"
	// The reader answers the statements of users. It may only read that folder.
	reader role = "reader"
)

// State is what a process of the engine is doing.
type State struct {
	Ready    bool   // it answers
	Restarts int    // since the daemon started
	Problem  string // why it is not ready, in words
}

// A process keeps one engine process running.
type process struct {
	role      role
	name      string // for messages
	dataDir   string // of nfstats
	describe  func() (spec, error)
	key       string // opens its socket
	socket    *os.File
	listeners []*os.File // what it inherits besides: kept open over restarts
	logger    *zap.Logger

	hangPatience time.Duration // with a process that has been ready and answers no more
	maxResident  int64         // bytes of its own that it may hold before it is killed; 0: any

	pid   atomic.Int64 // of the one that runs
	mu    sync.Mutex
	state State
	first chan struct{} // closed when it is ready for the first time
}

func newProcess(r role, name, dataDir string, describe func() (spec, error), logger *zap.Logger) *process {
	return &process{role: r, name: name, dataDir: dataDir, describe: describe, key: rand.Text(), logger: logger,
		hangPatience: time.Minute, state: State{Problem: name + " is starting"}, first: make(chan struct{})}
}

// dial connects to the process's socket. While the process restarts, connections
// wait in the listener's queue.
func (p *process) dial(ctx context.Context) (net.Conn, error) {
	return dialSocket(ctx, socketPath(p.dataDir, p.role))
}

func (p *process) announce() {
	select {
	case <-p.first:
	default:
		close(p.first)
	}
}

func (p *process) now() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *process) setState(change func(*State)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.state)
}

// run keeps the process running until ctx ends, then stops it.
func (p *process) run(ctx context.Context) {
	for wait := 200 * time.Millisecond; ; {
		started := time.Now()
		err := p.runOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		p.setState(func(st *State) {
			st.Ready, st.Problem = false, p.name+" is restarting: "+err.Error()
			st.Restarts++
		})
		if time.Since(started) > time.Minute {
			wait = 200 * time.Millisecond
		}
		p.logger.Error(p.name+" has ended; it is started again", zap.Error(err), zap.Duration("in", wait))
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, p.maxRestartWait())
	}
}

// maxRestartWait bounds the pause before a restart. The reader starts anew at
// once however often users end it: a pause would keep all others out.
func (p *process) maxRestartWait() time.Duration {
	if p.role == reader {
		return time.Second
	}
	return 30 * time.Second
}
