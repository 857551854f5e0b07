package collector

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/ipas"
)

// Config says where flows are received and how they are cut into inserts.
type Config struct {
	Listen        []string       // UDP host:port
	Name          string         // stored with each flow in column collector
	Allow         []netip.Prefix // accepted exporters; none: everybody
	ReceiveBuffer int            // bytes for each socket
	Sockets       int            // for each address; 0: one for each CPU, at most four
	RatesFile     string         // keeps the sampling rates that operators set
	Journal       journal.Config // what waits for the store, and the size of inserts
	Decoder       netflow.Config

	Networks *ipas.Database // completes AS numbers; nil: they stay as exported
}

// stopGrace bounds how long a stop waits for the store to take what was
// received. What it does not take stays in the journal.
const stopGrace = 10 * time.Second

// flowStore is what takes the rows; *store.Store in the program.
type flowStore interface {
	InsertFlows(ctx context.Context, block store.Block, b *decoder.Batch) error
}

// Collector receives, decodes and stores flows.
type Collector struct {
	config  Config
	store   flowStore
	logger  *zap.Logger
	metrics *metrics
	refused *errorLog // exporters that are not allowed
	workers []*worker
	sockets []*socket

	journal  *journal.Journal
	rates    operatorRates
	decoding sync.WaitGroup // the workers
	unstored atomic.Bool    // the stop came before the store took everything

	speeds      atomic.Pointer[decoder.Speeds] // nil: none are known yet
	implausible implausible
}

// New makes a collector; Open takes its journal and sockets, and Run starts it.
func New(config Config, flows flowStore, registry prometheus.Registerer, logger *zap.Logger) (*Collector, error) {
	if err := config.Journal.Validate(); err != nil {
		return nil, err
	}
	c := &Collector{config: config, store: flows, logger: logger, refused: newErrorLog(logger), rates: operatorRates{path: config.RatesFile}}
	c.metrics = newMetrics(registry)
	registry.MustRegister(decoded{c}, journaled{c})
	return c, nil
}

// Open opens the journal, gives the decoders the states in it, and opens the
// sockets, from when on the kernel keeps what arrives. It warns where the kernel
// grants less buffer than asked for. After an error nothing stays open.
func (c *Collector) Open(ctx context.Context) (err error) {
	if err = c.rates.load(); err != nil {
		return err
	}
	if c.journal, err = journal.Open(c.config.Journal, c.logger.Named("journal")); err != nil {
		return err
	}
	if err = c.makeWorkers(max(1, min(runtime.GOMAXPROCS(0), 16))); err == nil {
		err = c.listen(ctx)
	}
	if err != nil {
		closeSockets(c.sockets)
		c.journal.Close()
	}
	return err
}

func (c *Collector) listen(ctx context.Context) error {
	n := c.config.Sockets
	if n == 0 {
		n = min(runtime.GOMAXPROCS(0), 4)
	}
	for _, address := range c.config.Listen {
		sockets, granted, err := listen(ctx, address, n, c.config.ReceiveBuffer)
		if err != nil {
			return err
		}
		c.sockets = append(c.sockets, sockets...)
		c.logger.Info("receiving flows", zap.String("on", "UDP "+sockets[0].conn.LocalAddr().String()))
		if granted < c.config.ReceiveBuffer {
			c.logger.Warn("the kernel clamps the receive buffer; bursts may be lost. To allow it: sysctl -w net.core.rmem_max="+
				fmt.Sprint(c.config.ReceiveBuffer),
				zap.Int("wanted_bytes", c.config.ReceiveBuffer), zap.Int("granted_bytes", granted))
		}
	}
	return nil
}

// Addresses returns the UDP addresses that Listen opened.
func (c *Collector) Addresses() []netip.AddrPort {
	var addresses []netip.AddrPort
	for _, s := range c.sockets {
		a := netip.MustParseAddrPort(s.conn.LocalAddr().String())
		if len(addresses) == 0 || addresses[len(addresses)-1] != a {
			addresses = append(addresses, a)
		}
	}
	return addresses
}

