package netflow

import (
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// TestSequenceNumbers sends datagrams of two flows each with the given sequence
// numbers.
func TestSequenceNumbers(t *testing.T) {
	const v5, v9, v10 = generate.NetFlowV5, generate.NetFlowV9, generate.IPFIX
	cases := []struct {
		name                  string
		version               uint16
		sequence              []uint32
		missing, late, resets uint64
	}{
		{"v5 counts flows", v5, []uint32{100, 102, 104}, 0, 0, 0},
		{"v9 counts packets", v9, []uint32{100, 101, 102}, 0, 0, 0},
		{"IPFIX counts records", v10, []uint32{100, 102, 104}, 0, 0, 0},
		{"v5 loses two datagrams", v5, []uint32{100, 106, 108}, 4, 0, 0},
		{"v9 loses three datagrams", v9, []uint32{100, 104, 105}, 3, 0, 0},
		{"IPFIX loses two datagrams", v10, []uint32{100, 106}, 4, 0, 0},
		{"the number wraps", v5, []uint32{1<<32 - 2, 0, 2}, 0, 0, 0},
		{"a loss over the wrap", v9, []uint32{1<<32 - 2, 1}, 2, 0, 0},
		{"v5 reordered", v5, []uint32{100, 104, 102, 106}, 2, 2, 0},
		{"v9 reordered", v9, []uint32{100, 103, 102, 101, 104}, 2, 2, 0},
		{"IPFIX reordered over a loss", v10, []uint32{100, 108, 104, 110}, 6, 2, 0},
		{"a datagram twice", v10, []uint32{100, 102, 102, 104}, 0, 0, 0},
		{"the late one twice", v10, []uint32{100, 104, 102, 102, 106}, 2, 2, 0},
		{"restart from 0", v5, []uint32{4_000_000, 0, 2}, 0, 0, 1},
		{"v9 restart from 0", v9, []uint32{40_000, 0, 1, 2}, 0, 0, 1},
		{"restart not far from 0", v10, []uint32{500, 502, 0, 2, 4}, 0, 0, 1},
		{"restart anywhere", v10, []uint32{500, 3_000_000_000, 3_000_000_002}, 0, 0, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := newDecoder(t)
			for _, sequence := range c.sequence {
				d.Decode(receivedMs, testSource, twoFlows(c.version, sequence, time.Hour), new(decoder.Batch))
			}
			got := d.Total()
			if got.SequenceMissing != c.missing || got.SequenceLate != c.late || got.SequenceResets != c.resets {
				t.Errorf("%d missing, %d late, %d resets; want %d, %d, %d", got.SequenceMissing, got.SequenceLate, got.SequenceResets, c.missing, c.late, c.resets)
			}
			if got.Lost() != c.missing-c.late {
				t.Errorf("%d lost", got.Lost())
			}
		})
	}
}

// twoFlows is a datagram with two flows, and with its template where it needs one.
func twoFlows(version uint16, sequence uint32, uptime time.Duration) []byte {
	h := header(version)
	h.Sequence, h.Uptime = sequence, uptime
	if version == generate.NetFlowV5 {
		return generate.V5(h, 0, make([]generate.Flow, 2))
	}
	template := generate.Template{ID: 256, Fields: []generate.Field{{ID: 1, Length: 4}}}
	return generate.New(h).Templates(template).Data(256, octets(4, 1), octets(4, 2)).Bytes()
}

// TestSequenceNumberedByItsEnd: softflowd's messages tell how many records there
// were with them, not before them.
func TestSequenceNumberedByItsEnd(t *testing.T) {
	d, sequence := newDecoder(t), uint32(0)
	for i, records := range []int{15, 20, 20, 3, 20, 7} {
		sequence += uint32(records)
		h := header(10)
		h.Sequence = sequence
		m := generate.New(h).Templates(octetsTemplate(256, 1)).Data(256, octets(records, 1))
		d.Decode(receivedMs+int64(i), testSource, m.Bytes(), new(decoder.Batch))
	}
	if got := d.Total(); got.SequenceMissing+got.SequenceLate+got.SequenceResets != 0 {
		t.Errorf("%d missing, %d late, %d resets", got.SequenceMissing, got.SequenceLate, got.SequenceResets)
	}
}

func TestRestartIsSeenInUptime(t *testing.T) {
	d := newDecoder(t)
	d.Decode(receivedMs, testSource, twoFlows(9, 100, time.Hour), new(decoder.Batch))
	d.Decode(receivedMs, testSource, twoFlows(9, 500, time.Minute), new(decoder.Batch)) // restarted, and 500 is no loss
	if got := d.Total(); got.SequenceMissing != 0 || got.SequenceResets != 1 {
		t.Errorf("%d missing, %d resets", got.SequenceMissing, got.SequenceResets)
	}
}

// TestSequencesOfDomainsAndPorts wants each to be counted on its own.
func TestSequencesOfDomainsAndPorts(t *testing.T) {
	d := newDecoder(t)
	for i := range uint32(5) {
		d.Decode(receivedMs, exporterAddress(1), twoFlows(9, i, time.Hour), new(decoder.Batch))
		other := exporterAddress(1)
		d.Decode(receivedMs, netipWithPort(other, 9999), twoFlows(9, 70_000+i, time.Hour), new(decoder.Batch))
		h := header(9)
		h.Domain, h.Sequence = 2, 300+i
		d.Decode(receivedMs, exporterAddress(1), generate.New(h).Bytes(), new(decoder.Batch))
	}
	if got := d.Total(); got.SequenceMissing+got.SequenceLate+got.SequenceResets != 0 {
		t.Errorf("%+v", got)
	}
}

// TestSequenceAfterUnknownTemplate wants no loss counted when the number of
// records of a datagram cannot be known.
func TestSequenceAfterUnknownTemplate(t *testing.T) {
	d := newDecoder(t)
	h := header(10)
	for i, sequence := range []uint32{10, 17, 25} {
		h.Sequence = sequence
		d.Decode(receivedMs+int64(i), testSource, generate.New(h).Data(300, octets(8*(7+i), 0)).Bytes(), new(decoder.Batch))
	}
	if got := d.Total(); got.SequenceMissing != 0 || got.SequenceResets != 0 {
		t.Errorf("%d missing, %d resets", got.SequenceMissing, got.SequenceResets)
	}
}

// TestSequenceOfOptionsData: options data records count (RFC 7011 §3.1), template
// records do not.
func TestSequenceOfOptionsData(t *testing.T) {
	d := newDecoder(t)
	h := header(10)
	options, record := generate.Sampler(10, 257, 1, 10)
	h.Sequence = 5
	d.Decode(receivedMs, testSource, generate.New(h).Templates(options).Data(257, record, record, record).Bytes(), new(decoder.Batch))
	h.Sequence = 8
	d.Decode(receivedMs, testSource, generate.New(h).Data(257, record).Bytes(), new(decoder.Batch))
	h.Sequence = 10
	d.Decode(receivedMs, testSource, generate.New(h).Data(257, record).Bytes(), new(decoder.Batch))
	if got := d.Total(); got.SequenceMissing != 1 {
		t.Errorf("%d missing, want 1", got.SequenceMissing)
	}
}
