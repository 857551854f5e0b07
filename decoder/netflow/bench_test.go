package netflow

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// workload is a number of datagrams of one kind, with the datagram that
// announces their template.
type workload struct {
	header    generate.Header
	announce  []byte
	datagrams [][]byte
	flows     int
}

func newWorkload(version uint16, template generate.Template, datagrams int) workload {
	w := workload{header: generate.Header{Version: version, Domain: 7, Export: time.UnixMilli(receivedMs), Uptime: time.Hour}}
	r := rand.New(rand.NewPCG(1, 2))
	if version != generate.NetFlowV5 {
		options, record := generate.Sampler(version, 257, 1, 1000)
		w.announce = generate.New(w.header).Templates(template).Templates(options).Data(257, record).Bytes()
	}
	for range datagrams {
		datagram, flows := generate.Datagram(r, w.header, template)
		w.datagrams = append(w.datagrams, datagram)
		w.flows += flows
	}
	return w
}

var benchmarks = []struct {
	name     string
	version  uint16
	template generate.Template
}{
	{"v5", generate.NetFlowV5, generate.Template{}},
	{"v9", generate.NetFlowV9, generate.V9IPv4(256)},
	{"v9-ipv6", generate.NetFlowV9, generate.V9IPv6(256)},
	{"ipfix", generate.IPFIX, generate.IPFIXIPv4(256)},
	{"ipfix-ipv6", generate.IPFIX, generate.IPFIXIPv6(256)},
	{"ipfix-variable", generate.IPFIX, generate.IPFIXVariable(256)},
}

// batchRows is how many rows a benchmark fills a batch with before it starts
// over, as a collector does that inserts batches.
const batchRows = 2000

func exporterAddress(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 2055)
}

// BenchmarkDecode measures decoding, and in turns with it goflow2's decoding
// alone (no conversion, no sampling) of the same datagrams. It reports medians
// of the processor time per flow, and how many times faster the first one is.
func BenchmarkDecode(b *testing.B) {
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			w := newWorkload(bench.version, bench.template, 64)
			d, batch := newDecoder(b), new(decoder.Batch)
			d.Decode(receivedMs, exporterAddress(1), w.announce, batch)
			theirs := newTheirs(w)
			ours := func() {
				for _, datagram := range w.datagrams {
					if batch.Len() > batchRows {
						batch.Reset()
					}
					d.Decode(receivedMs, exporterAddress(1), datagram, batch)
				}
			}
			compare(b, w.flows, ours, func() {
				for _, datagram := range w.datagrams {
					theirs.decode(b, datagram)
				}
			})
		})
	}
}

// compare runs two ways of decoding a number of flows in turns. What one leaves
// for the garbage collector is collected before the other's turn; what is
// collected during a turn belongs to its time.
func compare(b *testing.B, flows int, ours, theirs func()) {
	const ourTurns, theirTurns = 256, 16
	var our, their, ratio []float64
	measure := func(turns int, f func()) float64 {
		runtime.GC()
		start := processorTime(b)
		for range turns {
			f()
		}
		return float64(processorTime(b)-start) / float64(turns*flows)
	}
	for i := range 2 * b.N {
		o, t := measure(ourTurns, ours), measure(theirTurns, theirs)
		if i > 0 { // the first one warms up
			our, their, ratio = append(our, o), append(their, t), append(ratio, t/o)
		}
	}
	b.ReportMetric(median(our), "ns/flow")
	b.ReportMetric(median(their), "goflow2-ns/flow")
	b.ReportMetric(median(ratio), "x-goflow2")
	b.ReportMetric(0, "ns/op") // a mixture of both
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkExporters measures what it costs that datagrams come from a thousand
// exporters in random order, each with templates of its own, instead of from
// one whose state is in the processor's cache.
func BenchmarkExporters(b *testing.B) {
	const exporters = 1000
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			w := newWorkload(bench.version, bench.template, 64)
			batch, r := new(decoder.Batch), rand.New(rand.NewPCG(3, 4))
			decode := func(d *Decoder, sources []netip.AddrPort) {
				for i, source := range sources {
					if batch.Len() > batchRows {
						batch.Reset()
					}
					d.Decode(receivedMs, source, w.datagrams[i%len(w.datagrams)], batch)
				}
			}
			one, many := newDecoder(b), newDecoder(b)
			same, mixed := make([]netip.AddrPort, 4096), make([]netip.AddrPort, 4096)
			for i := range exporters {
				many.Decode(receivedMs, exporterAddress(i), w.announce, batch)
			}
			one.Decode(receivedMs, exporterAddress(0), w.announce, batch)
			for i := range mixed {
				same[i], mixed[i] = exporterAddress(0), exporterAddress(r.IntN(exporters))
			}
			var warm, random, ratio []float64
			measure := func(d *Decoder, sources []netip.AddrPort) float64 {
				start := processorTime(b)
				for range 4 {
					decode(d, sources)
				}
				return float64(processorTime(b)-start) / float64(4*len(sources)/len(w.datagrams)*w.flows)
			}
			for i := range 2 * b.N {
				o, m := measure(one, same), measure(many, mixed)
				if i > 0 {
					warm, random, ratio = append(warm, o), append(random, m), append(ratio, m/o)
				}
			}
			b.ReportMetric(median(warm), "one-ns/flow")
			b.ReportMetric(median(random), "ns/flow")
			b.ReportMetric(median(ratio), "x-one")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// theirs is goflow2 with its templates.
type theirs struct {
	version   uint16
	templates goflow2.NetFlowTemplateSystem
}

func newTheirs(w workload) *theirs {
	g := &theirs{version: w.header.Version, templates: goflow2.CreateTemplateSystem()}
	if w.announce != nil {
		var v9 goflow2.NFv9Packet
		var ipfix goflow2.IPFIXPacket
		goflow2.DecodeMessageVersion(bytes.NewBuffer(w.announce), g.templates, &v9, &ipfix)
	}
	return g
}

func (g *theirs) decode(b *testing.B, datagram []byte) {
	if g.version == generate.NetFlowV5 {
		var packet netflowlegacy.PacketNetFlowV5
		if err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(datagram), &packet); err != nil {
			b.Fatal(err)
		}
		return
	}
	var v9 goflow2.NFv9Packet
	var ipfix goflow2.IPFIXPacket
	if err := goflow2.DecodeMessageVersion(bytes.NewBuffer(datagram), g.templates, &v9, &ipfix); err != nil {
		b.Fatal(err)
	}
}
