package netflow

import (
	"bytes"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
)

// maxSeeds bounds how many datagrams of the corpus become seeds of a target.
const maxSeeds = 300

// seedDatagrams adds the corpus's datagrams of a version and the hostile ones.
func seedDatagrams(f *testing.F, version uint16) {
	added := 0
	for _, file := range corpus(f) {
		for i, g := range readCapture(f, file) {
			if i < 20 && len(g.payload) > 2 && be.Uint16(g.payload) == version && added < maxSeeds {
				f.Add(g.payload)
				added++
			}
		}
	}
	for _, c := range hostileCases(f) {
		for _, datagram := range c.datagrams {
			if be.Uint16(datagram) == version && len(datagram) < 2000 {
				f.Add(datagram)
			}
		}
	}
}

func FuzzV5(f *testing.F) {
	seedDatagrams(f, 5)
	f.Fuzz(func(t *testing.T, datagram []byte) { checkSequence(t, withVersion(datagram, 5)) })
}

// FuzzV9 decodes a datagram twice: templates of the first time make data of the
// second.
func FuzzV9(f *testing.F) {
	seedDatagrams(f, 9)
	f.Fuzz(func(t *testing.T, datagram []byte) {
		g := withVersion(datagram, 9)
		checkSequence(t, append(g, g...))
	})
}

// FuzzIPFIX does the same, with the message length put right most of the time.
func FuzzIPFIX(f *testing.F) {
	seedDatagrams(f, 10)
	f.Fuzz(func(t *testing.T, datagram []byte) {
		g := withVersion(datagram, 10)
		if d := g[0].payload; len(d) >= headerIPFIX && len(d) <= math.MaxUint16 && d[4]%8 != 0 {
			be.PutUint16(d[2:], uint16(len(d)))
		}
		checkSequence(t, append(g, g...))
	})
}

// FuzzSequence decodes a sequence of datagrams: for each an octet that tells the
// source and how much later it comes, two with its length, and the datagram.
func FuzzSequence(f *testing.F) {
	added := 0
	for _, file := range corpus(f) {
		var sequence []byte
		for i, g := range readCapture(f, file) {
			if i < 12 && len(sequence)+len(g.payload) < 8000 {
				sequence = append(sequence, byte(i%4), byte(len(g.payload)>>8), byte(len(g.payload)))
				sequence = append(sequence, g.payload...)
			}
		}
		if added < maxSeeds && len(sequence) > 0 {
			f.Add(sequence)
			added++
		}
	}
	for _, version := range []uint16{1, 7} {
		datagram := oldMessage(version, 3)
		f.Add(append([]byte{0, 0, byte(len(datagram))}, datagram...))
	}
	f.Fuzz(func(t *testing.T, sequence []byte) {
		var datagrams []fuzzDatagram
		for after := int64(0); len(sequence) >= 3 && len(datagrams) < 64; {
			control, length := sequence[0], int(be.Uint16(sequence[1:]))
			payload := sequence[3:min(3+length, len(sequence))]
			sequence = sequence[3+len(payload):]
			after += int64(control>>2) * 1000
			datagrams = append(datagrams, fuzzDatagram{source: exporterAddress(int(control % 4)), receivedMs: receivedMs + after, payload: payload})
		}
		checkSequence(t, datagrams)
	})
}

type fuzzDatagram struct {
	source     netip.AddrPort
	receivedMs int64
	payload    []byte
}

func withVersion(datagram []byte, version uint16) []fuzzDatagram {
	datagram = bytes.Clone(datagram)
	if len(datagram) >= 2 {
		be.PutUint16(datagram, version)
	}
	return []fuzzDatagram{{testSource, receivedMs, datagram}}
}

// checkSequence decodes datagrams and checks what must hold for whatever comes:
// every datagram costs a bounded time and memory, rows are sane, a second
// decoding gives the same rows and state though the buffers are overwritten
// after use, and so does one that is restored in the middle.
func checkSequence(t *testing.T, datagrams []fuzzDatagram) {
	rows := make([]*decoder.Batch, len(datagrams))
	d := newDecoder(t, smallLimits)
	for i, g := range datagrams {
		b := new(decoder.Batch)
		b.Extend(16)
		b.Reset()
		rows[i] = b
		start := processorTime(t)
		octets := allocated(func() { d.Decode(g.receivedMs, g.source, g.payload, b) })
		if took := processorTime(t) - start; took > maxDatagramTime && !fasterAgain(t, datagrams[:i+1]) {
			t.Fatalf("datagram %d takes %s", i, took)
		}
		if octets > maxDatagramOctets {
			t.Fatalf("datagram %d allocates %d octets", i, octets)
		}
		checkRows(t, g, b)
	}
	state := d.AppendState(nil)
	if stateAgain := decodeScrambled(t, datagrams, rows); !bytes.Equal(state, stateAgain) {
		t.Fatal("a second decoding ends in another state")
	}
	restored := newDecoder(t, smallLimits)
	if err := restored.RestoreState(state, nil); err != nil || !bytes.Equal(restored.AppendState(nil), state) {
		t.Fatalf("the state does not survive: %v", err)
	}
	d.Exporters()
	d.Names()
	d.Templates(testSource.Addr())
	d.Expire(math.MaxInt64 / 2)
}

