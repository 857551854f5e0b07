package netflow

import (
	"math"
	"net/netip"
	"slices"
)

// Origin tells where a sampling rate comes from.
type Origin string

// The origins of sampling rates, the strongest first.
const (
	OriginConfigured Origin = "configured" // Config.SamplingOverrides, or DefaultSamplingRate where nothing is announced
	OriginRecord     Origin = "record"     // a field of the flow record
	OriginHeader     Origin = "header"     // of a v5 datagram
	OriginOptions    Origin = "options"    // announced in options data
	OriginUnknown    Origin = "unknown"    // nowhere: 1 is taken
)

type sampledRate struct {
	value  uint32
	origin Origin
}

// rateTable is what an exporter's domains share.
type rateTable struct {
	overrides    []SamplingOverride // that concern this exporter, the strongest first
	perInterface bool               // one of them names an interface

	announced map[uint32]int         // how often each rate is announced
	samplers  map[uint64]uint32      // by sampler ID, the last announced in any domain
	state     uint64                 // counts changes of anything that rates depend on
	seen      map[uint32]sampledRate // in force, by ifIndex
}

// domainRates is what a domain's options data announce.
type domainRates struct {
	whole      uint32            // for everything
	samplers   map[uint64]uint32 // by sampler or selector ID
	templates  map[uint16]uint32 // by template ID
	interfaces map[uint32]uint32 // by ifIndex
	sets       uint64            // v5 datagrams seen
}

// Bounds of an exporter's tables.
const (
	maxRates          = 4096 // announced, of each kind in a domain
	maxSeenInterfaces = 4096
)

// overridesFor picks the overrides for an exporter and sorts them by strength.
func overridesFor(all []SamplingOverride, address netip.Addr) []SamplingOverride {
	var matching []SamplingOverride
	for _, o := range all {
		if o.Exporters.Contains(address) {
			matching = append(matching, o)
		}
	}
	weight := func(o SamplingOverride) int {
		w := o.Exporters.Bits()
		if o.Domain != nil {
			w += 1000
		}
		if o.Interface != nil {
			w += 2000
		}
		return w
	}
	slices.SortStableFunc(matching, func(a, b SamplingOverride) int { return weight(b) - weight(a) })
	return matching
}

// override returns the strongest override for a domain and interface, 0 if none.
func (r *rateTable) override(domain, ifIndex uint32) uint32 {
	for _, o := range r.overrides {
		if (o.Domain == nil || *o.Domain == domain) && (o.Interface == nil || *o.Interface == ifIndex) {
			return o.Rate
		}
	}
	return 0
}

// announce keeps a rate in one of the tables. It reports whether that changes
// anything.
func announce[K comparable](r *rateTable, table *map[K]uint32, key K, rate uint32) (changed bool) {
	old, known := (*table)[key]
	if known && old == rate || !known && len(*table) >= maxRates {
		return false
	}
	if *table == nil {
		*table = map[K]uint32{}
	}
	(*table)[key] = rate
	r.count(old, rate)
	return true
}

// count keeps track of which rates are announced; 0 is none.
func (r *rateTable) count(old, rate uint32) {
	if r.announced == nil {
		r.announced = map[uint32]int{}
	}
	if r.announced[old]--; r.announced[old] <= 0 {
		delete(r.announced, old)
	}
	if rate != 0 {
		r.announced[rate]++
	}
	r.state++
}

// forget takes back what a domain announced.
func (r *rateTable) forget(dom *domainRates) {
	r.count(dom.whole, 0)
	forgetTable(r, dom.samplers)
	forgetTable(r, dom.templates)
	forgetTable(r, dom.interfaces)
}

func forgetTable[K comparable](r *rateTable, table map[K]uint32) {
	for _, rate := range table {
		r.count(rate, 0)
	}
}

// only returns the exporter's only announced rate, 0 if there are several or none.
func (r *rateTable) only() uint32 {
	if len(r.announced) == 1 {
		for rate := range r.announced {
			return rate
		}
	}
	return 0
}

// rateQuery is what the rate of a row depends on.
type rateQuery struct {
	inRecord uint32 // rate told by the record or the v5 header
	ifIndex  uint32
	sampler  uint64
}

