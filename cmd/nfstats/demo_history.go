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
	"github.com/nfstats/nfstats/snmp"
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
	counters []store.Counter
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
	if err := saveInventory(ctx, flows, network); err != nil { // names hold from the first that is known
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
	if err := saveInventory(ctx, flows, network); err != nil { // a router may have renumbered
		return fmt.Errorf("fill in history: %w", err)
	}
	if err := snmp.NewCalibrator(flows, cfg.SNMP.ActiveTimeout, zap.NewNop()).CatchUp(ctx, time.Now()); err != nil {
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

// readCounters returns what a poller reads of all routers.
func readCounters(network *simulator.Network) []store.Counter {
	var readings []store.Counter
	for _, r := range network.Routers() {
		s := r.Snapshot()
		if !s.Up {
			continue
		}
		counted := uint64(1)<<s.Bits - 1 // all ones where Bits is 64
		for _, i := range s.Interfaces {
			readings = append(readings, store.Counter{Exporter: r.Address(), IfIndex: i.Index, AtMs: s.Time.UnixMilli(), UptimeMs: uint64(s.Uptime.Milliseconds()),
				InOctets: i.InOctets & counted, OutOctets: i.OutOctets & counted, InPackets: i.InPackets & counted, OutPackets: i.OutPackets & counted,
				InDiscards: i.InDiscards, OutDiscards: i.OutDiscards, Discontinuity: uint32(i.Discontinuity / (10 * time.Millisecond)), Bits: s.Bits})
		}
	}
	return readings
}

// saveInventory keeps what a poller finds of all routers.
func saveInventory(ctx context.Context, flows *store.Store, network *simulator.Network) error {
	for _, r := range network.Routers() {
		var found []store.Interface
		snapshot := r.Snapshot()
		for _, i := range snapshot.Interfaces {
			status := uint8(2) // down
			if i.Active {
				status = 1
			}
			found = append(found, store.Interface{IfIndex: i.Index, IfName: i.Name, IfAlias: i.Description, Type: i.Type, Speed: i.Speed, AdminStatus: 1, OperStatus: status})
		}
		if err := flows.SaveInterfaces(ctx, r.Address(), found, snapshot.Time.Add(-snapshot.Uptime)); err != nil {
			return err
		}
		if err := flows.ChangeExporter(ctx, r.Address(), func(e *store.KnownExporter) {
			e.SystemName, e.Description = r.Name(), r.Description()
		}); err != nil {
			return err
		}
	}
	return nil
}

// storePiece inserts a piece of history.
func storePiece(ctx context.Context, flows *store.Store, p *historyPiece) error {
	if p.flows.Len() > 0 {
		token := fmt.Sprintf("demo history %d", p.flows.TimeReceived[0])
		if err := flows.InsertFlows(ctx, store.Block{Token: token, Collector: demoCollector, Source: historySource}, &p.flows); err != nil {
			return err
		}
	}
	return flows.InsertCounters(ctx, p.counters)
}
