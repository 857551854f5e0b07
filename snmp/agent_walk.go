package snmp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// When the interfaces of a device are walked, and which of them are polled.

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
