package snmp

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/decoder/netflow"
)

// Losses remembers, for a day, how much of what exporters sent did not arrive, by
// their sequence numbers: the decoders count since they started, and a diagnosis is
// about an interval.
type Losses struct {
	live   func(context.Context) ([]netflow.ExporterStatus, error)
	logger *zap.Logger

	mu     sync.Mutex
	past   map[netip.Addr][]arrivals // in order of time
	looked time.Time                 // for the last time; at first when this was made
}

// arrivals are the counts of an exporter at a time, in the unit of its sequence
// numbers: flows (v5), export packets (v9) or data records (IPFIX).
type arrivals struct {
	at            time.Time
	arrived, lost uint64
	isNew         bool // it sent its first datagram since the last look, so all is from since then
}

const (
	// lossInterval is the time between two looks at the counts.
	lossInterval = time.Minute
	// lossLooks is how many looks are remembered: a day.
	lossLooks = int(24 * time.Hour / lossInterval)
	// briefLooks is how many looks make an exporter worth remembering when it has lost its place.
	briefLooks = 5
)

// NewLosses makes the memory; live returns what the decoders know.
func NewLosses(live func(context.Context) ([]netflow.ExporterStatus, error), logger *zap.Logger) *Losses {
	return &Losses{live: live, logger: logger, past: map[netip.Addr][]arrivals{}, looked: time.Now()}
}

// Run looks at the counts until ctx ends.
func (l *Losses) Run(ctx context.Context) error {
	tick := time.NewTicker(lossInterval)
	defer tick.Stop()
	for {
		all, err := l.live(ctx)
		if err == nil {
			l.add(time.Now(), all)
		} else if ctx.Err() == nil {
			l.logger.Debug("lost datagrams are not known", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// add remembers the counts of a time.
func (l *Losses) add(at time.Time, all []netflow.ExporterStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := map[netip.Addr]arrivals{}
	for i := range all {
		e := &all[i]
		sum := now[e.Address.Unmap()] // several may share an address
		sum.at, sum.isNew = at, e.FirstSeenMs >= l.looked.UnixMilli()
		if slices.ContainsFunc(e.Domains, func(d netflow.DomainStatus) bool { return d.Version == 9 }) {
			sum.arrived += e.Counters.Datagrams
		} else {
			sum.arrived += e.Counters.Flows
		}
		sum.lost += e.Counters.Lost()
		now[e.Address.Unmap()] = sum
	}
	for address, past := range l.past {
		_, sends := now[address]
		silent := at.Sub(past[len(past)-1].at)
		passedBy := len(past) < briefLooks // forged addresses come by thousands, and are not remembered
		if !sends && (passedBy || silent > lossInterval*time.Duration(lossLooks)) {
			delete(l.past, address)
		}
	}
	for address, counts := range now {
		past := l.past[address]
		if len(past) == 0 && counts.isNew {
			past = []arrivals{{at: l.looked}}
		}
		past = append(past, counts)
		if over := len(past) - lossLooks; over >= lossLooks/4 { // now and then, not every minute
			past = slices.Clone(past[over:])
		}
		l.past[address] = past
	}
	l.looked = at
}

// Share returns the share of what an exporter sent from from to to that did not
// arrive, 0 to 1. Of an interval of which nothing is known, as before a start of the
// daemon, the share of all that is known is the best guess; 0 where that is nothing.
func (l *Losses) Share(exporter netip.Addr, from, to time.Time) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	past := l.past[exporter.Unmap()]
	if n := len(past); n > 0 && (!past[0].at.Before(to) || !past[n-1].at.After(from)) {
		from, to = past[0].at, past[n-1].at
	}
	var lost, arrived uint64
	for i := 1; i < len(past); i++ {
		before, after := past[i-1], past[i]
		if after.at.After(from) && before.at.Before(to) {
			lost += grown(before.lost, after.lost)
			arrived += grown(before.arrived, after.arrived)
		}
	}
	if lost == 0 {
		return 0
	}
	return float64(lost) / float64(lost+arrived)
}

// grown returns by how much a count has grown. It is less than before after what was missing
// came late, or when the exporter was forgotten and came back.
func grown(before, after uint64) uint64 {
	return max(after, before) - before
}
