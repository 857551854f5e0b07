package netflow

import (
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

func TestDataWaitsForItsTemplate(t *testing.T) {
	d, b := newDecoder(t), new(decoder.Batch)
	uptime := []fieldValue{num(22, 4, 3_600_000-5000), num(21, 4, 3_600_000-1000)}
	fields, record := fieldsOf(uptime)
	d.Decode(receivedMs, testSource, message9().Data(256, record).Bytes(), b)
	if s := d.Exporters()[0]; b.Len() != 0 || s.WaitingSets != 1 || s.WaitingBytes < len(record) {
		t.Fatalf("%d rows, %d sets of %d octets wait", b.Len(), s.WaitingSets, s.WaitingBytes)
	}
	h := header(9)
	h.Export, h.Uptime = h.Export.Add(time.Minute), h.Uptime+time.Minute
	d.Decode(receivedMs+60_000, testSource, generate.New(h).Templates(generate.Template{ID: 256, Fields: fields}).Bytes(), b)
	if b.Len() != 1 {
		t.Fatalf("%d rows", b.Len())
	}
	// Times by the header of its own datagram, reception by the one that released it.
	if b.TimeFlowStart[0] != receivedMs-5000 || b.TimeFlowEnd[0] != receivedMs-1000 || b.TimeReceived[0] != receivedMs+60_000 {
		t.Errorf("from %d to %d, received %d", b.TimeFlowStart[0]-receivedMs, b.TimeFlowEnd[0]-receivedMs, b.TimeReceived[0]-receivedMs)
	}
	counters := d.Total()
	if s := d.Exporters()[0]; s.WaitingSets != 0 || s.WaitingBytes != 0 || counters.Waited != 1 || counters.Flows != 1 || counters.Dropped != (Dropped{}) {
		t.Errorf("%d sets of %d octets wait; counted %+v", s.WaitingSets, s.WaitingBytes, counters)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	body := octets(100, 1)
	t.Run("in time, by the exporter's own datagrams", func(t *testing.T) {
		d, b := newDecoder(t), new(decoder.Batch)
		limit := Default().MaxWaiting.Milliseconds()
		d.Decode(receivedMs, testSource, message9().Data(256, body).Bytes(), b)
		d.Decode(receivedMs+1, testSource, message9().Data(256, body).Bytes(), b)
		d.Decode(receivedMs+limit+1, testSource, message9().Templates(octetsTemplate(256, 100)).Bytes(), b)
		if b.Len() != 1 || d.Total().Dropped[ReasonUnknownTemplate] != 1 {
			t.Errorf("%d rows, %d sets lost", b.Len(), d.Total().Dropped[ReasonUnknownTemplate])
		}
	})
	t.Run("in time, by Expire", func(t *testing.T) {
		d := newDecoder(t)
		d.Decode(receivedMs, testSource, message9().Data(256, body).Bytes(), new(decoder.Batch))
		d.Expire(receivedMs + Default().MaxWaiting.Milliseconds())
		if d.Total().Dropped[ReasonUnknownTemplate] != 0 {
			t.Error("expired too early")
		}
		d.Expire(receivedMs + Default().MaxWaiting.Milliseconds() + 1)
		if d.Total().Dropped[ReasonUnknownTemplate] != 1 || d.Exporters()[0].WaitingBytes != 0 {
			t.Error("not expired")
		}
	})
	t.Run("in octets", func(t *testing.T) {
		d := newDecoder(t, func(c *Config) { c.MaxWaitingBytes = 2 * (100 + waitingOverhead) })
		for range 3 {
			d.Decode(receivedMs, testSource, message9().Data(256, body).Bytes(), new(decoder.Batch))
		}
		if s := d.Exporters()[0]; s.WaitingSets != 2 || s.Counters.Dropped[ReasonWaitingFull] != 1 {
			t.Errorf("%d sets wait, %d lost", s.WaitingSets, s.Counters.Dropped[ReasonWaitingFull])
		}
	})
	t.Run("in octets of all exporters", func(t *testing.T) {
		d := newDecoder(t, func(c *Config) { c.MaxWaitingBytes = 100 + waitingOverhead })
		for i := range waitingShare + 5 {
			d.Decode(receivedMs, exporterAddress(i), message9().Data(256, body).Bytes(), new(decoder.Batch))
		}
		if got := d.Total().Dropped[ReasonWaitingFull]; got != 5 {
			t.Errorf("%d sets lost", got)
		}
	})
	t.Run("off", func(t *testing.T) {
		d := newDecoder(t, func(c *Config) { c.MaxWaiting = 0 })
		d.Decode(receivedMs, testSource, message9().Data(256, body).Bytes(), new(decoder.Batch))
		if got := d.Total().Dropped[ReasonUnknownTemplate]; got != 1 {
			t.Errorf("%d sets lost", got)
		}
	})
}
