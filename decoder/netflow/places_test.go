package netflow

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
)

// forged returns one of many addresses.
func forged(n uint32) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 100<<24+n))), 1)
}

// placesTest sends v5 datagrams to a Decoder of 64 places.
type placesTest struct {
	*Decoder
	rows decoder.Batch
	at   int64 // since receivedMs, in ms
}

func newPlacesTest(t *testing.T) *placesTest {
	return &placesTest{Decoder: newDecoder(t, func(c *Config) { c.MaxExporters = 64 })}
}

func (p *placesTest) send(source netip.AddrPort) bool {
	err := p.Decode(receivedMs+p.at, source, v5Message(1), &p.rows)
	p.rows.Reset()
	return err == nil
}

// settle lets a router send once a second until it is known.
func (p *placesTest) settle(t *testing.T, router netip.AddrPort) {
	t.Helper()
	for range 1 + int64(knownAfter/time.Second) {
		p.send(router)
		p.at += 1000
	}
	if !p.Knows(router) {
		t.Fatal("a router that sends flows for a minute is a stranger")
	}
}

// flood sends once from each of n new addresses within a second.
func (p *placesTest) flood(from, n uint32) {
	for i := range n {
		p.send(forged(from + i))
	}
}

func TestFloodLeavesKnownExportersTheirPlaces(t *testing.T) {
	for name, repeats := range map[string]uint32{"each address once": 1 << 30, "500 addresses again and again": 500} {
		t.Run(name, func(t *testing.T) {
			p := newPlacesTest(t)
			known := exporterAddress(1)
			p.settle(t, known)
			for second := range uint32(300) {
				p.flood(second*500%repeats, 500)
				p.at += 1000
			}
			if !p.Knows(known) || !p.send(known) {
				t.Error("strangers have displaced a known exporter")
			}
			if got := p.Places(); got.Taken != 64 || got.Known > 48 || got.Refused == 0 || got.PressedMs == 0 {
				t.Errorf("places are %+v", got)
			}
		})
	}
}

// TestNewRouterFindsAPlaceInAFlood has a router appear when strangers have taken
// all places and still send.
func TestNewRouterFindsAPlaceInAFlood(t *testing.T) {
	p := newPlacesTest(t)
	router := exporterAddress(1)
	p.flood(0, 500)
	granted := -1
	for second := range 90 {
		p.flood(uint32(second+1)*500, 500)
		if p.send(router) && granted < 0 {
			granted = second
		} else if granted >= 0 && !p.send(router) {
			t.Fatalf("it lost its place after %d s", second)
		}
		p.at += 1000
	}
	if granted < 0 || granted > 60 || !p.Knows(router) {
		t.Errorf("it had a place after %d s, and is known: %v", granted, p.Knows(router))
	}
	if got := p.Places(); got.Evicted != 1 {
		t.Errorf("addresses that send once displace others: %+v", got)
	}
}

func TestVouchedExporterHasAPlaceAtOnce(t *testing.T) {
	p := newPlacesTest(t)
	p.flood(0, 500)
	router := exporterAddress(1)
	p.SetKnown([]netip.Addr{router.Addr()})
	if !p.send(router) || !p.Knows(router) {
		t.Error("strangers keep out an exporter that is vouched for")
	}
	p.SetKnown(nil)
	if p.Knows(router) {
		t.Error("it is still vouched for")
	}
}

// TestVouchedExportersDoNotTakePlacesByPort has one address that several share.
func TestVouchedExportersDoNotTakePlacesByPort(t *testing.T) {
	shared := netip.MustParseAddr("192.0.2.77")
	p := newPlacesTest(t)
	p.config.SharedAddresses = []netip.Prefix{netip.PrefixFrom(shared, 32)}
	p.SetKnown([]netip.Addr{shared})
	for port := range 1000 {
		p.send(netip.AddrPortFrom(shared, uint16(port+1)))
	}
	if got := p.Places(); got.Known != 0 {
		t.Errorf("places are %+v", got)
	}
}

func TestKnownExportersAreKnownAfterRestart(t *testing.T) {
	p, restarted := newPlacesTest(t), newPlacesTest(t)
	known := exporterAddress(1)
	p.settle(t, known)
	p.flood(0, 500)
	if err := restarted.RestoreState(p.AppendState(nil), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := restarted.Places(), p.Places(); got.Known != 1 || got.Known != want.Known || got.Taken != want.Taken {
		t.Errorf("places are %+v, were %+v", got, want)
	}
	for restarted.at = p.at; restarted.at < p.at+120_000; restarted.at += 1000 {
		restarted.flood(uint32(restarted.at), 500)
	}
	if !restarted.Knows(known) {
		t.Error("a flood after the restart displaced it")
	}
}

// TestFloodTakesBoundedMemory sends from a million addresses.
func TestFloodTakesBoundedMemory(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	d, rows := newDecoder(t), new(decoder.Batch)
	before := heap()
	for i := range uint32(1 << 20) {
		d.Decode(receivedMs+int64(i/1000), forged(i), v5Message(1), rows)
		rows.Reset()
	}
	took := int64(heap()) - int64(before)
	t.Logf("4096 strangers and %d addresses refused: %.1f MB", d.Places().Refused, float64(took)/1e6)
	if took > 32<<20 {
		t.Errorf("a flood takes %d octets", took)
	}
	runtime.KeepAlive(d)
}
