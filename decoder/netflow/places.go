package netflow

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// The source address of a datagram can be forged, so whoever sends one is a
// stranger at first. It becomes known when its flows have come for some time, or
// at once when somebody vouches for its address, see SetKnown. Once all places
// of Config.MaxExporters are taken, a newcomer gets one in these ways only:
//
//   - One that is vouched for takes a stranger's.
//   - One that has been refused and still sends provenAfter later takes that of a
//     stranger who has had it for some time, or of a known exporter that has been
//     silent for Config.ExporterExpiry.
//   - Any other takes that of a stranger who has been silent for as long.
//
// So a flood of addresses that send once neither moves anybody nor costs more
// than a place in a table of addresses; strangers never displace who is known;
// and part of the places always stays with strangers, so that a new router finds
// one.
const (
	provenAfter = 2 * time.Second // between the datagrams that prove that a newcomer keeps sending

	// How long a stranger keeps its place against newcomers: it may wait for its
	// template, and be in use again.
	keptOnce = 5 * time.Second // after its only datagram
	kept     = 30 * time.Second

	// What makes an exporter known.
	knownAfter     = time.Minute
	knownDatagrams = 20

	maxSighted = 1 << 15 // addresses without place in each of two tables: about 4 MB in all
)

// places tells who has the places, and who would like one.
type places struct {
	vouched     map[[16]byte]bool // addresses
	strangers   []*exporter       // in order of appearance
	established int               // exporters that are known by what they sent

	// Receive times (Unix milliseconds) of the first datagram of addresses without
	// place. When the newer table is full the older one is forgotten. They are not
	// part of the state: a newcomer shows anew that it keeps sending.
	sighted, sightedBefore map[exporterKey]int64

	refused   uint64
	evicted   uint64
	pressedMs int64
}

// Places tells how many exporters there are and what becomes of those for whom
// there is no room.
type Places struct {
	Max     int // Config.MaxExporters
	Taken   int
	Known   int    // of those taken: exporters that strangers do not displace
	Refused uint64 // addresses that got no place with their first datagram
	Evicted uint64 // strangers that lost their place to another exporter

	PressedMs int64 // receive time of the last datagram that found no free place, Unix milliseconds
}

// Add adds the places of another Decoder.
func (p *Places) Add(o Places) {
	p.Max, p.Taken, p.Known = p.Max+o.Max, p.Taken+o.Taken, p.Known+o.Known
	p.Refused, p.Evicted = p.Refused+o.Refused, p.Evicted+o.Evicted
	p.PressedMs = max(p.PressedMs, o.PressedMs)
}

// Places describes the places of the Decoder. The counts begin with it.
func (d *Decoder) Places() Places {
	p := &d.places
	return Places{Max: d.config.MaxExporters, Taken: len(d.order), Known: len(d.order) - len(p.strangers),
		Refused: p.refused, Evicted: p.evicted, PressedMs: p.pressedMs}
}

// SetKnown vouches for addresses: of routers that operators have named, or that
// answer to SNMP. Addresses of before that are not among them are no longer
// vouched for. Behind Config.SharedAddresses nothing is, since ports come by
// thousands.
func (d *Decoder) SetKnown(exporters []netip.Addr) {
	d.places.vouched = make(map[[16]byte]bool, len(exporters))
	for _, address := range exporters {
		d.places.vouched[address.As16()] = true
	}
	d.sortOut()
}

// Knows reports whether there is a known exporter at the address and port.
func (d *Decoder) Knows(source netip.AddrPort) bool {
	e := d.exporters[d.keyOf(source)]
	return e != nil && !e.stranger
}

func (d *Decoder) vouchedFor(key exporterKey) bool {
	return key.port == 0 && d.places.vouched[key.address]
}

// sortOut finds out who is known and who a stranger, after a restore or after
// those who are vouched for have changed.
func (d *Decoder) sortOut() {
	p := &d.places
	clear(p.strangers)
	p.strangers, p.established = p.strangers[:0], 0
	for _, e := range d.order {
		e.stranger, e.established = !d.vouchedFor(e.key), false
		if e.stranger {
			p.strangers = append(p.strangers, e)
		}
	}
	slices.SortStableFunc(p.strangers, func(a, b *exporter) int { return cmp.Compare(a.firstMs, b.firstMs) })
	for _, e := range slices.Clone(p.strangers) {
		d.establish(e)
	}
}

