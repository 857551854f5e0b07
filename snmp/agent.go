package snmp

import (
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"
)

// An agent is a device that is being polled. Its goroutine owns the session and
// what was found; the lock is for what others see.
type agent struct {
	poller *Poller
	device Device
	kick   chan struct{} // asks for a walk now

	session      *session
	indexes      []uint32 // of all interfaces, in order
	speed        map[uint32]uint64
	described    map[uint32]bool // interfaces with a description
	absent       map[uint32]bool // wanted interfaces that the last walk did not find
	lastWalk     time.Time
	lastUptimeMs uint64
	restarted    time.Time // that no walk has been kept since

	mu     sync.Mutex
	status Status
}

const (
	// maxBackoff is the longest time between two visits of a device that fails.
	maxBackoff = 10 * time.Minute
	// walkAgainAfter is the shortest time between two walks because flows name an unknown interface.
	walkAgainAfter = 5 * time.Minute
	// pollAllUpTo is the number of interfaces up to which a device is polled as a whole.
	pollAllUpTo = 256
	// maxGreetings bounds the devices that are asked at the same time whether they answer; each takes a socket.
	maxGreetings = 1000
)

func newAgent(p *Poller, d Device) *agent {
	name := d.Label
	if name == "" {
		name = d.Credential.String()
	}
	return &agent{poller: p, device: d, kick: make(chan struct{}, 1), status: Status{Device: d, CredentialName: name}}
}

// run visits the device every interval until ctx ends. Each has its own place in
// the interval, so that they are not asked all at once.
func (a *agent) run(ctx context.Context) {
	defer func() {
		if a.session != nil {
			a.session.close()
		}
	}()
	interval := a.poller.config.Interval
	hash := fnv.New32a()
	hash.Write(a.device.Address.AsSlice())
	phase := time.Duration(hash.Sum32()) % interval
	wait := time.Duration(0) // a new device is visited at once
	for {
		forced := false
		select {
		case <-ctx.Done():
			return
		case <-a.kick:
			forced = true
		case <-time.After(wait):
		}
		err := a.visit(ctx, forced)
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		wait = now.Truncate(interval).Add(phase).Sub(now)
		for wait <= 0 {
			wait += interval
		}
		if failures := a.note(err); failures > 1 {
			wait += min(interval<<min(failures-2, 10), maxBackoff)
		}
	}
}

// note keeps the outcome of a visit and returns how many failed in a row.
func (a *agent) note(err error) (failures int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		if a.status.Failures > 0 {
			a.poller.logger.Info("the SNMP agent answers again", zap.Stringer("device", a.device.Address))
		}
		a.status.Error, a.status.Failures, a.status.LastPoll = "", 0, time.Now()
		a.poller.metrics.polls.WithLabelValues("ok").Inc()
		return 0
	}
	if a.status.Error != err.Error() { // told once, not at every visit
		a.poller.logger.Warn("cannot poll by SNMP", zap.Stringer("device", a.device.Address), zap.Error(err))
	}
	a.status.Error = err.Error()
	a.status.Failures++
	a.poller.metrics.polls.WithLabelValues("error").Inc()
	return a.status.Failures
}

// visit asks the device who it is, and once it has answered for all else. Those
// that do not answer wait in places of their own, and keep nobody waiting.
func (a *agent) visit(ctx context.Context, forced bool) (err error) {
	defer func() {
		if err != nil && a.session != nil { // start anew: the agent may have got another engine ID
			a.session.close()
			a.session = nil
		}
	}()
	var system System
	var at reading
	err = within(ctx, a.poller.greetings, func() error { system, at, err = a.greet(ctx); return err })
	if err != nil {
		a.discovered(0, err, forced)
		return err
	}
	return within(ctx, a.poller.slots, func() error { return a.read(ctx, system, at, forced) })
}

// within runs f as soon as there is a place.
func within(ctx context.Context, places *semaphore.Weighted, f func() error) error {
	if err := places.Acquire(ctx, 1); err != nil {
		return err
	}
	defer places.Release(1)
	return f()
}

