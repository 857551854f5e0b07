package snmp

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
)

// A Keeper keeps the inventory: what devices tell by SNMP, what flows name and
// what exporters tell in options data. It is the Sink of a Poller.
type Keeper struct {
	store   *store.Store
	names   func(context.Context) ([]netflow.ExporterNames, error) // from options data
	logger  *zap.Logger
	dropped prometheus.Counter

	mu      sync.Mutex
	pending []store.Counter // readings to be inserted, oldest first
	wanted  map[netip.Addr]map[uint32]bool
	seen    map[store.Way]store.Seen // without direction
	roles   map[store.Way]string     // likewise: guesses what they are for
	polled  map[netip.Addr]bool      // devices that were walked: their options data tell nothing new

	announced map[netip.AddrPort]netflow.ExporterNames // as they are kept; owned by Run
	guessed   time.Time                                // when roles were; owned by Run
	guessWait time.Duration                            // until they are again; owned by Run
}

const (
	// flushInterval is the time between two inserts of readings.
	flushInterval = 5 * time.Second
	// lookInterval is the time between two looks at what flows name.
	lookInterval = 30 * time.Second
	// guessInterval is the time between two guesses of what interfaces are for, once there are flows of some time.
	guessInterval = 10 * time.Minute
	// maxPending bounds the readings that wait for ClickHouse: about 60 MB.
	maxPending = 500_000
	// maxInsert is how many readings are inserted at once.
	maxInsert = 100_000
	// seenWithin is how long ago flows may have named an interface in use.
	seenWithin = 24 * time.Hour
)

// NewKeeper makes a keeper. names returns what exporters told in options data.
func NewKeeper(s *store.Store, names func(context.Context) ([]netflow.ExporterNames, error), registry prometheus.Registerer, logger *zap.Logger) *Keeper {
	k := &Keeper{store: s, names: names, logger: logger, polled: map[netip.Addr]bool{}, announced: map[netip.AddrPort]netflow.ExporterNames{},
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "nfstats_snmp_dropped_readings_total", Help: "Readings lost because ClickHouse took none for too long."})}
	registry.MustRegister(k.dropped)
	return k
}

// Discovered keeps the interfaces of a device.
func (k *Keeper) Discovered(ctx context.Context, exporter netip.Addr, system System, interfaces []Interface) error {
	found := make([]store.Interface, 0, len(interfaces))
	for _, i := range interfaces {
		found = append(found, store.Interface{IfIndex: i.IfIndex, IfName: i.Name, IfAlias: i.Description, Type: i.Type, Speed: i.Speed, AdminStatus: i.AdminStatus, OperStatus: i.OperStatus, OperSince: i.OperSince})
	}
	since := system.Restarted
	if since.IsZero() {
		since = time.Now()
	}
	if err := k.store.SaveInterfaces(ctx, exporter, found, since); err != nil {
		return err
	}
	k.mu.Lock()
	k.polled[exporter.Unmap()] = true
	k.mu.Unlock()
	return k.store.ChangeExporter(ctx, exporter, func(e *store.KnownExporter) {
		e.SystemName, e.Description = system.Name, system.Description
	})
}

// Counters queues readings for the next insert.
func (k *Keeper) Counters(exporter netip.Addr, counters []Counters) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range counters {
		k.pending = append(k.pending, store.Counter{Exporter: exporter.Unmap(), IfIndex: c.IfIndex, IfName: c.Name, AtMs: c.AtMs, UptimeMs: c.UptimeMs,
			InOctets: c.InOctets, OutOctets: c.OutOctets, InPackets: c.InPackets, OutPackets: c.OutPackets,
			InDiscards: c.InDiscards, OutDiscards: c.OutDiscards, Discontinuity: c.Discontinuity, Bits: c.Bits})
	}
	k.bound()
}

// Wanted returns the interfaces that flows of an exporter name.
func (k *Keeper) Wanted(exporter netip.Addr) map[uint32]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wanted[exporter.Unmap()]
}

// Seen returns what the flows of a day tell of an interface, and what it is for by
// our guess: "uplink", "peer", "customer", "internal", or "".
func (k *Keeper) Seen(exporter netip.Addr, ifIndex uint32) (seen store.Seen, role string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	way := store.Way{Exporter: exporter.Unmap(), IfIndex: ifIndex}
	return k.seen[way], k.roles[way]
}