// smallLimits makes limits come into play.
func smallLimits(c *Config) {
	c.MaxTemplates, c.MaxDomains, c.MaxNames, c.MaxWaitingBytes = 8, 4, 16, 2000
	c.TemplateExpiry = time.Minute
}

// checkRows checks the rows of one datagram.
func checkRows(t *testing.T, g fuzzDatagram, b *decoder.Batch) {
	if b.Len() > maxRows {
		t.Fatalf("%d rows", b.Len())
	}
	latest := max(g.receivedMs, int64(math.MaxUint32)*1000+5000) + maxAheadMs
	for i := range b.Len() {
		start, end := b.TimeFlowStart[i], b.TimeFlowEnd[i]
		switch {
		case b.SamplingRate[i] == 0:
			t.Fatalf("row %d has sampling rate 0", i)
		case b.TimeReceived[i] != g.receivedMs || b.ExporterAddr[i] != g.source.Addr().As16():
			t.Fatalf("row %d is not of this datagram", i)
		case b.Type[i] < decoder.TypeNetFlowV5 || b.Type[i] > decoder.TypeIPFIX:
			t.Fatalf("row %d is of type %d", i, b.Type[i])
		case start < -maxDurationMs || start > latest || end < -maxDurationMs || end > latest || end-start > maxDurationMs || start-end > maxInvertedMs:
			t.Fatalf("row %d lasts from %d to %d", i, start, end)
		}
	}
}

// decodeScrambled decodes datagrams from one buffer that is overwritten each
// time, restarting in the middle, and wants the given rows.
func decodeScrambled(t *testing.T, datagrams []fuzzDatagram, want []*decoder.Batch) (state []byte) {
	var buffer []byte
	d, b := newDecoder(t, smallLimits), new(decoder.Batch)
	for i, g := range datagrams {
		if i == len(datagrams)/2 {
			restarted := newDecoder(t, smallLimits)
			if err := restarted.RestoreState(d.AppendState(nil), nil); err != nil {
				t.Fatal(err)
			}
			d = restarted
		}
		b.Reset()
		buffer = append(buffer[:0], g.payload...)
		d.Decode(g.receivedMs, g.source, buffer, b)
		for k := range buffer {
			buffer[k] ^= 0xa5
		}
		if !sameRows(want[i], b) {
			t.Fatalf("datagram %d: a second decoding differs", i)
		}
	}
	return d.AppendState(nil)
}

// sameRows compares all columns of two batches.
func sameRows(a, b *decoder.Batch) bool {
	if a.Len() == 0 && b.Len() == 0 {
		return true
	}
	if a.Len() != b.Len() {
		return false
	}
	for i := range reflect.TypeOf(*a).NumField() {
		if !reflect.TypeOf(*a).Field(i).IsExported() {
			continue
		}
		x, y := reflect.ValueOf(a).Elem().Field(i), reflect.ValueOf(b).Elem().Field(i)
		if !reflect.DeepEqual(x.Slice(0, a.Len()).Interface(), y.Slice(0, a.Len()).Interface()) {
			return false
		}
	}
	return true
}

// fasterAgain reports whether the last of the datagrams stays within its time
// when everything is done again.
func fasterAgain(t *testing.T, datagrams []fuzzDatagram) bool {
	for range 3 {
		d, took := newDecoder(t, smallLimits), time.Duration(0)
		for _, g := range datagrams {
			b := new(decoder.Batch)
			start := processorTime(t)
			d.Decode(g.receivedMs, g.source, g.payload, b)
			took = processorTime(t) - start
		}
		if took <= maxDatagramTime {
			return true
		}
	}
	return false
}

// TestSeedsAreThere fails where fuzzing would start from nothing.
func TestSeedsAreThere(t *testing.T) {
	for _, version := range []string{"v5_", "v9_", "ipfix_"} {
		if !slices.ContainsFunc(captures(t), func(file string) bool { return strings.Contains(file, "/"+version) }) {
			t.Errorf("no capture of %s", version)
		}
	}
}
