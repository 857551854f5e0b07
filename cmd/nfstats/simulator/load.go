package simulator

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// LoadConfig says what load to make. Its flows are random: only their number
// matters.
type LoadConfig struct {
	To        netip.AddrPort
	Rate      float64 // flows/s, of all exporters together
	Exporters int     // each sends from an address of its own where To is a loopback address
	Duration  time.Duration
	Seed      uint64
}

// LoadResult is what was sent.
type LoadResult struct {
	Flows, Datagrams, Octets uint64 // Octets: of UDP payload
	Refused                  uint64 // datagrams that the system did not take
	Elapsed                  time.Duration
}

const (
	// MaxLoadExporters bounds the sockets.
	MaxLoadExporters = 10_000

	loadTick         = 5 * time.Millisecond
	loadAnnouncement = 30 * time.Second
	loadPool         = 16 // datagrams of each kind, made anew every second
	loadDomain       = 1
)

// loadKinds are what exporters send, in turn.
var loadKinds = []struct {
	version  uint16
	template generate.Template
}{
	{generate.IPFIX, generate.IPFIXIPv4(256)},
	{generate.NetFlowV9, generate.V9IPv4(256)},
	{generate.NetFlowV5, generate.Template{}},
	{generate.IPFIX, generate.IPFIXIPv6(257)},
	{generate.NetFlowV9, generate.V9IPv6(257)},
}

// A loadExporter is one source of load.
type loadExporter struct {
	conn     *net.UDPConn
	kind     int
	sequence uint32
}

// A loadDatagram is a data datagram whose header is filled when it is sent.
type loadDatagram struct {
	octets []byte
	flows  int
}

// load is a load generator at work.
type load struct {
	config    LoadConfig
	random    *rand.Rand
	exporters []loadExporter
	pool      [][]loadDatagram // by kind
	started   time.Time
	result    LoadResult
}

// Load sends flows at an even rate until the duration is over or ctx ends.
func Load(ctx context.Context, c LoadConfig) (LoadResult, error) {
	if !(c.Rate > 0) || c.Exporters < 1 || c.Exporters > MaxLoadExporters || c.Duration <= 0 {
		return LoadResult{}, fmt.Errorf("generate load: want a rate and a duration above zero and 1 to %d exporters", MaxLoadExporters)
	}
	l := &load{config: c, random: rand.New(rand.NewPCG(c.Seed, 1)), pool: make([][]loadDatagram, len(loadKinds))}
	defer func() {
		for _, e := range l.exporters {
			e.conn.Close()
		}
	}()
	source := netip.AddrFrom4([4]byte{127, 10, 0, 1})
	for i := range c.Exporters {
		var from *net.UDPAddr
		if c.To.Addr().Is4() && c.To.Addr().IsLoopback() {
			from = net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
			source = source.Next()
		}
		conn, err := net.DialUDP("udp", from, net.UDPAddrFromAddrPort(c.To))
		if err != nil {
			return LoadResult{}, fmt.Errorf("open exporter %d: %w", i+1, err)
		}
		l.exporters = append(l.exporters, loadExporter{conn: conn, kind: i % len(loadKinds)})
	}
	return l.run(ctx), nil
}

func (l *load) run(ctx context.Context) LoadResult {
	ctx, cancel := context.WithTimeout(ctx, l.config.Duration)
	defer cancel()
	l.started = time.Now()
	ticker := time.NewTicker(loadTick)
	defer ticker.Stop()
	var announced, renewed time.Time
	for next := 0; ; {
		now := time.Now()
		if now.Sub(renewed) >= time.Second {
			renewed = now
			l.renew(now)
		}
		if now.Sub(announced) >= loadAnnouncement {
			announced = now
			for i := range l.exporters {
				l.announce(&l.exporters[i], now)
			}
		}
		due := uint64(l.config.Rate * now.Sub(l.started).Seconds())
		for l.result.Flows < due && ctx.Err() == nil {
			l.sendData(&l.exporters[next%len(l.exporters)])
			next++
		}
		select {
		case <-ctx.Done():
			l.result.Elapsed = time.Since(l.started)
			return l.result
		case <-ticker.C:
		}
	}
}

func (l *load) header(e *loadExporter, now time.Time) generate.Header {
	return generate.Header{Version: loadKinds[e.kind].version, Domain: loadDomain, Sequence: e.sequence, Export: now, Uptime: time.Hour + now.Sub(l.started)}
}

// renew makes new flows, so that they are of now.
func (l *load) renew(now time.Time) {
	for kind, k := range loadKinds {
		l.pool[kind] = l.pool[kind][:0]
		for range loadPool {
			octets, flows := generate.Datagram(l.random, l.header(&loadExporter{kind: kind}, now), k.template)
			l.pool[kind] = append(l.pool[kind], loadDatagram{octets, flows})
		}
	}
}

// announce sends templates and the sampling rate; v5 needs neither.
func (l *load) announce(e *loadExporter, now time.Time) {
	k := loadKinds[e.kind]
	if k.version == generate.NetFlowV5 {
		return
	}
	options, record := generate.Sampler(k.version, 512, 1, 1000)
	l.send(e, generate.New(l.header(e, now)).Templates(k.template).Templates(options).Data(options.ID, record).Bytes())
	e.sequence++ // a record and a datagram
}

// sendData sends a datagram of the pool with the exporter's sequence number.
func (l *load) sendData(e *loadExporter) {
	d := l.pool[e.kind][l.random.IntN(loadPool)]
	offset, count := 16, d.flows // RFC 3954 §5.1, RFC 7011 §3.1; v5 as v9 with nanoseconds before it
	switch loadKinds[e.kind].version {
	case generate.NetFlowV9:
		offset, count = 12, 1
	case generate.IPFIX:
		offset = 8
	}
	binary.BigEndian.PutUint32(d.octets[offset:], e.sequence)
	e.sequence += uint32(count)
	l.send(e, d.octets)
	l.result.Flows += uint64(d.flows) // also of refused ones: load does not wait
}

func (l *load) send(e *loadExporter, datagram []byte) {
	if _, err := e.conn.Write(datagram); err != nil {
		l.result.Refused++ // it may be the answer to an earlier datagram: nobody listens
		return
	}
	l.result.Datagrams++
	l.result.Octets += uint64(len(datagram))
}
