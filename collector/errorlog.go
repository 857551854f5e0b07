package collector

import (
	"errors"
	"net/netip"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/collector/loglimit"
	"github.com/nfstats/nfstats/decoder/netflow"
)

// errorLog writes at most one line a minute for each exporter and kind of
// error, and a bounded number for all of them: source addresses can be forged.
// Decoding and inserting log.
type errorLog struct {
	*loglimit.Limiter[errorKind]
	logger *zap.Logger
}

type errorKind struct {
	exporter netip.Addr
	reason   string
}

func newErrorLog(logger *zap.Logger) *errorLog {
	return &errorLog{logger: logger, Limiter: loglimit.New[errorKind](func(leftOut int) {
		logger.Warn("too many addresses send what is wrong to name all of them", zap.Int("left_out", leftOut))
	})}
}

// datagram logs what was wrong with a datagram.
func (l *errorLog) datagram(d journal.Datagram, err error) {
	reason := ""
	if e := (*netflow.Error)(nil); errors.As(err, &e) {
		reason = e.Reason.String()
	}
	if suppressed, ok := l.Due(errorKind{d.Source.Addr(), reason}); ok {
		l.logger.Warn("bad datagram", zap.Stringer("exporter", d.Source.Addr()), zap.Uint16("port", d.Source.Port()),
			zap.Int("bytes", len(d.Payload)), zap.String("reason", reason), zap.Error(err), zap.Int("left_out", suppressed))
	}
}