// rateOf finds the sampling rate of rows: a configured override, the record's
// own, its sampler's in its domain or any other, its template's, its
// interface's, its domain's, the only one that the exporter has announced, the
// configured default, or 1.
func (d *Decoder) rateOf(m *message, t *template, q rateQuery) sampledRate {
	e, dom := &m.exporter.rates, &m.domain.rates
	if rate := e.override(m.domain.id, q.ifIndex); rate != 0 {
		return sampledRate{rate, OriginConfigured}
	}
	if q.inRecord != 0 && t == nil {
		return sampledRate{q.inRecord, OriginHeader}
	}
	if q.inRecord != 0 {
		return sampledRate{q.inRecord, OriginRecord}
	}
	if t != nil {
		if rate := dom.announcedFor(e, t, q); rate != 0 {
			return sampledRate{rate, OriginOptions}
		}
	}
	if dom.whole != 0 {
		return sampledRate{dom.whole, OriginOptions}
	}
	if rate := e.only(); rate != 0 {
		return sampledRate{rate, OriginOptions}
	}
	if d.config.DefaultSamplingRate != 0 {
		return sampledRate{d.config.DefaultSamplingRate, OriginConfigured}
	}
	return sampledRate{1, OriginUnknown}
}

// announcedFor returns the rate announced for a record's sampler, template or
// interface, 0 if none.
func (r *domainRates) announcedFor(e *rateTable, t *template, q rateQuery) uint32 {
	if t.plan.has.sampler {
		if rate := r.samplers[q.sampler]; rate != 0 {
			return rate
		}
		if rate := e.samplers[q.sampler]; rate != 0 {
			return rate
		}
	}
	if rate := r.templates[t.id]; rate != 0 {
		return rate
	}
	return r.interfaces[q.ifIndex]
}

// sample sets the sampling rates of new rows.
func (d *Decoder) sample(m *message, t *template, first, n int) {
	b, e := d.execution.batch, m.exporter
	look := m.domain.look(t) // at which interfaces the flows came in
	r, same := d.commonRate(m, t, first, n)
	if !same {
		d.sampleRows(m, t, first, n, look)
		return
	}
	fill(b.SamplingRate[first:first+n], r.value)
	if r.origin == OriginUnknown {
		e.counters.RateUnknown += uint64(n)
	}
	if look {
		for row := first; row < first+n; row++ {
			e.rates.see(ifIndexOf(b.InIf[row], b.OutIf[row]), r)
		}
	}
}

// look reports whether the interfaces of this set's flows are noted: those of
// all sets at first, later of some, because it takes time.
func (dom *domain) look(t *template) bool {
	sets := dom.rates.sets
	if t != nil {
		sets = t.sets
	} else {
		dom.rates.sets++
	}
	return sets <= 64 || sets%64 == 0
}

// commonRate returns the rate of all rows if it is the same for all: where
// records tell none, or all have the same rate and sampler, as is the rule.
func (d *Decoder) commonRate(m *message, t *template, first, n int) (r sampledRate, same bool) {
	if m.exporter.rates.perInterface || len(m.domain.rates.interfaces) > 0 {
		return r, false
	}
	if t == nil {
		return d.rateOf(m, nil, rateQuery{inRecord: m.rate}), true
	}
	has := &t.plan.has
	if !has.rate && !has.sampler && t.plan.rateFields == nil {
		state := m.exporter.rates.state + 1
		if t.rateFrom != state {
			t.rate, t.rateFrom = d.rateOf(m, t, rateQuery{}), state
		}
		return t.rate, true
	}
	rates := d.execution.batch.SamplingRate[first : first+n]
	if t.plan.rateFields != nil || has.rate && !uniform(rates) || has.sampler && !uniform(d.execution.sampler[:n]) {
		return r, false
	}
	return d.rateOf(m, t, d.query(m, t, 0, rates[0])), true
}

func uniform[T comparable](values []T) bool {
	for _, v := range values {
		if v != values[0] {
			return false
		}
	}
	return true
}

// sampleRows is sample for rows whose rates may differ.
func (d *Decoder) sampleRows(m *message, t *template, first, n int, look bool) {
	b, e := d.execution.batch, m.exporter
	byInterface := e.rates.perInterface || len(m.domain.rates.interfaces) > 0
	rates := b.SamplingRate[first : first+n]
	in, out := b.InIf[first:first+n], b.OutIf[first:first+n]
	var last rateQuery
	var r sampledRate
	for i := range rates {
		q := d.query(m, t, i, rates[i])
		if byInterface {
			q.ifIndex = ifIndexOf(in[i], out[i])
		}
		if i == 0 || q != last {
			r, last = d.rateOf(m, t, q), q
		}
		rates[i] = r.value
		if r.origin == OriginUnknown {
			e.counters.RateUnknown++
		}
		if look {
			e.rates.see(ifIndexOf(in[i], out[i]), r)
		}
	}
}

