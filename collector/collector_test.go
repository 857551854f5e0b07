package collector

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/nfstats/nfstats/collector/journal"
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
	config := Config{Listen: []string{"127.0.0.1:0"}, Name: "test", ReceiveBuffer: 1 << 20, Journal: journal.Default(),
		Decoder: netflow.Default()}
	config.Journal.Dir, config.Journal.BlockAge = t.TempDir(), 20*time.Millisecond
	if change != nil {
		change(&config)
	}
	c, err := New(config, flows, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(t.Context()); err != nil {
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
	if s := c.journal.Status(); s.Done != s.Written || s.Checkpoint != s.Written {
		t.Errorf("the journal is not empty: %+v", s)
	}
	if got := testutil.ToFloat64(c.metrics.insertErrors); got != 5 {
		t.Errorf("%v insert errors, want 5", got)
	}
}

func TestStopStoresWhatTheSocketHolds(t *testing.T) {
	flows := &refusing{tokens: map[string]int{}}
	c, stop := run(t, flows, func(c *Config) { c.Journal.BlockAge = time.Minute })
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

func TestShardsShareTheExporters(t *testing.T) {
	seen := make([]int, 3)
	for i := range 200 {
		seen[shardOf(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 3)]++
	}
	for shard, exporters := range seen {
		if exporters < 20 {
			t.Errorf("shard %d has only %d of 200 exporters", shard, exporters)
		}
	}
}

func TestStatesAreReadAsTheyWereWritten(t *testing.T) {
	for _, states := range [][][]byte{{{1, 2}, {}, {3}}, {bytes.Repeat([]byte{7}, 1000)}} {
		written := appendStates(nil, states)
		read, err := readStates(written)
		if err != nil || len(read) != len(states) {
			t.Fatalf("%v %v", read, err)
		}
		for i := range states {
			if !bytes.Equal(read[i], states[i]) {
				t.Errorf("state %d: %v", i, read[i])
			}
		}
		for n := range len(written) {
			if _, err := readStates(written[:n]); err == nil {
				t.Errorf("%d of %d bytes are read without an error", n, len(written))
			}
		}
	}
}

// TestRestartStoresEverythingOnce stops a collector whose store is away and
// starts another one on its journal.
func TestRestartStoresEverythingOnce(t *testing.T) {
	dir := t.TempDir()
	flows := &refusing{failures: 1 << 30, tokens: map[string]int{}}
	first, stop := run(t, flows, func(c *Config) { c.Journal.Dir = dir })
	send(t, first, 200)
	stop()
	if flows.stored() != 0 {
		t.Fatalf("%d rows are stored", flows.stored())
	}
	flows.failures = 0
	second, stopSecond := run(t, flows, func(c *Config) { c.Journal.Dir = dir })
	send(t, second, 100)
	for deadline := time.Now().Add(time.Minute); flows.stored() < 300 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	stopSecond()
	if flows.stored() != 300 {
		t.Errorf("%d rows, want 300", flows.stored())
	}
}

func TestErrorLogIsLimited(t *testing.T) {
	core, lines := observer.New(zap.WarnLevel)
	l := newErrorLog(zap.New(core))
	for range 100 {
		for _, address := range []string{"192.0.2.1", "192.0.2.2"} {
			d := journal.Datagram{Source: netip.MustParseAddrPort(address + ":1"), Payload: []byte("x")}
			l.datagram(d, &netflow.Error{Reason: netflow.ReasonVersion})
		}
	}
	if lines.Len() != 2 {
		t.Errorf("%d lines, want one for each exporter", lines.Len())
	}
}

func TestSecondListenerIsRefused(t *testing.T) {
	c, _ := run(t, &refusing{tokens: map[string]int{}}, nil)
	config := c.config
	config.Listen = []string{c.Addresses()[0].String()}
	config.Journal.Dir = t.TempDir()
	other, err := New(config, &refusing{}, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Open(t.Context()); err == nil || !bytes.Contains([]byte(err.Error()), []byte("another program has this port")) {
		t.Errorf("got %v", err)
	}
}