// Exporters describes everybody who sent something decodable since the start.
func (c *Collector) Exporters(ctx context.Context) ([]netflow.ExporterStatus, error) {
	var all []netflow.ExporterStatus
	for _, w := range c.workers {
		if err := w.look(ctx, func(d *netflow.Decoder) { all = append(all, d.Exporters()...) }); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Templates describes the templates of the exporters at an address.
func (c *Collector) Templates(ctx context.Context, exporter netip.Addr) ([]netflow.TemplateStatus, error) {
	templates := []netflow.TemplateStatus{}
	for _, w := range c.workers {
		if err := w.look(ctx, func(d *netflow.Decoder) { templates = append(templates, d.Templates(exporter)...) }); err != nil {
			return nil, err
		}
	}
	return templates, nil
}

// Names returns what exporters call their interfaces, as they told in options
// data. While all places are taken it leaves out strangers, who come and go.
func (c *Collector) Names(ctx context.Context) ([]netflow.ExporterNames, error) {
	var all []netflow.ExporterNames
	for _, w := range c.workers {
		if err := w.look(ctx, func(d *netflow.Decoder) { all = append(all, namesWorthKeeping(d)...) }); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// total sums what all decoders have counted.
func (c *Collector) total(ctx context.Context) (total netflow.Counters, err error) {
	for _, w := range c.workers {
		if err := w.look(ctx, func(d *netflow.Decoder) { one := d.Total(); total.Add(&one) }); err != nil {
			return total, err
		}
	}
	return total, nil
}

// Run receives until ctx ends. Then it closes the sockets, stores what was
// received (for at most 10 s; the rest stays in the journal) and returns.
func (c *Collector) Run(ctx context.Context) error {
	storing, stopStoring := context.WithCancel(context.WithoutCancel(ctx))
	defer stopStoring()
	context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, stopStoring) })
	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))

	var receivers, pipeline, keeper errgroup.Group
	keeper.Go(func() error { return c.journal.Run(keeping) })
	keeper.Go(func() error { c.watchStoring(keeping); return nil })
	keeper.Go(func() error { c.watchPlaces(keeping); return nil })
	for _, w := range c.workers {
		c.decoding.Go(func() { w.run(storing) })
	}
	pipeline.Go(func() error { c.dispatch(storing); return nil })
	for _, s := range c.sockets {
		receivers.Go(func() error {
			s.receive(ctx, c.logger, func(burst []journal.Datagram, kernelDrops uint32) { c.accept(s, burst, kernelDrops) })
			return nil
		})
	}
	receivers.Wait()
	c.journal.Drain()
	pipeline.Wait()
	stopKeeping()
	return errors.Join(keeper.Wait(), c.journal.Close())
}

// accept is what a receiver does with each burst.
func (c *Collector) accept(s *socket, burst []journal.Datagram, kernelDrops uint32) {
	s.drops.Add(uint64(kernelDrops))
	c.metrics.datagrams.Add(float64(len(burst)))
	if len(c.config.Allow) > 0 {
		burst = c.allowed(burst)
	}
	bytes := 0
	for _, d := range burst {
		bytes += len(d.Payload)
	}
	c.metrics.bytes.Add(float64(bytes))
	c.journal.Append(burst) // counts what it cannot take
}

// allowed moves the datagrams of allowed exporters to the front.
func (c *Collector) allowed(burst []journal.Datagram) []journal.Datagram {
	kept := burst[:0]
	for _, d := range burst {
		if slices.ContainsFunc(c.config.Allow, func(p netip.Prefix) bool { return p.Contains(d.Source.Addr()) }) {
			kept = append(kept, d)
		} else if leftOut, ok := c.refused.Due(errorKind{exporter: d.Source.Addr()}); ok {
			c.logger.Warn("datagrams of an exporter that collector.allow does not name are dropped", zap.Stringer("exporter", d.Source.Addr()), zap.Int("left_out", leftOut))
		}
	}
	c.metrics.notAllowed.Add(uint64(len(burst) - len(kept)))
	return kept
}
