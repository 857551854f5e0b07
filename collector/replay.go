package collector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
)

// ErrNotPassed reports a block set aside that a restart of the daemon would
// still insert itself.
var ErrNotPassed = errors.New("the journal's checkpoint is not behind this block yet; let nfstats run for some seconds, then try again")

// ReplaySource is what column source holds of the flows of a replayed block.
func ReplaySource(token string) string { return "replay:" + token }

// Replayed tells what became of a block that was set aside.
type Replayed struct {
	Datagrams int
	Flows     int // stored, by this replay or one that was interrupted
	Problems  int // datagrams that the decoder has something to say about
}

// Replay decodes a block that was set aside and stores its flows under a source
// of their own, adds them to the rollups, and removes the block. It may run
// beside the daemon. Interrupted at any point and repeated it stores each flow
// once. When ClickHouse refuses again, the block stays. The configuration is the daemon's.
func Replay(ctx context.Context, config Config, token string, flows *store.Store) (Replayed, error) {
	dir := config.Journal.Dir
	info, block, state, err := journal.ReadRejected(dir, token)
	if err != nil {
		return Replayed{}, err
	}
	defer block.Release()
	if saved, err := journal.Inspect(dir); err != nil {
		return Replayed{}, err
	} else if saved.Checkpoint.Before(info.Range.To) {
		return Replayed{}, ErrNotPassed
	}
	done, err := storeAgain(ctx, config, token, block, state, flows)
	if err != nil {
		return done, fmt.Errorf("replay block %s: %w", token, err)
	}
	if err := flows.RollUpSource(ctx, ReplaySource(token), 0); err != nil {
		return done, fmt.Errorf("replay block %s: %w", token, err)
	}
	return done, journal.DropRejected(dir, token)
}

// storeAgain decodes and inserts in parts, each under a token of its own.
func storeAgain(ctx context.Context, config Config, token string, block *journal.Block, state []byte, flows *store.Store) (done Replayed, err error) {
	rates := operatorRates{path: config.RatesFile}
	if err := rates.load(); err != nil {
		return done, err
	}
	d, err := netflow.New(rates.over(config.Decoder))
	if err != nil {
		return done, err
	}
	if len(state) > 0 {
		if err := d.RestoreState(state, nil); err != nil {
			return done, err
		}
	}
	// ClickHouse remembers tokens for a while only. What an earlier replay got
	// done is known from its rows, since parts are stored one after the other.
	stored, err := flows.CountSource(ctx, ReplaySource(token))
	if err != nil {
		return done, err
	}
	var rows decoder.Batch
	part := 0
	complete := completion(config.Networks)
	plausible := decoder.Plausibility{}
	insert := func() error {
		defer rows.Reset()
		complete(&rows)
		part++
		done.Flows += rows.Len()
		if uint64(done.Flows) <= stored {
			return nil
		}
		return flows.InsertFlows(ctx, store.Block{Token: fmt.Sprintf("replay-%s-%d", token, part),
			Collector: config.Name, Source: ReplaySource(token), Imported: time.Now()}, &rows)
	}
	var datagram journal.Datagram
	for cursor := block.Cursor(); cursor.Next(&datagram); {
		done.Datagrams++
		before := rows.Len()
		if err := d.Decode(datagram.ReceivedMs, datagram.Source, datagram.Payload, &rows); err != nil {
			done.Problems++
		}
		plausible.Mark(&rows, before)
		if rows.Len() >= maxRows {
			if err := insert(); err != nil {
				return done, err
			}
		}
	}
	return done, insert()
}
