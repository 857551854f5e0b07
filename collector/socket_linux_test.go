package collector

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/decoder/netflow"
)

// TestKernelDropsAreCountedBySocket fills a receive buffer that nobody reads.
func TestKernelDropsAreCountedBySocket(t *testing.T) {
	config := Config{Listen: []string{"127.0.0.1:0"}, ReceiveBuffer: 4096, Sockets: 1, Journal: journal.Default(), Decoder: netflow.Default()}
	config.Journal.Dir = t.TempDir()
	registry := prometheus.NewRegistry()
	c, err := New(config, &refusing{tokens: map[string]int{}}, registry, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	send(t, c, 1000) // more than the buffer holds
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	// The kernel tells its count with the datagrams that come after.
	dropped, received := 0.0, 0.0
	for deadline := time.Now().Add(time.Minute); dropped == 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		send(t, c, 1)
		dropped, received = float64(c.sockets[0].drops.Load()), testutil.ToFloat64(c.metrics.datagrams)
	}
	if dropped == 0 || dropped+received < 1000 {
		t.Errorf("%v received, %v dropped", received, dropped)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "nfstats_collector_dropped_datagrams_total" {
			if got := f.GetMetric()[0].GetCounter().GetValue(); got < dropped {
				t.Errorf("/metrics tells %v", got)
			}
			if socket := f.GetMetric()[0].GetLabel()[1].GetValue(); socket != c.Addresses()[0].String()+"#0" {
				t.Errorf("the socket is %q", socket)
			}
			return
		}
	}
	t.Error("/metrics lacks the drops")
}
