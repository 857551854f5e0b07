package snmp

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
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

func (a *agent) snapshot() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status
}
