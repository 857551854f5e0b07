package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/ipas"
)

// maxRows is the number of rows at which a worker inserts before its share of a
// block is done. It bounds the memory of blocks of tiny records.
const maxRows = 250_000

// batchesPerWorker lets a worker decode into one batch while another is being
// inserted. Decoding is several times faster, so a third would only take memory.
const batchesPerWorker = 2

// maxRetryWait bounds the time between two attempts to insert, and so how long
// after its return ClickHouse is noticed.
const maxRetryWait = 5 * time.Second

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
	plausible decoder.Plausibility

	tasks   chan func(context.Context) // blocks to decode and states to take, in order
	inserts chan insert
	batches chan *decoder.Batch // free ones
	inspect chan func(*netflow.Decoder)
	errors  *errorLog // of exporters that are known
	strange *errorLog // of strangers, whose addresses may be forged
	places  atomic.Pointer[netflow.Places]
	storing attempt
}

// An insert is a full batch on its way to the store.
type insert struct {
	batch      *decoder.Batch
	token      string
	block      journal.Range // that its rows come from,
	first, end int           // and which of the worker's datagrams of that block
	recovered  bool          // it may have been inserted, or set aside, before a restart
	share      *share        // stored when the insert is; nil for the first parts of a share
}

func newWorker(c *Collector, shard int) (*worker, error) {
	d, err := netflow.New(c.rates.over(c.config.Decoder))
	if err != nil {
		return nil, fmt.Errorf("configure the decoder: %w", err)
	}
	w := &worker{collector: c, shard: shard, decoder: d,
		tasks: make(chan func(context.Context), 1), inserts: make(chan insert, batchesPerWorker), batches: make(chan *decoder.Batch, batchesPerWorker),
		inspect: make(chan func(*netflow.Decoder)), errors: newErrorLog(c.logger), strange: newErrorLog(c.logger)}
	w.plausible.Speeds = c.interfaceSpeeds
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
		complete := completion(w.collector.config.Networks)
		for i := range w.inserts {
			complete(i.batch)
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

// completion returns what sets the AS numbers of a batch, for use by one goroutine.
func completion(networks *ipas.Database) func(*decoder.Batch) {
	if networks == nil {
		return func(*decoder.Batch) {}
	}
	return networks.NewLookup().Complete
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
	part := 0
	next := func(first int) insert {
		token := fmt.Sprintf("%s-%d-%d", s.block.Token(), w.shard, part)
		part++
		return insert{batch: w.freeBatch(), token: token, block: s.block.Range, first: first, end: first, recovered: s.block.Recovered}
	}
	i := next(0)
	var d journal.Datagram
	for cursor := s.block.Cursor(); cursor.Next(&d); {
		if !w.owns(&d) {
			continue
		}
		i.end++
		before := i.batch.Len()
		if err := w.decoder.Decode(d.ReceivedMs, d.Source, d.Payload, i.batch); err != nil {
			w.complain(d, err)
		}
		if marked := w.plausible.Mark(i.batch, before); marked > 0 {
			w.collector.noteImplausible(i.batch, before, marked, w.errors)
		}
		if i.batch.Len() >= maxRows {
			w.inserts <- i
			i = next(i.end)
		}
	}
	places := w.decoder.Places()
	w.places.Store(&places)
	i.share = s
	w.inserts <- i
	s.decoded()
}

// owns reports whether the worker decodes a datagram.
func (w *worker) owns(d *journal.Datagram) bool {
	return shardOf(d.Source.Addr(), len(w.collector.workers)) == w.shard
}

// insert stores a batch, retrying until it succeeds or ctx ends. Rows that
// ClickHouse refuses for their content are set aside.
func (w *worker) insert(ctx context.Context, i insert) {
	c, rows := w.collector, i.batch.Len()
	stored := i.recovered && c.journal.IsRejected(i.token)
	for wait := 100 * time.Millisecond; !stored && ctx.Err() == nil; wait = min(2*wait, maxRetryWait) {
		err := w.tryInsert(ctx, i)
		if stored = err == nil; stored || ctx.Err() != nil {
			break
		}
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

// tryInsert stores a batch, or sets it aside.
func (w *worker) tryInsert(ctx context.Context, i insert) error {
	c, rows, start := w.collector, i.batch.Len(), time.Now()
	w.storing.begin(start)
	err := c.store.InsertFlows(ctx, store.Block{Token: i.token, Collector: c.config.Name}, i.batch)
	switch {
	case err == nil:
		c.metrics.inserted(rows, time.Since(start))
	case store.Refused(err):
		cause := err
		if err = w.setAside(i, cause); errors.Is(err, os.ErrNotExist) {
			// The journal reached its size meanwhile, and the block's segment is gone.
			c.metrics.refusedLost.Add(float64(rows))
			c.logger.Error("ClickHouse refuses flows for their content, and the journal does not have their datagrams any more: they are lost",
				zap.String("block", i.token), zap.Int("flows", rows), zap.Error(cause))
			err = nil
		} else if err == nil {
			c.metrics.setAside(rows, i.end-i.first)
			c.logger.Error("ClickHouse refuses flows for their content; their datagrams are set aside, see: nfstats journal list",
				zap.String("block", i.token), zap.Int("flows", rows), zap.Int("datagrams", i.end-i.first), zap.Error(cause))
		}
	default:
		c.metrics.insertErrors.Inc()
	}
	w.storing.end(err)
	return err
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