// query gathers what the rate of one record depends on, but for its interface.
// rate is what the record tells in elements 34 and 50.
func (d *Decoder) query(m *message, t *template, record int, rate uint32) rateQuery {
	if t == nil {
		return rateQuery{inRecord: m.rate}
	}
	var q rateQuery
	if t.plan.has.rate {
		q.inRecord = rate
	}
	if q.inRecord == 0 && t.plan.rateFields != nil {
		q.inRecord = d.execution.recordRate(t.plan.rateFields, record)
	}
	if t.plan.has.sampler {
		q.sampler = d.execution.sampler[record]
	}
	return q
}

// ifIndexOf returns the interface that a flow's rate goes by.
func ifIndexOf(in, out uint32) uint32 {
	if in != 0 {
		return in
	}
	return out
}

// see notes the rate in force at an interface.
func (r *rateTable) see(ifIndex uint32, rate sampledRate) {
	known, ok := r.seen[ifIndex]
	if ok && known == rate || !ok && len(r.seen) >= maxSeenInterfaces {
		return
	}
	if r.seen == nil {
		r.seen = map[uint32]sampledRate{}
	}
	r.seen[ifIndex] = rate
}

// samplingElements are those from which a rate is calculated.
var samplingElements = map[uint16]bool{305: true, 306: true, 309: true, 310: true, 311: true, 396: true, 397: true}

// maxRateFields bounds the rate fields of a template.
const maxRateFields = 8

// samplingParts are the values of a record that tell a rate, 0 where absent.
type samplingParts struct {
	interval, random    uint64  // 34, 50: one packet of so many
	sampled, skipped    uint64  // 305, 306: packets in a row
	hasSkipped          bool    // 306 may be 0
	size, population    uint64  // 309, 310: size out of population packets
	probability         float64 // 311
	flows, flowsSkipped uint64  // 396, 397: flows in a row
}

// add takes a field; others than those of sampling are ignored.
func (s *samplingParts) add(id uint16, octets []byte, little bool) {
	v := number(octets)
	switch id {
	case 34:
		s.interval = v
		if little {
			s.interval = numberLittle(octets)
		}
	case 50:
		s.random = v
		if little {
			s.random = numberLittle(octets)
		}
	case 305:
		s.sampled = v
	case 306:
		s.skipped, s.hasSkipped = v, true
	case 309:
		s.size = v
	case 310:
		s.population = v
	case 311:
		switch len(octets) {
		case 4:
			s.probability = float64(math.Float32frombits(uint32(v)))
		case 8:
			s.probability = math.Float64frombits(v)
		}
	case 396:
		s.flows = v
	case 397:
		s.flowsSkipped = v
	}
}

// rate calculates one packet in how many is sampled, 0 if that is not told.
func (s *samplingParts) rate() uint32 {
	ratio := 0.0
	switch {
	case s.interval != 0:
		ratio = float64(s.interval)
	case s.random != 0:
		ratio = float64(s.random)
	case s.sampled != 0 && s.hasSkipped:
		ratio = (float64(s.sampled) + float64(s.skipped)) / float64(s.sampled)
	case s.size != 0 && s.population != 0:
		ratio = float64(s.population) / float64(s.size)
	case s.probability > 0 && s.probability <= 1:
		ratio = 1 / s.probability
	case s.sampled != 0:
		ratio = float64(s.sampled)
	case s.flows != 0:
		ratio = (float64(s.flows) + float64(s.flowsSkipped)) / float64(s.flows)
	default:
		return 0
	}
	return uint32(max(1, min(math.Round(ratio), math.MaxUint32)))
}

// recordRate calculates the rate told by fields of a flow record.
func (x *execution) recordRate(fields []rateField, record int) uint32 {
	var parts samplingParts
	for i := range fields {
		parts.add(fields[i].id, x.value(&fields[i].op, record), false)
	}
	return parts.rate()
}
