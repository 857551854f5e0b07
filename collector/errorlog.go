package collector

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/decoder/netflow"
)

const (
	logInterval = time.Minute // between two lines of the same kind
	logKinds    = 4096        // remembered; beyond, all are forgotten at once
	logLines    = 100         // in an interval, of all kinds: source addresses can be forged
)

// errorLog writes at most one line a minute for each exporter and kind of
// error, and at most logLines for all of them.
type errorLog struct {
	logger *zap.Logger

	mu    sync.Mutex // decoding and inserting log
	lines map[errorKind]*errorLine
	until time.Time // end of the interval
	wrote int       // lines in it
	more  int       // that were due in it beyond logLines
}

type errorKind struct {
	exporter netip.Addr
	reason   string
}

type errorLine struct {
	next       time.Time
	suppressed int
}

func newErrorLog(logger *zap.Logger) *errorLog {
	return &errorLog{logger: logger, lines: map[errorKind]*errorLine{}}
}

// due reports whether a line may be written now, and how many were left out
// since the last one.
func (l *errorLog) due(kind errorKind) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.lines[kind]
	if line == nil {
		if len(l.lines) >= logKinds {
			clear(l.lines)
		}
		line = &errorLine{}
		l.lines[kind] = line
	}
	now := time.Now()
	if now.After(l.until) {
		if l.more > 0 {
			l.logger.Warn("too many addresses send what is wrong to name all of them", zap.Int("left_out", l.more))
		}
		l.until, l.wrote, l.more = now.Add(logInterval), 0, 0
	}
	if now.Before(line.next) {
		line.suppressed++
		return 0, false
	}
	if l.wrote == logLines {
		line.suppressed++
		l.more++
		return 0, false
	}
	l.wrote++
	suppressed = line.suppressed
	*line = errorLine{next: now.Add(logInterval)}
	return suppressed, true
}

// datagram logs what was wrong with a datagram.
func (l *errorLog) datagram(d journal.Datagram, err error) {
	reason := ""
	if e := (*netflow.Error)(nil); errors.As(err, &e) {
		reason = e.Reason.String()
	}
	if suppressed, ok := l.due(errorKind{d.Source.Addr(), reason}); ok {
		l.logger.Warn("bad datagram", zap.Stringer("exporter", d.Source.Addr()), zap.Uint16("port", d.Source.Port()),
			zap.Int("bytes", len(d.Payload)), zap.String("reason", reason), zap.Error(err), zap.Int("left_out", suppressed))
	}
}
