package netflow

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
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
const batchRows = 20_000

func exporterAddress(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 2055)
}

// BenchmarkDecode measures decoding and goflow2's decoding alone of the same
// datagrams in turns, in CPU time per flow.
func BenchmarkDecode(b *testing.B) {
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			w := newWorkload(bench.version, bench.template, 64)
			d, batch := newDecoder(b), new(decoder.Batch)
			d.Decode(receivedMs, exporterAddress(1), w.announce, batch)
			theirs := newTheirs(w)
			var our, their time.Duration
			b.ReportAllocs()
			for range b.N {
				start := time.Now()
				for _, datagram := range w.datagrams {
					if batch.Len() > batchRows {
						batch.Reset()
					}
					d.Decode(receivedMs, exporterAddress(1), datagram, batch)
				}
				our += time.Since(start)
				b.StopTimer()
				start = time.Now()
				for _, datagram := range w.datagrams {
					theirs.decode(b, datagram)
				}
				their += time.Since(start)
				b.StartTimer()
			}
			flows := float64(b.N * w.flows)
			b.ReportMetric(float64(our.Nanoseconds())/flows, "ns/flow")
			b.ReportMetric(float64(their.Nanoseconds())/flows, "goflow2-ns/flow")
			b.ReportMetric(float64(their)/float64(our), "x-goflow2")
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
