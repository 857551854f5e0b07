package snmp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// An agent is a device that is being polled. Its goroutine owns the session and
// what was found; the lock is for what others see.
type agent struct {
	poller *Poller
	device Device
	kick   chan struct{} // asks for a walk now

	session   *session
	indexes   []uint32 // of all interfaces, in order
	speed     map[uint32]uint64
	names     map[uint32]string
	described map[uint32]bool // interfaces with a description
	absent    map[uint32]bool // wanted interfaces that the last walk did not find
	answered  map[uint32]bool // interfaces whose counters were read last
	changed   bool            // counters tell that the interfaces are others than those found
	more      bool            // there are more interfaces than were taken
	lastWalk  time.Time
	last      reading   // sysUpTime at the visit before
	restarted time.Time // that no walk has been kept since

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
	// clockSlackMs is by how much the time of a restart may seem to differ because an answer came late.
	clockSlackMs = 30_000
	// maxGreetings bounds the devices that are asked at the same time whether they answer; each takes a socket.
	maxGreetings = 1000
)

// errTooSlow reports an agent whose answers come, but not all in time.
var errTooSlow = errors.New("the agent answers too slowly to be read as a whole")

// A remark is what an operator should know of a visit that went well otherwise.
type remark string

func (r remark) Error() string { return string(r) }

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
	text := ""
	if err != nil {
		text = err.Error()
	}
	if err != nil && a.status.Error != text { // told once, not at every visit
		a.poller.logger.Warn("polling by SNMP is not as it should be", zap.Stringer("device", a.device.Address), zap.Error(err))
	}
	a.status.Error = text
	if err == nil || isRemark(err) {
		if a.status.Failures > 0 {
			a.poller.logger.Info("the SNMP agent answers again", zap.Stringer("device", a.device.Address))
		}
		a.status.Failures, a.status.LastPoll = 0, time.Now()
		a.poller.metrics.polls.WithLabelValues("ok").Inc()
		return 0
	}
	a.status.Failures++
	a.poller.metrics.polls.WithLabelValues("error").Inc()
	return a.status.Failures
}

// visit asks the device who it is, and once it has answered for all else. Those
// that do not answer wait in places of their own, and keep nobody waiting.
func (a *agent) visit(ctx context.Context, forced bool) (err error) {
	defer func() {
		if err != nil && !isRemark(err) && a.session != nil { // start anew: the agent may have got another engine ID
			a.session.close()
			a.session = nil
		}
	}()
	var system System
	var at reading
	err = a.poller.within(ctx, a.poller.greetings, func() error { system, at, err = a.greet(ctx); return err })
	if err != nil {
		a.discovered(0, err, forced)
		return err
	}
	return a.poller.within(ctx, a.poller.slots, func() error {
		ctx, cancel := context.WithTimeoutCause(ctx, a.poller.maxVisit, errTooSlow)
		defer cancel()
		return a.read(ctx, system, at, forced)
	})
}

func isRemark(err error) bool {
	var r remark
	return errors.As(err, &r)
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
	boot := at.atMs - int64(at.uptimeMs)
	if at.uptimeMs < a.last.uptimeMs || a.last.uptimeMs > 0 && boot > a.last.atMs-int64(a.last.uptimeMs)+clockSlackMs {
		a.restarted = time.UnixMilli(boot)
	}
	a.last = at
	walked := forced || !a.restarted.IsZero() || a.walkDue(wanted)
	if walked {
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
	if err != nil && !isRemark(err) {
		return err
	}
	if a.compare(counters); a.changed && !walked && a.walkDue(wanted) {
		if failed := a.walk(ctx, system, wanted); failed != nil {
			return failed
		}
	}
	return cmp.Or(err, a.tooMany())
}

// compare notes whether counters are of other interfaces than those that were
// found: a card was changed, a tunnel came and went.
func (a *agent) compare(counters []Counters) {
	answered := make(map[uint32]bool, len(counters))
	for _, c := range counters {
		answered[c.IfIndex] = true
		if c.Name != "" && c.Name != a.names[c.IfIndex] {
			a.changed = true
		}
	}
	for index := range a.answered {
		if _, still := a.names[index]; still && !answered[index] {
			a.changed = true
		}
	}
	a.answered = answered
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
	if a.changed {
		return true
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
	found, more, err := a.session.interfaces(ctx)
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
	a.indexes, a.speed, a.names, a.described, a.absent = nil, map[uint32]uint64{}, map[uint32]string{}, map[uint32]bool{}, map[uint32]bool{}
	a.more, a.answered, a.changed = more, nil, false
	for _, i := range found {
		a.indexes = append(a.indexes, i.IfIndex)
		a.speed[i.IfIndex], a.names[i.IfIndex], a.described[i.IfIndex] = i.Speed, i.Name, i.Description != ""
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

// tooMany tells of interfaces that are left out.
func (a *agent) tooMany() error {
	if !a.more {
		return nil
	}
	return remark(fmt.Sprintf("the agent shows more than %d interfaces: the first %d are read", maxInterfaces, maxInterfaces))
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