// Run keeps the inventory until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	flush, look := time.NewTicker(flushInterval), time.NewTicker(lookInterval)
	defer flush.Stop()
	defer look.Stop()
	var last string // problem told
	tell := func(err error) {
		switch {
		case err == nil:
			last = ""
		case ctx.Err() == nil && err.Error() != last:
			k.logger.Warn("the inventory of interfaces lags behind", zap.Error(err))
			last = err.Error()
		}
	}
	since := time.Now().Add(-seenWithin)
	for first := true; ; first = false {
		if first {
			tell(k.look(ctx, since))
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushInterval)
			defer cancel()
			return k.flush(last)
		case <-flush.C:
			tell(k.flush(ctx))
		case <-look.C:
			tell(k.look(ctx, time.Now().Add(-10*time.Minute)))
		}
	}
}

// flush inserts the readings that wait. Those that ClickHouse does not take wait on.
func (k *Keeper) flush(ctx context.Context) error {
	for {
		k.mu.Lock()
		n := min(len(k.pending), maxInsert)
		batch := k.pending[:n:n]
		k.pending = k.pending[n:]
		k.mu.Unlock()
		if n == 0 {
			return nil
		}
		if err := k.store.InsertCounters(ctx, batch); err != nil {
			k.mu.Lock()
			k.pending = append(batch, k.pending...)
			k.bound()
			k.mu.Unlock()
			return err
		}
	}
}

// bound drops the oldest readings where too many wait. The caller holds the lock.
func (k *Keeper) bound() {
	if over := len(k.pending) - maxPending; over > 0 {
		k.pending = append([]store.Counter(nil), k.pending[over:]...)
		k.dropped.Add(float64(over))
	}
}

// look finds what flows since a time name.
func (k *Keeper) look(ctx context.Context, since time.Time) error {
	if err := k.store.AddSeen(ctx, since); err != nil {
		return err
	}
	all, err := k.store.SeenInterfaces(ctx, time.Now().Add(-seenWithin))
	if err != nil {
		return err
	}
	wanted, seen := map[netip.Addr]map[uint32]bool{}, map[store.Way]store.Seen{}
	for _, i := range all {
		if wanted[i.Exporter] == nil {
			wanted[i.Exporter] = map[uint32]bool{}
		}
		wanted[i.Exporter][i.IfIndex] = true
		seen[store.Way{Exporter: i.Exporter, IfIndex: i.IfIndex}] = i
	}
	k.mu.Lock()
	k.wanted, k.seen = wanted, seen
	k.mu.Unlock()
	return errors.Join(k.guess(ctx), k.keepNames(ctx))
}

// guess guesses now and then what interfaces are for: often at first, when there
// are but a few flows.
func (k *Keeper) guess(ctx context.Context) error {
	if time.Since(k.guessed) < k.guessWait {
		return nil
	}
	roles, err := k.store.Roles(ctx, time.Now().Add(-seenWithin))
	if err != nil {
		return err
	}
	k.guessed, k.guessWait = time.Now(), min(max(2*k.guessWait, lookInterval), guessInterval)
	k.mu.Lock()
	k.roles = roles
	k.mu.Unlock()
	return nil
}

// keepNames keeps what exporters call their interfaces in options data, where
// SNMP does not tell.
func (k *Keeper) keepNames(ctx context.Context) error {
	names, err := k.names(ctx)
	if err != nil {
		return err
	}
	exporters, err := k.store.KnownExporters(ctx)
	if err != nil {
		return err
	}
	k.forgetAnnounced(names)
	var problems []error
	for _, n := range names {
		problems = append(problems, k.keepAnnounced(ctx, n))
		k.mu.Lock()
		polled := k.polled[n.Address.Unmap()]
		k.mu.Unlock()
		isKnown := slices.ContainsFunc(exporters, func(e store.KnownExporter) bool { return e.Address == n.Address.Unmap() })
		if polled || len(n.Interfaces) == 0 || !isKnown { // no flow names it yet, or an operator has forgotten it
			continue
		}
		known, err := k.store.Interfaces(ctx, n.Address)
		if err != nil {
			return err
		}
		bySNMP := map[uint32]bool{}
		for _, i := range known {
			bySNMP[i.IfIndex] = i.Type != 0
		}
		var found []store.Interface
		for _, i := range n.Interfaces {
			if !bySNMP[i.IfIndex] {
				found = append(found, store.Interface{IfIndex: i.IfIndex, IfName: i.Name, IfAlias: i.Description})
			}
		}
		problems = append(problems, k.store.SaveInterfaces(ctx, n.Address, found, time.Now()))
	}
	return errors.Join(problems...)
}
