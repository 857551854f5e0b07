package netflow

import (
	"net/netip"
	"slices"
)

// exporterKey tells exporters apart: by address, and by port behind addresses
// that several share.
type exporterKey struct {
	address [16]byte
	port    uint16
}

// exporter is everything kept of one exporter.
type exporter struct {
	key     exporterKey
	address netip.Addr

	domains    []*domain // in order of appearance
	lastDomain *domain   // that was looked up

	templates, fields int // over all domains

	bootMs   int64 // of the domain that told it last
	rates    rateTable
	names    names
	waiting  waiting
	counters Counters

	firstMs, lastMs int64 // receive times
	skewMs          int64 // export time minus receive time of the last datagram
	little          bool  // sampling intervals are little-endian

	stranger    bool // see places
	established bool // known by what it sent
}

// domain is an observation domain (RFC 7011 §2), source ID (RFC 3954 §5.1) or
// v5 engine of an exporter.
type domain struct {
	version uint16
	id      uint32

	templates    map[uint16]*template
	lastTemplate *template // that was looked up

	lastMs int64 // receive time
	rates  domainRates
	bootMs int64 // systemInitTimeMilliseconds from options data; 0: not told

	streams []stream
}

// Bounds that no configuration changes.
const (
	maxTemplatesPerExporter = 4096
	maxFieldsPerExporter    = 65536
	maxLearnedPerDatagram   = 256 // new templates
	maxEvictionsPerDatagram = 16  // of templates; finding the oldest takes time
	evictionScan            = 64  // exporters looked at to find one to replace
)

// exporter returns the exporter of a valid datagram, made if it is new, or nil
// when there is no room for it.
func (d *Decoder) exporter(source netip.AddrPort, receivedMs int64) *exporter {
	if source == d.lastSource && d.lastExporter != nil {
		return d.lastExporter
	}
	key := d.keyOf(source)
	e := d.exporters[key]
	if e == nil {
		if len(d.order) >= d.config.MaxExporters && !d.makePlace(key, receivedMs) {
			return nil
		}
		e = d.addExporter(key, receivedMs)
	}
	d.lastSource, d.lastExporter = source, e
	return e
}

func (d *Decoder) keyOf(source netip.AddrPort) exporterKey {
	key := exporterKey{address: source.Addr().As16()}
	if d.config.SharedAddresses != nil && anyContains(d.config.SharedAddresses, source.Addr().Unmap()) {
		key.port = source.Port()
	}
	return key
}

// newExporter makes an exporter with what the configuration says about it.
func (d *Decoder) newExporter(key exporterKey) *exporter {
	e := &exporter{key: key, address: netip.AddrFrom16(key.address).Unmap()}
	e.little = anyContains(d.config.LittleEndianSampling, e.address)
	e.rates.configured = overridesFor(d.config.SamplingOverrides, e.address)
	e.rates.enforce(0)
	return e
}

// addExporter adds a new exporter.
func (d *Decoder) addExporter(key exporterKey, receivedMs int64) *exporter {
	e := d.newExporter(key)
	e.firstMs, e.lastMs = receivedMs, receivedMs
	d.exporters[key] = e
	d.order = append(d.order, e)
	e.stranger = !d.vouchedFor(key)
	if e.stranger {
		d.places.strangers = append(d.places.strangers, e)
	}
	d.generation++
	return e
}

// domain returns a domain of the exporter, made if it is new, or nil when it
// has too many that were in use lately.
func (d *Decoder) domain(e *exporter, version uint16, id uint32, receivedMs int64) *domain {
	dom := e.lastDomain
	if dom == nil || dom.id != id || dom.version != version {
		dom = e.findDomain(version, id)
		if dom == nil {
			if len(e.domains) >= d.config.MaxDomains && !d.replaceDomain(e, receivedMs) {
				return nil
			}
			dom = &domain{version: version, id: id}
			e.domains = append(e.domains, dom)
			d.generation++
		}
		e.lastDomain = dom
	}
	dom.lastMs = receivedMs
	return dom
}

func (e *exporter) findDomain(version uint16, id uint32) *domain {
	for _, dom := range e.domains {
		if dom.id == id && dom.version == version {
			return dom
		}
	}
	return nil
}

// replaceDomain removes the longest unused domain, if it has not been used for
// as long as makes an exporter replaceable.
func (d *Decoder) replaceDomain(e *exporter, receivedMs int64) bool {
	oldest := 0
	for i, dom := range e.domains {
		if dom.lastMs < e.domains[oldest].lastMs {
			oldest = i
		}
	}
	dom := e.domains[oldest]
	if receivedMs-dom.lastMs < d.config.ExporterExpiry.Milliseconds() {
		return false
	}
	for _, t := range dom.templates {
		d.removeTemplate(e, dom, t)
	}
	e.rates.forget(&dom.rates)
	e.domains = slices.Delete(e.domains, oldest, oldest+1)
	e.lastDomain = nil
	d.generation++
	return true
}
