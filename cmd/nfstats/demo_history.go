package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/nfstats/nfstats/cmd/nfstats/simulator"
	"github.com/nfstats/nfstats/configs"
	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
)

const (
	// historyStep is the resolution of simulated time while history is made.
	historyStep = 10 * time.Second
	// historyPoll is the time between two readings of the counters.
	historyPoll = time.Minute
	// historyBlock is how many flows are inserted at once.
	historyBlock = 300_000
	// historySource tells rows of history from those that came in live. It lets
	// them be rolled up all at once, as those of an imported archive.
	historySource = "demo history"
	// historyTail is what is left for the live network to catch up with.
	historyTail = 2 * time.Second
)

// A historyPiece is a part of the past on its way into the store.
type historyPiece struct {
	flows    decoder.Batch
	counters []counterReading
}

// A counterReading is a row of table if_counters.
type counterReading struct {
	exporter netip.Addr
	at       time.Time
	uptime   time.Duration
	simulator.InterfaceSnapshot
}

// fillHistory lets the network's time pass until now and stores what a daemon
// would have stored meanwhile.
func fillHistory(ctx context.Context, cfg *configs.Config, network *simulator.Network, player *demoPlayer, out io.Writer) error {
	began := time.Now()
	connection, detach, err := attach(ctx, cfg)
	if err != nil {
		return fmt.Errorf("fill in history: %w", err)
	}
	defer detach()
	flows, err := store.New(connection, zap.NewNop())
	if err != nil {
		return fmt.Errorf("fill in history: %w", err)
	}
	defer flows.Close()
	if err := flows.Prepare(ctx); err != nil {
		return fmt.Errorf("fill in history: %w", err)
	}
	pieces := make(chan *historyPiece, 1)
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(pieces)
		return makeHistory(groupCtx, network, player, pieces)
	})
	stored := 0
	group.Go(func() error {
		for p := range pieces {
			if err := storePiece(groupCtx, flows, p); err != nil {
				return err
			}
			stored += p.flows.Len()
			fmt.Fprintf(out, "\r%d flows, up to %s ", stored, network.Now().Local().Format("Mon 15:04"))
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("fill in history: %w", err)
	}
	fmt.Fprintf(out, "\r%d flows; making rollups. ", stored)
	if err := flows.RollUpSource(ctx, historySource, 1); err != nil {
		return fmt.Errorf("fill in history: %w", err)
	}
	fmt.Fprintf(out, "\r%d flows of history in %.0f seconds.\n", stored, time.Since(began).Seconds())
	return nil
}

// makeHistory advances the network to the present and hands over what its
// routers export, decoded as the daemon decodes it.
func makeHistory(ctx context.Context, network *simulator.Network, player *demoPlayer, pieces chan<- *historyPiece) error {
	flowDecoder, err := netflow.New(netflow.Default())
	if err != nil {
		return err
	}
	piece := &historyPiece{}
	var undecodable error
	player.into = func(r *simulator.Router, at time.Time, datagram []byte) {
		if err := flowDecoder.Decode(at.UnixMilli(), netip.AddrPortFrom(r.Address(), 0), datagram, &piece.flows); err != nil {
			undecodable = err
		}
	}
	for over := false; !over; {
		present := time.Now().Add(-historyTail)
		to := network.Now().Truncate(historyPoll).Add(historyPoll)
		if over = to.After(present); over {
			to = present
		}
		network.Advance(to)
		if undecodable != nil {
			return undecodable
		}
		if !over {
			piece.counters = append(piece.counters, readCounters(network)...)
		}
		if over || piece.flows.Len() >= historyBlock {
			select {
			case pieces <- piece:
			case <-ctx.Done():
				return ctx.Err()
			}
			piece = &historyPiece{}
		}
	}
	return nil
}

func readCounters(network *simulator.Network) []counterReading {
	var readings []counterReading
	for _, r := range network.Routers() {
		s := r.Snapshot()
		if !s.Up {
			continue
		}
		for _, i := range s.Interfaces {
			readings = append(readings, counterReading{r.Address(), s.Time, s.Uptime, i})
		}
	}
	return readings
}

// storePiece inserts a piece of history.
func storePiece(ctx context.Context, flows *store.Store, p *historyPiece) error {
	if p.flows.Len() > 0 {
		token := fmt.Sprintf("demo history %d", p.flows.TimeReceived[0])
		if err := flows.InsertFlows(ctx, store.Block{Token: token, Collector: demoCollector, Source: historySource}, &p.flows); err != nil {
			return err
		}
	}
	if len(p.counters) == 0 {
		return nil
	}
	batch, err := flows.Conn().PrepareBatch(ctx, `INSERT INTO if_counters (time, exporter_addr, if_index, uptime_ms,
in_octets, out_octets, in_packets, out_packets, in_discards, out_discards, discontinuity, counter_bits)`)
	if err != nil {
		return fmt.Errorf("insert SNMP history: %w", err)
	}
	for _, c := range p.counters {
		if err := batch.Append(c.at, netip.AddrFrom16(c.exporter.As16()), c.Index, uint64(c.uptime.Milliseconds()), c.InOctets, c.OutOctets,
			c.InPackets, c.OutPackets, c.InDiscards, c.OutDiscards, uint32(c.Discontinuity/(10*time.Millisecond)), uint8(64)); err != nil {
			return fmt.Errorf("insert SNMP history: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert SNMP history: %w", err)
	}
	return nil
}