// establish makes a stranger known if it has sent enough and strangers keep their
// part of the places.
func (d *Decoder) establish(e *exporter) {
	c := &e.counters
	if c.Datagrams < knownDatagrams || c.Flows == 0 || e.lastMs-e.firstMs < knownAfter.Milliseconds() ||
		d.places.established >= d.config.MaxExporters-d.config.MaxExporters/4 {
		return
	}
	d.places.established++
	e.stranger, e.established = false, true
	d.places.forgetStranger(e)
}

func (p *places) forgetStranger(e *exporter) {
	if i := slices.Index(p.strangers, e); i >= 0 {
		p.strangers = slices.Delete(p.strangers, i, i+1)
	}
}

// makePlace finds a place for a newcomer once all are taken.
func (d *Decoder) makePlace(key exporterKey, receivedMs int64) bool {
	p := &d.places
	p.pressedMs = max(p.pressedMs, receivedMs)
	switch {
	case d.vouchedFor(key):
		if e := p.leastStranger(receivedMs, 0, 0); e != nil {
			d.displace(e)
			return true
		}
		return d.replaceSilent(receivedMs)
	case p.proven(key, receivedMs):
		e := p.leastStranger(receivedMs, keptOnce, kept)
		if e != nil {
			d.displace(e)
		}
		if e == nil && !d.replaceSilent(receivedMs) {
			return false
		}
		delete(p.sighted, key)
		return true
	}
	e := p.leastStranger(receivedMs, d.config.ExporterExpiry, d.config.ExporterExpiry)
	if e != nil && receivedMs-e.lastMs >= d.config.ExporterExpiry.Milliseconds() {
		d.displace(e)
		return true
	}
	return false
}

// proven reports whether a newcomer has kept sending, and remembers that it has sent.
func (p *places) proven(key exporterKey, receivedMs int64) bool {
	first, known := p.sighted[key]
	if known {
		return receivedMs-first >= provenAfter.Milliseconds()
	}
	if first, known = p.sightedBefore[key]; !known {
		first = receivedMs
		p.refused++
	}
	if p.sighted == nil || len(p.sighted) >= maxSighted {
		p.sighted, p.sightedBefore = map[exporterKey]int64{}, p.sighted
	}
	p.sighted[key] = first
	return receivedMs-first >= provenAfter.Milliseconds()
}

// leastStranger returns, of the strangers that have been here longest, the one
// that matters least: one that sent nothing of use before others, then the longest
// silent. Nil means that none has been here for long enough.
func (p *places) leastStranger(receivedMs int64, once, longer time.Duration) *exporter {
	var least *exporter
	for _, e := range p.strangers[:min(evictionScan, len(p.strangers))] {
		here := receivedMs - e.firstMs
		if here < min(once, longer).Milliseconds() {
			break
		}
		if here < longer.Milliseconds() && e.counters.Datagrams > 1 {
			continue
		}
		if least == nil || cmp.Or(cmp.Compare(e.use(), least.use()), cmp.Compare(e.lastMs, least.lastMs)) < 0 {
			least = e
		}
	}
	return least
}

// use is 0 for an exporter that sent one datagram only, or neither a template nor
// a flow.
func (e *exporter) use() int {
	if e.counters.Datagrams <= 1 || e.templates == 0 && e.counters.Flows == 0 {
		return 0
	}
	return 1
}

// displace takes a stranger's place away.
func (d *Decoder) displace(e *exporter) {
	d.places.evicted++
	d.remove(slices.Index(d.order, e))
}

// replaceSilent removes the longest silent of the next few exporters, if it has
// been silent for long enough.
func (d *Decoder) replaceSilent(receivedMs int64) bool {
	oldest := -1
	for range min(evictionScan, len(d.order)) {
		d.hand = (d.hand + 1) % len(d.order)
		if oldest < 0 || d.order[d.hand].lastMs < d.order[oldest].lastMs {
			oldest = d.hand
		}
	}
	if receivedMs-d.order[oldest].lastMs < d.config.ExporterExpiry.Milliseconds() {
		return false
	}
	d.remove(oldest)
	return true
}

// remove forgets the exporter that is at a place of d.order.
func (d *Decoder) remove(at int) {
	e := d.order[at]
	d.waitingBytes -= e.waiting.bytes
	d.others.Add(&e.counters)
	delete(d.exporters, e.key)
	d.order = slices.Delete(d.order, at, at+1)
	d.places.forgetStranger(e)
	if e.established {
		d.places.established--
	}
	d.lastExporter = nil
	d.generation++
}
