package httpui

import (
	"math"
	"net/netip"
	"sync"
	"time"
)

// How many logins may fail in a period. Those with one name are more than those
// of one address, so that it takes more than one stranger to keep new devices of
// a user out. A network of IPv6 (RFC 6177: sites have a /48 to a /64) has one
// bound as a host and one as a site.
const (
	attemptsPeriod     = 15 * time.Minute
	attemptsPerAddress = 10 // of IPv4 an address, of IPv6 a /64
	attemptsPerSite    = 50 // IPv6 alone, a /48
	attemptsPerDevice  = 10 // that is known
	attemptsPerName    = 50 // from anywhere but known devices and the machine itself
	maxAttempts        = 16384
)

// attempts counts failed logins: those with names of users for each of them,
// others in a table of maxAttempts.
type attempts struct {
	mu    sync.Mutex
	users map[string]*attempt // by name; all of them, so that none is forgotten for others
	table map[string]*attempt
	now   func() time.Time
}

type attempt struct {
	count int
	since time.Time // of the first
}

func newAttempts(users map[string]User) *attempts {
	a := &attempts{users: map[string]*attempt{}, table: map[string]*attempt{}, now: time.Now}
	for name := range users {
		a.users["name "+name] = &attempt{}
	}
	return a
}

// A limit is how often a login may fail that counts for key.
type limit struct {
	key  string
	most int
}

// limitsOf returns what a login counts for. What strangers do counts neither for
// a device that its user logged in from before nor, but for its address, for the
// machine itself, which is the way back for users who are locked out elsewhere.
func limitsOf(from client, name, device string) []limit {
	if device != "" {
		return []limit{{"device " + device, attemptsPerDevice}}
	}
	limits := addressLimits(from.address)
	if from.here {
		return limits
	}
	return append(limits, limit{"name " + name, attemptsPerName})
}

func addressLimits(address netip.Addr) []limit {
	address = address.WithZone("")
	if !address.Is6() {
		return []limit{{"address " + address.String(), attemptsPerAddress}}
	}
	host, _ := address.Prefix(64) // cannot fail: an IPv6 address has these bits
	site, _ := address.Prefix(48)
	return []limit{{"address " + host.String(), attemptsPerAddress}, {"address " + site.String(), attemptsPerSite}}
}

// begin counts an attempt as failed until succeeded is told; counting first
// keeps attempts at the same time from passing together. It returns how long to
// wait, 0 if the attempt may go on.
func (a *attempts) begin(limits []limit) (wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for _, l := range limits {
		if c := a.find(l.key); c != nil && c.count >= l.most && now.Sub(c.since) < attemptsPeriod {
			wait = max(wait, c.since.Add(attemptsPeriod).Sub(now))
		}
	}
	if wait > 0 {
		return wait
	}
	for _, l := range limits {
		c := a.find(l.key)
		if c == nil {
			c = a.add(l.key, now)
		}
		if now.Sub(c.since) >= attemptsPeriod {
			*c = attempt{since: now}
		}
		c.count++
	}
	return 0
}

// succeeded takes an attempt back. What failed before it still counts: else a
// user could guess the passwords of others between two logins of his own.
func (a *attempts) succeeded(limits []limit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range limits {
		c := a.find(l.key)
		if c == nil || c.count == 0 {
			continue
		}
		if c.count--; c.count == 0 {
			delete(a.table, l.key)
		}
	}
}

func (a *attempts) find(key string) *attempt {
	if c := a.users[key]; c != nil {
		return c
	}
	return a.table[key]
}

// add makes a place in the table. Where it is full, what is over goes, else what
// has failed least, the oldest of it. So it takes as many failures of all others
// in the table to have a count forgotten, and each of them takes a comparison of
// passwords: in a period there is no time for so many.
func (a *attempts) add(key string, now time.Time) *attempt {
	if len(a.table) >= maxAttempts {
		out, least := "", attempt{count: math.MaxInt}
		for other, c := range a.table {
			if now.Sub(c.since) >= attemptsPeriod {
				delete(a.table, other)
			} else if c.count < least.count || c.count == least.count && c.since.Before(least.since) {
				out, least = other, *c
			}
		}
		if len(a.table) >= maxAttempts {
			delete(a.table, out)
		}
	}
	c := &attempt{since: now}
	a.table[key] = c
	return c
}
