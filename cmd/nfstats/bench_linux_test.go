package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/engine"
)

const (
	loadExporters = 50
	loadDatagrams = 100_000
	loadWindow    = 6000 // datagrams under way in sockets, less than their buffers hold
)

// BenchmarkDaemon sends IPFIX from 50 exporters as fast as the daemon takes it
// without loss, until all of it is stored. Beside it stands the engine's own
// insert rate, measured before and after: such rows, decoded already, in blocks of the same
// size from two connections into the same table.
func BenchmarkDaemon(b *testing.B) {
	d := newDaemon(b, "NFSTATS_LOG_LEVEL=warn")
	d.start()
	pool, flows := loadPool()
	var took, inserting, own, ofEngine time.Duration
	var stored, direct float64
	block := 40_000 // flows of an insert; then what the daemon's inserts have
	for round := range b.N {
		n, t := d.insertDirectly(pool, block, loadDatagrams*flows[0]/2, 2*round)
		direct, inserting = direct+n, inserting+t
		ownBefore, engineBefore, inserts := cpuTime(b, d.cmd.Process.Pid), cpuTime(b, d.engineOf()), d.counter("nfstats_store_inserts_total")
		n, t = d.load(pool, flows)
		stored, took = stored+n, took+t
		own += cpuTime(b, d.cmd.Process.Pid) - ownBefore
		ofEngine += cpuTime(b, d.engineOf()) - engineBefore
		block = int(n / max(1, d.counter("nfstats_store_inserts_total")-inserts))
		b.Logf("blocks of %d flows, daemon %s, engine %s", block, memoryOf(b, d.cmd.Process.Pid), memoryOf(b, d.engineOf()))
		n, t = d.insertDirectly(pool, block, int(n)/2, 2*round+1)
		direct, inserting = direct+n, inserting+t
	}
	endToEnd, engineAlone := stored/took.Seconds(), direct/inserting.Seconds()
	b.ReportMetric(endToEnd, "flows/s")
	b.ReportMetric(engineAlone, "engine-flows/s")
	b.ReportMetric(endToEnd/engineAlone, "x-engine")
	b.ReportMetric(own.Seconds()*1e6/stored, "daemon-µs/flow")
	b.ReportMetric(ofEngine.Seconds()*1e6/stored, "engine-µs/flow")
	b.ReportMetric(memoryMiB(b, d.cmd.Process.Pid), "daemon-MiB")
	b.ReportMetric(0, "ns/op")
}

// loadPool makes datagrams that the load repeats, and their numbers of flows.
func loadPool() (pool [][]byte, flows []int) {
	header, r := generate.Header{Version: generate.IPFIX, Domain: 7, Export: time.Now(), Uptime: time.Hour}, rand.New(rand.NewPCG(1, 2))
	for range 1024 {
		datagram, n := generate.Datagram(r, header, generate.IPFIXIPv4(256))
		pool, flows = append(pool, datagram), append(flows, n)
	}
	return pool, flows
}

func loadTemplate() []byte {
	return generate.New(generate.Header{Version: generate.IPFIX, Domain: 7, Export: time.Now(), Uptime: time.Hour}).Templates(generate.IPFIXIPv4(256)).Bytes()
}

// load returns how many flows were stored, and how long that took.
func (d *daemon) load(pool [][]byte, flowsOf []int) (flows float64, took time.Duration) {
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(d.udp))
	var sockets []*net.UDPConn
	for i := range loadExporters {
		c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 4, byte(1+i))}, to)
		if err != nil {
			d.t.Fatal(err)
		}
		defer c.Close()
		c.Write(loadTemplate())
		sockets = append(sockets, c)
	}
	rows, journaled := d.counter("nfstats_store_flows_total"), d.counter("nfstats_collector_datagrams_total")
	start, taken := time.Now(), 0.0
	for i := range loadDatagrams {
		for float64(i)-taken > loadWindow-1000 && i%1000 == 0 {
			taken = d.counter("nfstats_collector_datagrams_total") - journaled
		}
		if _, err := sockets[i%loadExporters].Write(pool[i%len(pool)]); err != nil {
			d.t.Fatal(err)
		}
		flows += float64(flowsOf[i%len(pool)])
	}
	d.eventually("everything is stored", func() error {
		if n := d.counter("nfstats_store_flows_total") - rows; n != flows {
			return fmt.Errorf("%.0f of %.0f flows", n, flows)
		}
		return nil
	})
	return flows, time.Since(start)
}

// insertDirectly inserts about n decoded flows in blocks.
func (d *daemon) insertDirectly(pool [][]byte, block, n, round int) (flows float64, took time.Duration) {
	dial, key, err := engine.Attach(d.t.Context(), d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	s, err := store.New(store.Config{Dial: dial, Key: key, Database: "nfstats"}, zap.NewNop())
	if err != nil {
		d.t.Fatal(err)
	}
	defer s.Close()
	decode, err := netflow.New(netflow.Default())
	if err != nil {
		d.t.Fatal(err)
	}
	const connections = 2
	var batches [connections]decoder.Batch
	exporter := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 4, byte(1 + i%loadExporters)}), 9)
	}
	for i := range loadExporters {
		decode.Decode(time.Now().UnixMilli(), exporter(i), loadTemplate(), &batches[0])
	}
	for c := range batches {
		for i := c; batches[c].Len() < block; i++ {
			decode.Decode(time.Now().UnixMilli(), exporter(i), pool[i%len(pool)], &batches[c])
		}
	}
	var inserted atomic.Int64
	var group errgroup.Group
	start := time.Now()
	for c := range batches {
		group.Go(func() error {
			for part := 0; inserted.Load() < int64(n); part++ {
				if err := s.InsertFlows(d.t.Context(), store.Block{Token: fmt.Sprint("direct ", round, c, part), Collector: "direct"}, &batches[c]); err != nil {
					return err
				}
				inserted.Add(int64(batches[c].Len()))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		d.t.Fatal(err)
	}
	return float64(inserted.Load()), time.Since(start)
}

// counter returns the sum of a metric's samples.
func (d *daemon) counter(name string) float64 {
	d.t.Helper()
	n, err := d.metric(name)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// cpuTime returns the processor time that a process has used (proc(5), in ticks
// of 10 ms).
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	var user, system int64
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memoryOf tells the resident memory of a process and its peak.
func memoryOf(b *testing.B, pid int) string {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "VmRSS:") || strings.HasPrefix(line, "VmHWM:") {
			kept = append(kept, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(kept, ", ")
}

// memoryMiB is the peak of a process's resident memory.
func memoryMiB(b *testing.B, pid int) float64 {
	b.Helper()
	var kib float64
	fmt.Sscanf(memoryOf(b, pid), "VmHWM: %f", &kib)
	return kib / 1024
}
