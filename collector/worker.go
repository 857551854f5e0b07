package collector

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
)

// maxRows is the number of rows at which a worker inserts before its share of a
// block is done. It bounds the memory of blocks of tiny records.
const maxRows = 250_000

// batchesPerWorker lets a worker decode into one batch while another is being
// inserted and a third waits for that.
const batchesPerWorker = 3

// A share is a block that all workers take their part of. The last one done
// releases it.
type share struct {
	block *block
	queue *queue
	open  atomic.Int32
}

func (s *share) done() {
	if s.open.Add(-1) == 0 {
		s.queue.release(s.block)
	}
}

// A worker decodes the datagrams of the exporters whose addresses hash to it.
type worker struct {
	collector *Collector
	shard     uint32
	decoder   *netflow.Decoder // owned by run
	stream    string           // makes tokens unlike those of other processes

	blocks  chan *share
	inserts chan insert
	batches chan *decoder.Batch // free ones
	inspect chan func(*netflow.Decoder)
	errors  *errorLog
}

// An insert is a full batch on its way to the store.
type insert struct {
	batch *decoder.Batch
	token string
	share *share // done when the insert is; nil for the first parts of a share
}

func newWorker(c *Collector, shard uint32) (*worker, error) {
	d, err := netflow.New(c.config.Decoder)
	if err != nil {
		return nil, fmt.Errorf("configure the decoder: %w", err)
	}
	w := &worker{collector: c, shard: shard, decoder: d, stream: uuid.NewString(),
		blocks: make(chan *share, 1), inserts: make(chan insert, batchesPerWorker), batches: make(chan *decoder.Batch, batchesPerWorker),
		inspect: make(chan func(*netflow.Decoder)), errors: newErrorLog(c.logger)}
	for range cap(w.batches) {
		w.batches <- new(decoder.Batch)
	}
	return w, nil
}

// run decodes and inserts until the blocks end. When ctx ends, what is not yet
// inserted is given up.
func (w *worker) run(ctx context.Context) {
	inserted := make(chan struct{})
	go func() {
		defer close(inserted)
		for i := range w.inserts {
			w.insert(ctx, i)
		}
	}()
	for blocks := w.blocks; blocks != nil; {
		select {
		case s, open := <-blocks:
			if !open {
				blocks = nil
				break
			}
			w.decode(s)
		case look := <-w.inspect:
			look(w.decoder)
		}
	}
	close(w.inserts)
	<-inserted
}

// freeBatch waits for a batch. Meanwhile the decoder may be looked at: the store
// being away is when operators look.
func (w *worker) freeBatch() *decoder.Batch {
	for {
		select {
		case b := <-w.batches:
			return b
		case look := <-w.inspect:
			look(w.decoder)
		}
	}
}

// decode turns the worker's share of a block into rows.
func (w *worker) decode(s *share) {
	batch, part := w.freeBatch(), 0
	token := func() string { return fmt.Sprintf("%s-%d-%d", w.stream, s.block.number, part) }
	s.block.each(w.shard, uint32(len(w.collector.workers)), func(d datagram) {
		if err := w.decoder.Decode(d.receivedMs, d.source, d.payload, batch); err != nil {
			w.errors.datagram(d, err)
		}
		if batch.Len() >= maxRows {
			w.inserts <- insert{batch: batch, token: token()}
			batch, part = w.freeBatch(), part+1
		}
	})
	w.inserts <- insert{batch, token(), s}
}

// insert stores a batch, retrying until it succeeds or ctx ends.
func (w *worker) insert(ctx context.Context, i insert) {
	c, rows := w.collector, i.batch.Len()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		start := time.Now()
		err := c.store.InsertFlows(ctx, store.Block{Token: i.token, Collector: c.config.Name}, i.batch)
		if err == nil {
			c.metrics.inserted(rows, time.Since(start))
			break
		}
		c.metrics.insertErrors.Inc()
		if ctx.Err() != nil {
			c.metrics.notStored.Add(float64(rows))
			c.logger.Error("flows are lost: the store did not take them before the stop", zap.Int("flows", rows), zap.Error(err))
			break
		}
		w.errors.store(err, rows)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	i.batch.Reset()
	w.batches <- i.batch
	if i.share != nil {
		i.share.done()
	}
}

// look runs f on the worker's decoder between two blocks.
func (w *worker) look(ctx context.Context, f func(*netflow.Decoder)) error {
	done := make(chan struct{})
	select {
	case w.inspect <- func(d *netflow.Decoder) { defer close(done); f(d) }:
		<-done
		return nil
	case <-ctx.Done():
		return fmt.Errorf("ask the decoder: %w", ctx.Err())
	}
}
