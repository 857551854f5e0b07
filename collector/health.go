package collector

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/collector/loglimit"
	"github.com/nfstats/nfstats/store"
)

// slowInsert is how long an insert may take before it counts as a problem.
const slowInsert = 20 * time.Second

// An attempt is what a worker's inserts come to.
type attempt struct {
	mu    sync.Mutex
	began time.Time // of the insert under way, or of the first that failed; zero: all are stored
	err   error     // of the last one that failed
}

func (a *attempt) begin(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.began.IsZero() {
		a.began = now
	}
}

func (a *attempt) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err = err; err == nil {
		a.began = time.Time{}
	}
}

// problem tells why nothing is stored, or "".
func (a *attempt) problem(now time.Time) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch lasts := now.Sub(a.began); {
	case a.err != nil:
		return store.Reason(a.err)
	case !a.began.IsZero() && lasts > slowInsert:
		return fmt.Sprintf("ClickHouse has not answered an insert for %s", lasts.Round(time.Second))
	}
	return ""
}

// Backlog is what the journal holds that is not stored, and why.
type Backlog struct {
	Datagrams uint64
	Bytes     uint64    // that they take in the journal
	Oldest    time.Time // reception of the oldest; zero: there is none, or it is not known
	Reason    string    // why flows are not stored; "": they are

	JournalBytes int64 // of all segments on disk
	LimitBytes   int64 // of them; at the limit the oldest segment goes
	MemoryBytes  int64 // of what waits for the disk
	Rejected     int   // blocks set aside
	Problem      error // of the journal itself; nil: none
}

// Backlog describes what waits for the store.
func (c *Collector) Backlog() Backlog {
	s := c.journal.Status()
	b := Backlog{Datagrams: s.Written.Datagrams - s.Done.Datagrams, Bytes: s.Written.Offset - s.Done.Offset,
		JournalBytes: s.Bytes, LimitBytes: c.config.Journal.MaxSize, MemoryBytes: s.MemoryBytes, Rejected: s.Rejected, Problem: s.Err}
	now := time.Now()
	if b.Datagrams > 0 {
		if b.Oldest = c.StoredUntil(); b.Oldest.IsZero() { // nothing was stored since the start
			b.Oldest = s.Oldest
		}
	}
	for _, w := range c.workers {
		if b.Reason = w.storing.problem(now); b.Reason != "" {
			break
		}
	}
	return b
}

// String says it in a sentence.
func (b Backlog) String() string {
	age := ""
	if !b.Oldest.IsZero() {
		age = fmt.Sprintf(", the oldest for %s", time.Since(b.Oldest).Round(time.Second))
	}
	return fmt.Sprintf("%d datagrams wait in the journal%s (%s of at most %s): %s", b.Datagrams, age, bytesText(b.Bytes), bytesText(uint64(b.LimitBytes)), b.Reason)
}

func bytesText(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// Problems tells what keeps flows from being kept or stored now; none: all is
// well.
func (c *Collector) Problems() (problems []string) {
	b := c.Backlog()
	if b.Problem != nil {
		problems = append(problems, "journal: "+b.Problem.Error())
	}
	if b.Reason != "" {
		problems = append(problems, b.String())
	}
	return problems
}

// Warnings tells what an operator should look at though flows are stored.
func (c *Collector) Warnings() (all []string) {
	now := time.Now()
	if warning := placesWarning(c.pressed(now), now); warning != "" {
		all = append(all, warning)
	}
	all = append(all, c.implausible.warnings(time.Now())...)
	rejected, err := journal.ListRejected(c.config.Journal.Dir)
	if err != nil {
		return append(all, err.Error())
	}
	if len(rejected) == 0 {
		return all
	}
	datagrams := 0
	for _, r := range rejected {
		datagrams += r.Datagrams
	}
	last := rejected[len(rejected)-1]
	return append(all, fmt.Sprintf("%d blocks (%d datagrams) that ClickHouse refused are set aside, "+
		"see: nfstats journal list. The last: %s",
		len(rejected), datagrams, last.Cause))
}

// watchStoring logs, at once and then once a minute, why flows are not stored,
// and when they are again.
func (c *Collector) watchStoring(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var logged time.Time
	told := false // that something is wrong
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			b := c.Backlog()
			switch {
			case b.Reason != "" && now.Sub(logged) >= loglimit.Interval:
				c.logger.Error("flows cannot be stored now; they wait in the journal and are tried again", zap.String("reason", b.Reason), zap.Uint64("datagrams", b.Datagrams),
					zap.Uint64("bytes", b.Bytes), zap.Int64("limit_bytes", b.LimitBytes), zap.Time("oldest", b.Oldest))
				logged, told = now, true
			case b.Reason == "" && told:
				c.logger.Info("flows are stored again", zap.Uint64("waiting_datagrams", b.Datagrams))
				told = false
			}
		}
	}
}