// greet asks the device who it is.
func (a *agent) greet(ctx context.Context) (system System, at reading, err error) {
	if a.session == nil {
		if a.session, err = openSession(ctx, a.device, a.poller.config.Timeout, a.poller.config.Retries); err != nil {
			return system, at, err
		}
	}
	asked := time.Now()
	if system, at, err = a.session.system(ctx); err != nil {
		return system, at, err
	}
	a.mu.Lock()
	a.status.Latency, a.status.System = time.Since(asked), system
	a.mu.Unlock()
	return system, at, nil
}

// read walks the interfaces where that is due and reads the counters.
func (a *agent) read(ctx context.Context, system System, at reading, forced bool) error {
	wanted := a.poller.sink.Wanted(a.device.Address)
	if at.uptimeMs < a.lastUptimeMs {
		a.restarted = time.UnixMilli(at.atMs - int64(at.uptimeMs))
	}
	a.lastUptimeMs = at.uptimeMs
	if forced || !a.restarted.IsZero() || a.walkDue(wanted) {
		if err := a.walk(ctx, system, wanted); err != nil {
			return err
		}
	}
	indexes := a.polled(wanted)
	if len(indexes) == 0 {
		return nil
	}
	counters, err := a.session.counters(ctx, indexes, a.speed)
	a.poller.sink.Counters(a.device.Address, counters)
	a.poller.metrics.readings.Add(float64(len(counters)))
	return err
}

// walkDue reports whether the interfaces are to be walked without anybody asking.
func (a *agent) walkDue(wanted map[uint32]bool) bool {
	age := time.Since(a.lastWalk)
	if age >= a.poller.config.DiscoveryInterval {
		return true
	}
	if age < walkAgainAfter {
		return false
	}
	for index := range wanted {
		if _, known := slices.BinarySearch(a.indexes, index); !known && !a.absent[index] {
			return true
		}
	}
	return false
}

// walk finds the device's interfaces.
func (a *agent) walk(ctx context.Context, system System, wanted map[uint32]bool) error {
	a.mu.Lock()
	a.status.Discovery = Discovery{State: "running"}
	a.mu.Unlock()
	found, err := a.session.interfaces(ctx)
	if err == nil && len(found) == 0 {
		err = errors.New("the agent shows no interfaces: its view must include IF-MIB (1.3.6.1.2.1.2 and 1.3.6.1.2.1.31)")
	}
	if err != nil {
		a.discovered(0, err, true)
		return err
	}
	// While ClickHouse is away readings are kept for it, so polling goes on; the
	// walk is done again at the next visit.
	system.Restarted = a.restarted
	err = a.poller.sink.Discovered(ctx, a.device.Address, system, found)
	a.discovered(len(found), err, true)
	if err == nil {
		a.lastWalk, a.restarted = time.Now(), time.Time{}
	}
	a.indexes, a.speed, a.described, a.absent = nil, map[uint32]uint64{}, map[uint32]bool{}, map[uint32]bool{}
	for _, i := range found {
		a.indexes = append(a.indexes, i.IfIndex)
		a.speed[i.IfIndex], a.described[i.IfIndex] = i.Speed, i.Description != ""
	}
	for index := range wanted {
		if _, known := slices.BinarySearch(a.indexes, index); !known {
			a.absent[index] = true
		}
	}
	return nil
}

// discovered notes the outcome of a walk, if there was to be one.
func (a *agent) discovered(found int, err error, walking bool) {
	if !walking {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.status.Discovery = Discovery{State: "failed", Error: err.Error()}
		return
	}
	a.status.Discovery = Discovery{State: "done", Found: found}
	a.status.Interfaces = found
}

// polled returns the interfaces in use: those that flows name and those with a
// description; of a small device all.
func (a *agent) polled(wanted map[uint32]bool) []uint32 {
	if len(a.indexes) <= pollAllUpTo {
		return a.indexes
	}
	var some []uint32
	for _, index := range a.indexes {
		if wanted[index] || a.described[index] {
			some = append(some, index)
		}
	}
	return some
}

func (a *agent) snapshot() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status
}
