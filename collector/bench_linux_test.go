package collector

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

const (
	benchExporters = 50
	benchDatagrams = 60_000
	benchRate      = 20_000 // datagrams a second, which both receivers take without loss
)

// benchStream is what the benchmarks send: full IPFIX datagrams.
type benchStream struct {
	announce  []byte
	datagrams [][]byte
	flows     int // of all datagrams
}

func newBenchStream(datagrams int) benchStream {
	template := generate.IPFIXIPv4(256)
	header := generate.Header{Version: generate.IPFIX, Domain: 7, Export: time.Now(), Uptime: time.Hour}
	s := benchStream{announce: generate.New(header).Templates(template).Bytes()}
	r := rand.New(rand.NewPCG(1, 2))
	var pool [][]byte
	var flows []int
	for range 512 {
		d, n := generate.Datagram(r, header, template)
		pool, flows = append(pool, d), append(flows, n)
	}
	for i := range datagrams {
		s.datagrams = append(s.datagrams, pool[i%len(pool)])
		s.flows += flows[i%len(pool)]
	}
	return s
}

// send sends the stream at benchRate from benchExporters addresses.
func (s benchStream) send(b *testing.B, to netip.AddrPort) {
	b.Helper()
	var sockets []*net.UDPConn
	for i := range benchExporters {
		c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 3, byte(1+i))}, net.UDPAddrFromAddrPort(to))
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		sockets = append(sockets, c)
		c.Write(s.announce)
	}
	start := time.Now()
	for i, d := range s.datagrams {
		if i%64 == 0 {
			time.Sleep(time.Until(start.Add(time.Duration(float64(i) / benchRate * float64(time.Second)))))
		}
		if _, err := sockets[i%benchExporters].Write(d); err != nil {
			b.Fatal(err)
		}
	}
}

