package netflow

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// AppendProgress appends the part of the state that moves with every datagram.
func (d *Decoder) AppendProgress(dst []byte) []byte {
	w := writer{append(dst, progressMagic...)}
	w.uint(uint64(d.hand))
	w.uint(uint64(len(d.order)))
	for _, e := range d.order {
		w.key(e.key)
		w.int(e.lastMs)
		w.int(e.skewMs)
		w.counters(&e.counters)
		w.uint(uint64(len(e.waiting.sets)))
		w.bool(e.waiting.ready)
		for i := range e.waiting.sets {
			w.waitingSet(&e.waiting.sets[i])
		}
		w.uint(uint64(len(e.domains)))
		for _, dom := range e.domains {
			w.domainProgress(dom)
		}
	}
	return w.b
}

func (w *writer) counters(c *Counters) {
	for _, p := range c.plain() {
		w.uint(*p)
	}
	w.uint(uint64(len(c.Dropped)))
	for _, dropped := range c.Dropped {
		w.uint(dropped)
	}
}

func (w *writer) waitingSet(s *waitingSet) {
	w.uint(uint64(s.version))
	w.uint(uint64(s.domain))
	w.uint(uint64(s.id))
	w.int(s.receivedMs)
	w.int(s.exportMs)
	w.uint(uint64(s.uptimeMs))
	w.string(string(s.body))
}

func (w *writer) domainProgress(dom *domain) {
	w.uint(uint64(dom.version))
	w.uint(uint64(dom.id))
	w.int(dom.lastMs)
	w.uint(dom.rates.sets)
	w.uint(uint64(len(dom.streams)))
	for i := range dom.streams {
		s := &dom.streams[i]
		w.uint(uint64(s.port))
		w.bool(s.exact)
		w.int(s.lastMs)
		for _, v := range s.numbers() {
			w.uint(uint64(*v))
		}
	}
	w.uint(uint64(len(dom.templates)))
	for _, id := range slices.Sorted(maps.Keys(dom.templates)) {
		t := dom.templates[id]
		w.uint(uint64(id))
		w.int(t.refreshedMs)
		w.int(t.usedMs)
		w.uint(t.sets)
		w.uint(t.records)
	}
}

// RestoreProgress restores the progress of the exporters that the Decoder has,
// from a later AppendProgress than that of the state they came from.
func (d *Decoder) RestoreProgress(progress []byte) error {
	r := reader{b: progress}
	d.hand = r.progress(func(key exporterKey) *exporter { return d.exporters[key] })
	d.waitingBytes = 0
	for _, e := range d.order {
		d.waitingBytes += e.waiting.bytes
	}
	if r.failed || len(r.b) > 0 {
		return fmt.Errorf("restore the progress of exporters: %w", ErrState)
	}
	d.sortOut()
	return nil
}

// progress reads progress into the exporters that find knows, and returns the
// hand of the clock that finds exporters to replace.
func (r *reader) progress(find func(exporterKey) *exporter) (hand int) {
	r.magic(progressMagic)
	hand = int(r.uint(1 << 31))
	for range r.count() {
		e := find(r.key())
		if e == nil {
			e = &exporter{} // read over it
		}
		e.lastMs, e.skewMs = r.int(), r.int()
		r.counters(&e.counters)
		sets := r.count()
		e.waiting = waiting{ready: r.bool()}
		for range sets {
			s := r.waitingSet()
			e.waiting.sets = append(e.waiting.sets, s)
			e.waiting.bytes += s.size()
		}
		for range r.count() {
			r.domainProgress(e)
		}
	}
	return hand
}

func (r *reader) counters(c *Counters) {
	for _, p := range c.plain() {
		*p = r.uint(1<<64 - 1)
	}
	for i := range r.count() {
		if dropped := r.uint(1<<64 - 1); i < len(c.Dropped) {
			c.Dropped[i] = dropped
		}
	}
}

func (r *reader) waitingSet() waitingSet {
	return waitingSet{version: uint16(r.uint(10)), domain: uint32(r.uint(1<<32 - 1)), id: uint16(r.uint(1<<16 - 1)),
		receivedMs: r.int(), exportMs: r.int(), uptimeMs: uint32(r.uint(1<<32 - 1)), body: bytes.Clone(r.octets())}
}

func (r *reader) domainProgress(e *exporter) {
	version, id := uint16(r.uint(10)), uint32(r.uint(1<<32-1))
	dom := e.findDomain(version, id)
	if dom == nil {
		dom = &domain{} // read over it
	}
	dom.lastMs = r.int()
	dom.rates.sets = r.uint(1<<64 - 1)
	dom.streams = nil
	for range r.count() {
		s := stream{port: uint16(r.uint(1<<16 - 1)), exact: r.bool(), lastMs: r.int()}
		for _, v := range s.numbers() {
			*v = uint32(r.uint(1<<32 - 1))
		}
		dom.streams = append(dom.streams, s)
	}
	for range r.count() {
		t := dom.templates[uint16(r.uint(1<<16-1))]
		if t == nil {
			t = &template{}
		}
		t.refreshedMs, t.usedMs, t.sets, t.records = r.int(), r.int(), r.uint(1<<64-1), r.uint(1<<64-1)
	}
}
