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
	configured   []SamplingOverride // that concern this exporter, the strongest first
	overrides    []SamplingOverride // those in force
	perInterface bool               // one of them names an interface
	from, until  int64              // receive times, half open, between which they are in force

	announced map[uint32]int         // how often each rate is announced
	entries   int                    // announced in all domains
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
	maxRates          = 4096  // announced, of each kind in a domain
	maxExporterRates  = 32768 // in all domains
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

// enforce finds the overrides in force at a receive time.
func (r *rateTable) enforce(receivedMs int64) {
	r.from, r.until = math.MinInt64, math.MaxInt64
	r.overrides, r.perInterface = nil, false
	for _, o := range r.configured {
		if o.SinceMs > receivedMs {
			r.until = min(r.until, o.SinceMs)
			continue
		}
		if o.SinceMs > 0 {
			r.from = max(r.from, o.SinceMs)
		}
		newest := o // for the same, that has begun
		for _, other := range r.configured {
			if other.Same(o) && other.SinceMs > newest.SinceMs && other.SinceMs <= receivedMs {
				newest = other
			}
		}
		withdrawn := newest.Rate == 0 && o.SinceMs == 0 // what holds always is back
		if o.Rate != 0 && (newest == o || withdrawn) {
			r.overrides = append(r.overrides, o)
			r.perInterface = r.perInterface || o.Interface != nil
		}
	}
	r.state++
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
	if known && old == rate || !known && (len(*table) >= maxRates || r.entries >= maxExporterRates) {
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
		r.entries++
	}
	if old != 0 {
		r.entries--
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
