package collector

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/journal"
)

// commitInterval is the time between two checkpoints. After a crash so much is
// decoded and sent again.
const commitInterval = time.Second

// A checkpoint gathers the workers' states between two blocks.
type checkpoint struct {
	position journal.Position
	states   [][]byte // by shard
	open     atomic.Int32
}

// dispatch gives every block of the journal to all workers, until the journal is
// drained and empty or ctx ends.
func (c *Collector) dispatch(ctx context.Context) {
	commits := make(chan *checkpoint, 1)
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		for p := range commits {
			c.commit(ctx, p)
		}
	}()
	var last time.Time
	var position journal.Position
	for {
		b, err := c.journal.Next(ctx)
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			break
		}
		if err != nil {
			c.logger.Error("read the journal", zap.Error(err))
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		position = b.To
		s := &share{block: b, journal: c.journal}
		s.decoding.Store(int32(len(c.workers)))
		s.storing.Store(int32(len(c.workers)))
		for _, w := range c.workers {
			w.tasks <- func(context.Context) { w.decode(s) }
		}
		if time.Since(last) >= commitInterval && len(commits) == 0 {
			c.checkpoint(position, commits)
			last = time.Now()
		}
	}
	if position != (journal.Position{}) {
		c.checkpoint(position, commits)
	}
	for _, w := range c.workers {
		close(w.tasks)
	}
	c.decoding.Wait()
	close(commits)
	<-committed
}

// checkpoint asks the workers for their states; the last one sends them on.
func (c *Collector) checkpoint(position journal.Position, commits chan<- *checkpoint) {
	p := &checkpoint{position: position, states: make([][]byte, len(c.workers))}
	p.open.Store(int32(len(c.workers)))
	for _, w := range c.workers {
		w.tasks <- func(context.Context) {
			p.states[w.shard] = w.decoder.AppendState(nil)
			if p.open.Add(-1) == 0 {
				commits <- p
			}
		}
	}
}

func (c *Collector) commit(ctx context.Context, p *checkpoint) {
	if err := c.journal.Commit(ctx, p.position, appendStates(nil, p.states)); err != nil && ctx.Err() == nil {
		c.logger.Error("commit to the journal; a restart will decode more again", zap.Error(err))
	}
}

// appendStates writes the workers' states, each behind its length, behind their
// number.
func appendStates(dst []byte, states [][]byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(states)))
	for _, s := range states {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	return dst
}

var errStates = errors.New("the decoders' states in the journal are damaged")

func readStates(b []byte) (states [][]byte, err error) {
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)) {
		return nil, errStates
	}
	b = b[n:]
	for range count {
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return nil, errStates
		}
		states, b = append(states, b[n:n+int(length)]), b[n+int(length):]
	}
	return states, nil
}

// makeWorkers makes as many workers as the journal was decoded with before, so
// that blocks are cut into the same inserts again, and gives them their states.
func (c *Collector) makeWorkers(fresh int) error {
	var states [][]byte
	if saved := c.journal.State(); saved != nil {
		var err error
		if states, err = readStates(saved); err != nil {
			return err
		}
		fresh = len(states)
	}
	for shard := range fresh {
		w, err := newWorker(c, shard)
		if err != nil {
			return err
		}
		c.workers = append(c.workers, w)
	}
	for _, state := range states {
		for _, w := range c.workers {
			mine := func(exporter netip.Addr) bool { return shardOf(exporter, len(c.workers)) == w.shard }
			if err := w.decoder.RestoreState(state, mine); err != nil {
				// Of another version of nfstats: templates come again by themselves.
				c.logger.Warn("templates and sampling rates are learned anew", zap.Error(fmt.Errorf("restore the decoder: %w", err)))
			}
		}
	}
	return nil
}
