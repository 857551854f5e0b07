package collector

import (
	"errors"
	"net/netip"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/nfstats/nfstats/collector/journal"
)

// Source addresses can be forged: garbage from ever new ones fills no disk with
// lines about it.
func TestLogOfForgedAddresses(t *testing.T) {
	core, lines := observer.New(zap.DebugLevel)
	l := newErrorLog(zap.New(core))
	for i := range uint32(20_000) {
		source := netip.AddrFrom4([4]byte{127, byte(i >> 16), byte(i >> 8), byte(i)})
		l.datagram(journal.Datagram{Source: netip.AddrPortFrom(source, 9)}, errors.New("garbage"))
	}
	if n := lines.Len(); n != logLines {
		t.Errorf("%d lines of 20,000 addresses, want %d", n, logLines)
	}
	l.until = l.until.Add(-2 * logInterval)
	l.datagram(journal.Datagram{Source: netip.MustParseAddrPort("192.0.2.1:9")}, errors.New("garbage"))
	all := lines.All()
	if n := len(all) - logLines; n != 2 || all[logLines].ContextMap()["left_out"] != int64(20_000-logLines) {
		t.Errorf("the next minute tells: %v", all[logLines:])
	}
}