// cpuOf returns the processor time that a process has used (proc(5), in ticks
// of 10 ms).
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// TestReceiverProcess is no test: BenchmarkReceive runs it in a process of its
// own. It receives and journals until its standard input ends, then prints how
// many datagrams it has journaled.
func TestReceiverProcess(t *testing.T) {
	if os.Getenv("NFSTATS_BENCH_RECEIVER") == "" {
		t.Skip("runs within BenchmarkReceive")
	}
	config := Config{Listen: []string{"127.0.0.1:0"}, ReceiveBuffer: 16 << 20, Journal: journal.Default(), Decoder: netflow.Default()}
	config.Journal.Dir = t.TempDir()
	c, err := New(config, nil, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Println("listening", c.Addresses()[0])
	ctx, stop := context.WithCancel(context.Background())
	go c.journal.Run(ctx)
	for _, s := range c.sockets {
		go s.receive(ctx, zap.NewNop(), func(burst []journal.Datagram, drops uint32) { c.accept(s, burst, drops) })
	}
	io.Copy(io.Discard, os.Stdin)
	fmt.Println("journaled", c.journal.Status().Written.Datagrams)
	stop()
}

// BenchmarkReceive measures the processor time of receiving and journaling, and
// that of nfcapd (which decodes and writes its own format) with the same stream.
func BenchmarkReceive(b *testing.B) {
	s := newBenchStream(benchDatagrams)
	var ours, theirs time.Duration
	for range b.N {
		ours += receiveOurs(b, s)
		if t, ok := receiveNfcapd(b, s); ok {
			theirs += t
		}
	}
	perCore := func(cpu time.Duration) float64 { return float64(b.N) * benchDatagrams / cpu.Seconds() }
	b.ReportMetric(perCore(ours), "datagrams/s/core")
	if theirs > 0 {
		b.ReportMetric(perCore(theirs), "nfcapd-datagrams/s/core")
		b.ReportMetric(theirs.Seconds()/ours.Seconds(), "x-nfcapd")
	}
	b.ReportMetric(0, "ns/op")
}

func receiveOurs(b *testing.B, s benchStream) time.Duration {
	cmd := exec.Command(os.Args[0], "-test.run=^TestReceiverProcess$")
	cmd.Env = append(os.Environ(), "NFSTATS_BENCH_RECEIVER=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	out := bufio.NewReader(stdout)
	line, err := out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	before := cpuOf(b, cmd.Process.Pid)
	s.send(b, netip.MustParseAddrPort(strings.Fields(line)[1]))
	time.Sleep(500 * time.Millisecond)
	used := cpuOf(b, cmd.Process.Pid) - before
	stdin.Close()
	if line, err = out.ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	if want := fmt.Sprint(benchDatagrams + benchExporters); strings.Fields(line)[1] != want {
		b.Fatalf("%s, want %s", line, want)
	}
	return used
}

// receiveNfcapd reports false where there is no nfcapd.
func receiveNfcapd(b *testing.B, s benchStream) (time.Duration, bool) {
	path, err := exec.LookPath("nfcapd")
	if err != nil {
		return 0, false
	}
	dir := b.TempDir()
	probe, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := netip.MustParseAddrPort(probe.LocalAddr().String())
	probe.Close()
	cmd := exec.Command(path, "-w", dir, "-b", "127.0.0.1", "-p", fmt.Sprint(address.Port()), "-B", fmt.Sprint(16<<20), "-t", "3600")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	time.Sleep(time.Second)
	before := cpuOf(b, cmd.Process.Pid)
	s.send(b, address)
	time.Sleep(500 * time.Millisecond)
	used := cpuOf(b, cmd.Process.Pid) - before
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	files, _ := filepath.Glob(filepath.Join(dir, "nfcapd.2*"))
	if len(files) != 1 {
		b.Fatalf("nfcapd wrote %v", files)
	}
	out, err := exec.Command("nfdump", "-I", "-r", files[0]).Output()
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("Flows: %d\n", s.flows)) {
		b.Fatalf("nfcapd lost flows of %d: %v\n%s", s.flows, err, out)
	}
	return used, true
}

// ownCPU returns the processor time that this process has used.
func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkStages measures the daemon's own processor time per flow in each
// stage behind the sockets, one after the other: journaling, reading the
// journal, decoding, and sending to the embedded ClickHouse (whose own time is
// not in it).
func BenchmarkStages(b *testing.B) {
	supervisor := enginetest.Start(b)
	flows, err := store.New(store.Config{Dial: supervisor.Dial, Key: supervisor.Key(), Database: "nfstats"}, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	defer flows.Close()
	if err := flows.Prepare(b.Context()); err != nil {
		b.Fatal(err)
	}
	s := newBenchStream(20_000)
	var appending, reading, decoding, inserting time.Duration
	for round := range b.N {
		config := journal.Default()
		config.Dir = b.TempDir()
		j, err := journal.Open(config, zap.NewNop())
		if err != nil {
			b.Fatal(err)
		}
		start := ownCPU(b)
		burst := make([]journal.Datagram, 0, 64)
		now := time.Now().UnixMilli()
		j.Append([]journal.Datagram{{ReceivedMs: now, Source: netip.MustParseAddrPort("192.0.2.1:9"), Payload: s.announce}})
		for i, d := range s.datagrams {
			burst = append(burst, journal.Datagram{ReceivedMs: now, Source: netip.MustParseAddrPort("192.0.2.1:9"), Payload: d})
			if len(burst) == cap(burst) || i == len(s.datagrams)-1 {
				j.Append(burst)
				burst = burst[:0]
			}
		}
		appending += ownCPU(b) - start
		j.Drain()
		decode, err := netflow.New(netflow.Default())
		if err != nil {
			b.Fatal(err)
		}
		var batch decoder.Batch
		for part := 0; ; part++ {
			start = ownCPU(b)
			block, err := j.Next(b.Context())
			reading += ownCPU(b) - start
			if err != nil {
				break // drained
			}
			start = ownCPU(b)
			var d journal.Datagram
			for cursor := block.Cursor(); cursor.Next(&d); {
				decode.Decode(d.ReceivedMs, d.Source, d.Payload, &batch)
			}
			decoding += ownCPU(b) - start
			block.Release()
			start = ownCPU(b)
			if err := flows.InsertFlows(b.Context(), store.Block{Token: fmt.Sprint(round, part), Collector: "bench"}, &batch); err != nil {
				b.Fatal(err)
			}
			inserting += ownCPU(b) - start
			batch.Reset()
		}
		j.Close()
	}
	perFlow := func(d time.Duration, unit string) {
		b.ReportMetric(float64(d.Nanoseconds())/1000/float64(b.N*s.flows), unit)
	}
	perFlow(appending, "µs-journal/flow")
	perFlow(reading, "µs-read/flow")
	perFlow(decoding, "µs-decode/flow")
	perFlow(inserting, "µs-insert/flow")
	b.ReportMetric(0, "ns/op")
}
