package netflow

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// A state is what a Decoder needs to go on where another one stopped. It has
// two parts. Definitions are what exporters announced: templates, sampling
// rates, names. They seldom change. Progress is what moves with every datagram:
// counters, sequence numbers, times, and the data that waits.
//
// Both are sequences of unsigned varints and length-prefixed octets after a
// magic number that ends in the version of the format.
const (
	definitionsMagic = "NFSdef\x00\x01"
	progressMagic    = "NFSpro\x00\x01"
)

// ErrState is wrapped by errors about states that cannot be read.
var ErrState = errors.New("not a decoder state of this version")

// StateGeneration changes when the definitions change: as long as it stays the
// same, AppendDefinitions appends the same.
func (d *Decoder) StateGeneration() uint64 { return d.generation }

// AppendState appends the whole state, the same octets for the same state. What
// Total counts beyond the exporters that there are is not part of it.
func (d *Decoder) AppendState(dst []byte) []byte {
	return d.AppendProgress(d.AppendDefinitions(dst))
}

// AppendDefinitions appends the part of the state that seldom changes, see
// StateGeneration.
func (d *Decoder) AppendDefinitions(dst []byte) []byte {
	w := writer{append(dst, definitionsMagic...)}
	w.uint(uint64(len(d.order)))
	for _, e := range d.order {
		w.key(e.key)
		w.int(e.firstMs)
		w.int(e.bootMs)
		writeRates(&w, e.rates.samplers)
		w.names(&e.names)
		w.uint(uint64(len(e.domains)))
		for _, dom := range e.domains {
			w.domain(dom)
		}
	}
	return w.b
}

func (w *writer) domain(dom *domain) {
	w.uint(uint64(dom.version))
	w.uint(uint64(dom.id))
	w.int(dom.bootMs)
	w.uint(uint64(dom.rates.whole))
	writeRates(w, dom.rates.samplers)
	writeRates(w, dom.rates.templates)
	writeRates(w, dom.rates.interfaces)
	w.uint(uint64(len(dom.templates)))
	for _, id := range slices.Sorted(maps.Keys(dom.templates)) {
		t := dom.templates[id]
		w.uint(uint64(id))
		w.bool(t.plan == nil)
		w.uint(uint64(t.scopes))
		w.int(t.learnedMs)
		w.uint(uint64(len(t.fields)))
		for _, f := range t.fields {
			w.uint(uint64(f.id))
			w.uint(uint64(f.length))
			w.uint(uint64(f.enterprise))
		}
	}
}

func writeRates[K uint16 | uint32 | uint64](w *writer, table map[K]uint32) {
	w.uint(uint64(len(table)))
	for _, key := range slices.Sorted(maps.Keys(table)) {
		w.uint(uint64(key))
		w.uint(uint64(table[key]))
	}
}

func (w *writer) names(n *names) {
	w.uint(uint64(len(n.entries)))
	for _, key := range n.keys() {
		entry := n.entries[key]
		w.uint(uint64(key.kind))
		w.uint(uint64(key.domain))
		w.uint(key.id)
		w.string(key.octets)
		w.string(entry.name)
		w.string(entry.description)
		w.uint(uint64(entry.rate))
		w.uint(entry.mode)
	}
}

// RestoreState adds the exporters of a state for which keep is true (nil: all),
// so that the states of several Decoders can be spread anew over others. It is
// for Decoders that have not seen these exporters yet. A state that cannot be
// read leaves the Decoder as it was.
//
// Bounds and expiries are those of the Decoder's own Config.
func (d *Decoder) RestoreState(state []byte, keep func(exporter netip.Addr) bool) error {
	r := reader{b: state}
	exporters := d.readDefinitions(&r)
	if r.failed {
		return fmt.Errorf("restore the definitions of exporters: %w", ErrState)
	}
	byKey := map[exporterKey]*exporter{}
	for _, e := range exporters {
		byKey[e.key] = e
	}
	hand := r.progress(func(key exporterKey) *exporter { return byKey[key] })
	if r.failed || len(r.b) > 0 {
		return fmt.Errorf("restore the progress of exporters: %w", ErrState)
	}
	if len(d.order) == 0 {
		d.hand = hand
	}
	for _, e := range exporters {
		if d.exporters[e.key] == nil && (keep == nil || keep(e.address)) {
			d.exporters[e.key] = e
			d.order = append(d.order, e)
			d.waitingBytes += e.waiting.bytes
		}
	}
	d.sortOut()
	d.generation++
	return nil
}

func (d *Decoder) readDefinitions(r *reader) []*exporter {
	r.magic(definitionsMagic)
	var exporters []*exporter
	for range r.count() {
		e := d.newExporter(r.key())
		e.firstMs, e.bootMs = r.int(), r.int()
		e.rates.samplers = readRates[uint64](r)
		r.names(&e.names)
		for range r.count() {
			dom := d.readDomain(r, e)
			if r.failed {
				return nil
			}
			e.domains = append(e.domains, dom)
		}
		if r.failed {
			return nil
		}
		exporters = append(exporters, e)
	}
	return exporters
}

func (d *Decoder) readDomain(r *reader, e *exporter) *domain {
	dom := &domain{version: uint16(r.uint(10)), id: uint32(r.uint(1<<32 - 1)), bootMs: r.int()}
	dom.rates.whole = uint32(r.uint(1<<32 - 1))
	e.rates.count(0, dom.rates.whole)
	dom.rates.samplers = readRates[uint64](r)
	dom.rates.templates = readRates[uint16](r)
	dom.rates.interfaces = readRates[uint32](r)
	countRates(&e.rates, dom.rates.samplers)
	countRates(&e.rates, dom.rates.templates)
	countRates(&e.rates, dom.rates.interfaces)
	for range r.count() {
		t := &template{id: uint16(r.uint(1<<16 - 1))}
		options := r.bool()
		t.scopes, t.learnedMs = int(r.uint(1<<16)), r.int()
		for range r.count() {
			t.fields = append(t.fields, field{uint16(r.uint(1<<16 - 1)), uint16(r.uint(1<<16 - 1)), uint32(r.uint(1<<32 - 1))})
		}
		t.length = recordLength(t.fields)
		if r.failed || t.id < firstDataSet || t.length == 0 || t.length > maxRecordLength || t.scopes > len(t.fields) || len(t.fields) > maxFields {
			r.failed = true
			return nil
		}
		if !options {
			t.plan = d.compiler.compile(t.fields, e.little)
		}
		d.addTemplate(e, dom, t)
	}
	return dom
}

func readRates[K uint16 | uint32 | uint64](r *reader) map[K]uint32 {
	var table map[K]uint32
	for range r.count() {
		if table == nil {
			table = map[K]uint32{}
		}
		key := K(r.uint(1<<64 - 1))
		table[key] = uint32(r.uint(1<<32 - 1))
	}
	return table
}

func countRates[K comparable](t *rateTable, table map[K]uint32) {
	for _, rate := range table {
		t.count(0, rate)
	}
}

func (r *reader) names(n *names) {
	for range r.count() {
		if n.entries == nil {
			n.entries = map[nameKey]nameEntry{}
		}
		key := nameKey{kind: nameKind(r.uint(uint64(numNameKinds) - 1)), domain: uint32(r.uint(1<<32 - 1)), id: r.uint(1<<64 - 1), octets: r.string()}
		n.entries[key] = nameEntry{name: r.string(), description: r.string(), rate: uint32(r.uint(1<<32 - 1)), mode: r.uint(1<<64 - 1)}
	}
}
