package snmp

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/decoder/netflow"
)

func TestLossesOfAnInterval(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	minute := func(m int) time.Time { return start.Add(time.Duration(m) * time.Minute) }
	l := NewLosses(nil, zap.NewNop())
	status := func(port uint16, version uint16, datagrams, flows, missing, late uint64) netflow.ExporterStatus {
		return netflow.ExporterStatus{Address: edge, Port: port, Domains: []netflow.DomainStatus{{Version: version}},
			Counters: netflow.Counters{Datagrams: datagrams, Flows: flows, SequenceMissing: missing, SequenceLate: late}}
	}
	// Half of all is lost in the first ten minutes, then nothing; one domain counts packets, the other flows.
	for m := range 61 {
		n := uint64(m)
		missing := 100 * min(n, 10)
		l.add(minute(m), []netflow.ExporterStatus{status(1, 9, 50*n, 2000*n, missing/2, 0), status(2, 10, n, 50*n, missing/2, 0)})
	}
	for name, tc := range map[string]struct {
		from, to int
		want     float64
	}{
		"while it is lost": {0, 10, 0.5},
		"later":            {15, 60, 0},
		"both":             {0, 20, 1.0 / 3},
		"before it began":  {-100, 0, 1.0 / 7},
		"the future":       {100, 200, 1.0 / 7},
	} {
		if got := l.Share(edge, minute(tc.from), minute(tc.to)); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	l.add(minute(61), []netflow.ExporterStatus{status(1, 9, 3, 2000, 0, 0)}) // began anew
	l.add(minute(62), []netflow.ExporterStatus{status(1, 9, 4, 2010, 5, 4)})
	if got := l.Share(edge, minute(60), minute(62)); got != 0.5 {
		t.Errorf("after a start: %v", got)
	}
	l.add(minute(63), []netflow.ExporterStatus{status(1, 9, 4, 2010, 5, 4), {Address: loopback, FirstSeenMs: minute(62).UnixMilli() + 500, Counters: netflow.Counters{Flows: 30, SequenceMissing: 10}}})
	if got := l.Share(loopback, minute(62), minute(63)); got != 0.25 {
		t.Errorf("of a new exporter: %v", got)
	}
	for m := range 3 * lossLooks {
		l.add(minute(100+m), nil)
	}
	if len(l.past) != 0 {
		t.Error("an exporter that is silent for a day is remembered")
	}
	for m := range 3 * lossLooks {
		l.add(minute(m), []netflow.ExporterStatus{status(1, 9, 1, 1, 0, 0)})
	}
	if n := len(l.past[edge]); n < lossLooks || n > 2*lossLooks {
		t.Errorf("%d looks are remembered", n)
	}
}

func TestLossesEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := NewLosses(func(context.Context) ([]netflow.ExporterStatus, error) { cancel(); return nil, errors.New("busy") }, zap.NewNop())
	if err := l.Run(ctx); err != nil {
		t.Error(err)
	}
}
