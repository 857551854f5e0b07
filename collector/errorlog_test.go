package collector

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/collector/loglimit"
)

// Source addresses can be forged: garbage from ever new ones fills no disk with
// lines about it.
func TestLogOfForgedAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, lines := observer.New(zap.DebugLevel)
		l := newErrorLog(zap.New(core))
		for i := range uint32(20_000) {
			source := netip.AddrFrom4([4]byte{127, byte(i >> 16), byte(i >> 8), byte(i)})
			l.datagram(journal.Datagram{Source: netip.AddrPortFrom(source, 9)}, errors.New("garbage"))
		}
		if n := lines.Len(); n != loglimit.Lines {
			t.Errorf("%d lines of 20,000 addresses, want %d", n, loglimit.Lines)
		}
		time.Sleep(2 * loglimit.Interval)
		l.datagram(journal.Datagram{Source: netip.MustParseAddrPort("192.0.2.1:9")}, errors.New("garbage"))
		all := lines.All()
		if n := len(all) - loglimit.Lines; n != 2 || all[loglimit.Lines].ContextMap()["left_out"] != int64(20_000-loglimit.Lines) {
			t.Errorf("the next minute tells: %v", all[loglimit.Lines:])
		}
	})
}
