package collector

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/journal"
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

// A share is a block that all workers take their part of.
type share struct {
	block    *journal.Block
	journal  *journal.Journal
	decoding atomic.Int32 // workers that still read the block
	storing  atomic.Int32 // workers whose rows are not all stored
}

// decoded gives the block's memory back after the last worker.
func (s *share) decoded() {
	if s.decoding.Add(-1) == 0 {
		s.block.Release()
	}
}

// stored tells the journal when the last rows are in ClickHouse.
func (s *share) stored() {
	if s.storing.Add(-1) == 0 {
		s.journal.Done(s.block.Range)
	}
}

// A worker decodes the datagrams of the exporters whose addresses hash to it.
type worker struct {
	collector *Collector
	shard     int
	decoder   *netflow.Decoder // owned by run

	tasks   chan func(context.Context) // blocks to decode and states to take, in order
	inserts chan insert
	batches chan *decoder.Batch // free ones
	inspect chan func(*netflow.Decoder)
	errors  *errorLog
}

// An insert is a full batch on its way to the store.
type insert struct {
	batch *decoder.Batch
	token string
	share *share // stored when the insert is; nil for the first parts of a share
}

func newWorker(c *Collector, shard int) (*worker, error) {
	d, err := netflow.New(c.config.Decoder)
	if err != nil {
		return nil, fmt.Errorf("configure the decoder: %w", err)
	}
	w := &worker{collector: c, shard: shard, decoder: d,
		tasks: make(chan func(context.Context), 1), inserts: make(chan insert, batchesPerWorker), batches: make(chan *decoder.Batch, batchesPerWorker),
		inspect: make(chan func(*netflow.Decoder)), errors: newErrorLog(c.logger)}
	for range cap(w.batches) {
		w.batches <- new(decoder.Batch)
	}
	return w, nil
}

// run decodes and inserts until the tasks end. When ctx ends, what is not yet
// inserted stays in the journal.
func (w *worker) run(ctx context.Context) {
	inserted := make(chan struct{})
	go func() {
		defer close(inserted)
		for i := range w.inserts {
			w.insert(ctx, i)
		}
	}()
	for tasks := w.tasks; tasks != nil; {
		select {
		case task, open := <-tasks:
			if !open {
				tasks = nil
				break
			}
			task(ctx)
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
	token := func() string { return fmt.Sprintf("%s-%d-%d", s.block.Token(), w.shard, part) }
	var d journal.Datagram
	for cursor := s.block.Cursor(); cursor.Next(&d); {
		if shardOf(d.Source.Addr(), len(w.collector.workers)) != w.shard {
			continue
		}
		if err := w.decoder.Decode(d.ReceivedMs, d.Source, d.Payload, batch); err != nil {
			w.errors.datagram(d, err)
		}
		if batch.Len() >= maxRows {
			w.inserts <- insert{batch: batch, token: token()}
			batch, part = w.freeBatch(), part+1
		}
	}
	w.inserts <- insert{batch, token(), s}
	s.decoded()
}

// insert stores a batch, retrying until it succeeds or ctx ends.
func (w *worker) insert(ctx context.Context, i insert) {
	c, rows, stored := w.collector, i.batch.Len(), false
	for wait := 100 * time.Millisecond; !stored && ctx.Err() == nil; wait = min(2*wait, 10*time.Second) {
		start := time.Now()
		err := c.store.InsertFlows(ctx, store.Block{Token: i.token, Collector: c.config.Name}, i.batch)
		if err == nil {
			c.metrics.inserted(rows, time.Since(start))
			stored = true
			break
		}
		c.metrics.insertErrors.Inc()
		w.errors.store(err, rows)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	if !stored {
		c.logger.Warn("ClickHouse did not take flows before the stop; they stay in the journal for the next start", zap.Int("flows", rows))
		c.unstored.Store(true)
	}
	i.batch.Reset()
	w.batches <- i.batch
	if i.share != nil && !c.unstored.Load() {
		i.share.stored()
	}
}

// look runs f on the worker's decoder between two tasks.
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
