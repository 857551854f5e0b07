package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
)

// refusing is a store that fails a number of times before it takes rows. The
// tests of cmd/nfstats use the real one.
type refusing struct {
	mu       sync.Mutex
	failures int
	rows     int
	tokens   map[string]int
}

func (r *refusing) InsertFlows(_ context.Context, block store.Block, b *decoder.Batch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures > 0 {
		r.failures--
		return errors.New("not now")
	}
	r.rows += b.Len()
	r.tokens[block.Token]++
	return nil
}

func (r *refusing) stored() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rows
}

func run(t *testing.T, flows flowStore, change func(*Config)) (c *Collector, stop func()) {
	t.Helper()
	config := Config{Listen: []string{"127.0.0.1:0"}, Name: "test", ReceiveBuffer: 1 << 20, QueueSize: 8 << 20,
		BlockSize: 64 << 10, BlockAge: 20 * time.Millisecond, Decoder: netflow.Default()}
	if change != nil {
		change(&config)
	}
	c, err := New(config, flows, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return c, stop
}

// v5 is a NetFlow v5 datagram of one flow.
func v5() []byte {
	d := make([]byte, 72)
	d[1], d[3], d[24+19], d[24+23] = 5, 1, 1, 100
	return d
}

func send(t *testing.T, c *Collector, n int) {
	t.Helper()
	for i := range n {
		conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%20))}, net.UDPAddrFromAddrPort(c.Addresses()[0]))
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(v5())
		conn.Close()
	}
}

func TestEveryDatagramIsStoredOnceInSpiteOfRefusals(t *testing.T) {
	flows := &refusing{failures: 5, tokens: map[string]int{}}
	c, stop := run(t, flows, nil)
	send(t, c, 500)
	deadline := time.Now().Add(time.Minute)
	for flows.stored() < 500 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if flows.stored() != 500 {
		t.Errorf("%d rows, want 500", flows.stored())
	}
	for token, n := range flows.tokens {
		if n != 1 {
			t.Errorf("token %s was stored %d times", token, n)
		}
	}
	if left := c.queue.size(); left != 0 {
		t.Errorf("%d bytes are left in the queue", left)
	}
	if got := testutil.ToFloat64(c.metrics.insertErrors); got != 5 {
		t.Errorf("%v insert errors, want 5", got)
	}
}

func TestStopStoresWhatTheSocketHolds(t *testing.T) {
	flows := &refusing{tokens: map[string]int{}}
	c, stop := run(t, flows, func(c *Config) { c.BlockAge = time.Minute })
	send(t, c, 300)
	stop()
	if flows.stored() != 300 {
		t.Errorf("%d rows, want 300", flows.stored())
	}
}

func TestExportersAnswerWhileTheStoreIsAway(t *testing.T) {
	flows := &refusing{failures: 1 << 30, tokens: map[string]int{}}
	c, stop := run(t, flows, nil)
	send(t, c, 100)
	deadline := time.Now().Add(time.Minute)
	for {
		exporters, err := c.Exporters(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(exporters) == 20 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d exporters, want 20", len(exporters))
		}
		time.Sleep(10 * time.Millisecond)
	}
	flows.mu.Lock()
	flows.failures = 0
	flows.mu.Unlock()
	stop()
	if flows.stored() != 100 {
		t.Errorf("%d rows, want 100", flows.stored())
	}
}

func TestFullQueueDropsAndCounts(t *testing.T) {
	q := newQueue(10_000, 4096, time.Hour)
	payload := make([]byte, 1000)
	dropped := 0
	for range 30 {
		dropped += q.append([]datagram{{receivedMs: 1, payload: payload}})
	}
	if kept := 30 - dropped; kept != 9 { // 9 × 1,028 bytes fit into 10,000
		t.Errorf("%d datagrams were kept, want 9", kept)
	}
	q.close()
	read := 0
	for b := q.next(t.Context()); b != nil; b = q.next(t.Context()) {
		b.each(0, 1, func(d datagram) { read += len(d.payload) })
		q.release(b)
	}
	if read != 9000 || q.size() != 0 {
		t.Errorf("%d bytes read, %d left", read, q.size())
	}
	if q.append([]datagram{{payload: payload}}) != 0 {
		t.Error("a queue with room drops")
	}
}

func TestBlockGoesWhenItIsOld(t *testing.T) {
	q := newQueue(1<<20, 1<<20, 30*time.Millisecond)
	done := make(chan *block)
	go func() { done <- q.next(context.Background()) }()
	q.append([]datagram{{receivedMs: time.Now().UnixMilli(), payload: []byte("x")}})
	select {
	case b := <-done:
		if b == nil || len(b.records) != recordHeader+1 {
			t.Errorf("got %v", b)
		}
	case <-time.After(time.Minute):
		t.Fatal("the block never comes")
	}
}

func TestShardsShareTheExporters(t *testing.T) {
	b := &block{}
	for i := range 200 {
		b.append(datagram{receivedMs: int64(i), source: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), uint16(i)), payload: fmt.Append(nil, i)})
	}
	seen := map[string]int{}
	for shard := range uint32(3) {
		mine := 0
		b.each(shard, 3, func(d datagram) {
			mine++
			seen[string(d.payload)]++
			if want := fmt.Sprint(d.receivedMs); want != string(d.payload) || want != fmt.Sprint(d.source.Port()) {
				t.Errorf("datagram %q has time %d and source %s", d.payload, d.receivedMs, d.source)
			}
		})
		if mine < 20 {
			t.Errorf("shard %d has only %d of 200 exporters", shard, mine)
		}
	}
	if len(seen) != 200 {
		t.Errorf("%d datagrams, want 200", len(seen))
	}
}

func TestErrorLogIsLimited(t *testing.T) {
	core, lines := observer.New(zap.WarnLevel)
	l := newErrorLog(zap.New(core))
	for range 100 {
		for _, address := range []string{"192.0.2.1", "192.0.2.2"} {
			d := datagram{source: netip.MustParseAddrPort(address + ":1"), payload: []byte("x")}
			l.datagram(d, &netflow.Error{Reason: netflow.ReasonVersion})
		}
	}
	if lines.Len() != 2 {
		t.Errorf("%d lines, want one for each exporter", lines.Len())
	}
	for i := range 2 * logKinds {
		l.due(errorKind{reason: fmt.Sprint(i)})
	}
	if len(l.lines) > logKinds {
		t.Errorf("%d kinds are remembered", len(l.lines))
	}
}

func TestSecondListenerIsRefused(t *testing.T) {
	c, _ := run(t, &refusing{tokens: map[string]int{}}, nil)
	config := c.config
	config.Listen = []string{c.Addresses()[0].String()}
	other, err := New(config, &refusing{}, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Listen(t.Context()); err == nil || !bytes.Contains([]byte(err.Error()), []byte("another program has this port")) {
		t.Errorf("got %v", err)
	}
}

func TestReceivingDoesNotAllocate(t *testing.T) {
	q := newQueue(1<<30, 1<<20, time.Hour)
	burst := make([]datagram, 64)
	for i := range burst {
		burst[i] = datagram{source: netip.MustParseAddrPort("192.0.2.1:1"), payload: make([]byte, 100)}
	}
	if n := testing.AllocsPerRun(50, func() { q.append(burst) }); n > 0.5 {
		t.Errorf("appending %d datagrams allocates %v times", len(burst), n)
	}
}
