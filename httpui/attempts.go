package httpui

import (
	"net/netip"
	"sync"
	"time"
)

// How many logins may fail in a period: of one address, and with one name from
// anywhere. The second is larger, so that it takes more than one stranger to
// keep a user out.
const (
	attemptsPeriod     = 15 * time.Minute
	attemptsPerAddress = 10
	attemptsPerName    = 50
	maxAttempts        = 16384 // addresses and names that are remembered
)

// attempts counts failed logins.
type attempts struct {
	mu     sync.Mutex
	counts map[string]*attempt
	swept  time.Time
	now    func() time.Time
}

type attempt struct {
	count int
	since time.Time
}

func newAttempts() *attempts { return &attempts{counts: map[string]*attempt{}, now: time.Now} }

// addressKey returns what an address counts as: of IPv6 its /64, which one host has.
func addressKey(address netip.Addr) string {
	if address.Is6() {
		if prefix, err := address.WithZone("").Prefix(64); err == nil {
			return "address " + prefix.String()
		}
	}
	return "address " + address.String()
}

// begin counts an attempt as failed until succeeded is told; counting first
// keeps attempts at the same time from passing together. It returns how long to
// wait, 0 if the attempt may go on.
func (a *attempts) begin(address netip.Addr, name string) (wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	limits := map[string]int{addressKey(address): attemptsPerAddress, "name " + name: attemptsPerName}
	now := a.now()
	a.forget(now)
	for key, limit := range limits {
		if c := a.counts[key]; c != nil && now.Sub(c.since) >= attemptsPeriod {
			*c = attempt{since: now}
		} else if c != nil && c.count >= limit {
			wait = max(wait, c.since.Add(attemptsPeriod).Sub(now))
		} else if c == nil && len(a.counts) >= maxAttempts {
			wait = max(wait, time.Minute)
		}
	}
	if wait > 0 {
		return wait
	}
	for key := range limits {
		if a.counts[key] == nil {
			a.counts[key] = &attempt{since: now}
		}
		a.counts[key].count++
	}
	return 0
}

// succeeded takes an attempt back. What failed before it still counts: else a
// user could guess the passwords of others between two logins of his own.
func (a *attempts) succeeded(address netip.Addr, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range []string{addressKey(address), "name " + name} {
		if c := a.counts[key]; c != nil && c.count > 0 {
			c.count--
		}
	}
}

// forget drops what is over, once a minute: it goes through everything.
func (a *attempts) forget(now time.Time) {
	if now.Sub(a.swept) < time.Minute {
		return
	}
	a.swept = now
	for key, c := range a.counts {
		if now.Sub(c.since) >= attemptsPeriod {
			delete(a.counts, key)
		}
	}
}
