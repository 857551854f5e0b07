package netflow

import (
	"bytes"

	"github.com/nfstats/nfstats/decoder"
)

// waiting are the data sets of an exporter whose templates have not come yet,
// in order of reception.
type waiting struct {
	sets  []waitingSet
	bytes int  // that they occupy
	ready bool // some may be decoded now
}

// A waitingSet is a data set with what its message's header told.
type waitingSet struct {
	version    uint16
	domain     uint32
	id         uint16
	receivedMs int64
	exportMs   int64
	uptimeMs   uint32
	body       []byte
}

const (
	waitingOverhead = 64  // octets that a waiting set takes beside its body
	waitingShare    = 256 // exporters that may wait with all that each is allowed
	knownShare      = 384 // the same for known ones, whom strangers leave the difference
)

func (w *waitingSet) size() int { return len(w.body) + waitingOverhead }

// wait keeps a data set for later.
func (d *Decoder) wait(m *message, id uint16, body []byte) {
	w := &m.exporter.waiting
	set := waitingSet{version: m.version, domain: m.domain.id, id: id, receivedMs: m.receivedMs,
		exportMs: m.exportMs, uptimeMs: m.uptimeMs, body: body}
	share := knownShare
	if m.exporter.stranger {
		share = waitingShare
	}
	switch {
	case d.config.MaxWaiting == 0 || d.config.MaxWaitingBytes == 0:
		m.exporter.counters.Dropped[ReasonUnknownTemplate]++
		return
	case w.bytes+set.size() > d.config.MaxWaitingBytes, d.waitingBytes+set.size() > share*d.config.MaxWaitingBytes:
		m.exporter.counters.Dropped[ReasonWaitingFull]++
		return
	}
	set.body = bytes.Clone(body)
	w.sets = append(w.sets, set)
	w.bytes += set.size()
	d.waitingBytes += set.size()
	m.exporter.counters.Waited++
}

// Expire gives up data that has waited for its template for too long by the
// time nowMs (Unix milliseconds). Decode does so for the datagram's exporter;
// Expire is for those that have fallen silent. To keep decoding repeatable,
// nowMs has to be the time of a reception.
func (d *Decoder) Expire(nowMs int64) {
	if d.waitingBytes == 0 {
		return
	}
	for _, e := range d.order {
		d.expireWaiting(e, nowMs)
	}
}

func (d *Decoder) expireWaiting(e *exporter, nowMs int64) {
	w, expired := &e.waiting, 0
	for expired < len(w.sets) && nowMs-w.sets[expired].receivedMs > d.config.MaxWaiting.Milliseconds() {
		e.counters.Dropped[ReasonUnknownTemplate]++
		expired++
	}
	d.dropWaiting(w, expired)
}

// dropWaiting removes the first n waiting sets.
func (d *Decoder) dropWaiting(w *waiting, n int) {
	if n == 0 {
		return
	}
	for i := range w.sets[:n] {
		w.bytes -= w.sets[i].size()
		d.waitingBytes -= w.sets[i].size()
	}
	w.sets = w.sets[:copy(w.sets, w.sets[n:])]
	clear(w.sets[len(w.sets):cap(w.sets)])
}

// releaseWaiting decodes the sets whose template has come, as many as this
// datagram may still bring rows; the rest follows with the exporter's next
// datagrams. Their rows carry the reception time of the datagram that released
// them, so that reception times never go backwards from row to row.
func (d *Decoder) releaseWaiting(m *message) {
	w := &m.exporter.waiting
	w.ready = false
	kept := w.sets[:0]
	for _, set := range w.sets {
		released := message{exporter: m.exporter, source: m.source, version: set.version, flowType: decoder.TypeNetFlowV9,
			receivedMs: m.receivedMs, exportMs: set.exportMs, uptimeMs: set.uptimeMs, rowsLeft: m.rowsLeft}
		if set.version == 10 {
			released.flowType = decoder.TypeIPFIX
		}
		var t *template
		if released.domain = d.domain(m.exporter, set.version, set.domain, m.receivedMs); released.domain != nil {
			t = d.template(&released, set.id)
		}
		if t == nil {
			kept = append(kept, set)
			continue
		}
		if m.rowsLeft < maxRows/2 && len(set.body)/t.length > m.rowsLeft {
			w.ready = true
			kept = append(kept, set)
			continue
		}
		d.waitingBytes -= set.size()
		w.bytes -= set.size()
		d.dataSet(&released, set.id, set.body)
		m.rowsLeft = released.rowsLeft
	}
	clear(w.sets[len(kept):])
	w.sets = kept
}
