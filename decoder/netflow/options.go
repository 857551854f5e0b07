package netflow

// announcement is what one options record says.
type announcement struct {
	sampling samplingParts
	mode     uint64 // sampling mode or algorithm
	bootMs   uint64

	sampler, template, ifIndex, vrf, domain          uint64
	hasSampler, hasTemplate, hasInterface, hasDomain bool

	ifName, ifDescription, vrfName, samplerName   []byte
	application, applicationName, applicationText []byte
}

// Scope types of NetFlow v9 (RFC 3954 §6.1); higher ones are taken for
// information elements.
const (
	scopeInterface = 2

	scopeTemplate = 5
)

// optionsData reads the records of an options data set and returns how many
// there were.
func (d *Decoder) optionsData(m *message, t *template, body []byte) (records uint32) {
	for len(body) >= t.length && records < maxRows {
		var a announcement
		rest, ok := a.read(m, t, body)
		if !ok {
			if !allZero(body) {
				m.uncounted = true
				m.fail(ReasonBadRecord, t.id)
			}
			return records
		}
		body = rest
		records++
		d.apply(m, &a)
	}
	if len(body) >= t.length {
		m.uncounted = true
		m.fail(ReasonTooManyRows, t.id)
	}
	return records
}

// read reads one record and returns what follows it.
func (a *announcement) read(m *message, t *template, body []byte) (rest []byte, ok bool) {
	for i, f := range t.fields {
		length := int(f.length)
		if f.length == variableLength {
			if length, body, ok = variable(body); !ok {
				return nil, false
			}
		}
		if length > len(body) {
			return nil, false
		}
		octets := body[:length]
		body = body[length:]
		if length == 0 || f.enterprise != 0 {
			continue
		}
		if m.version == 9 && i < t.scopes && f.id <= scopeTemplate {
			a.addScope(f.id, octets)
			continue
		}
		a.add(f.id, octets, m.exporter.little)
	}
	return body, true
}

// variable reads the length of a variable-length field (RFC 7011 §7).
func variable(body []byte) (length int, rest []byte, ok bool) {
	switch {
	case len(body) >= 1 && body[0] < 255:
		return int(body[0]), body[1:], true
	case len(body) >= 3:
		return int(be.Uint16(body[1:])), body[3:], true
	}
	return 0, nil, false
}

func (a *announcement) addScope(scope uint16, octets []byte) {
	switch scope {
	case scopeInterface:
		a.ifIndex, a.hasInterface = number(octets), true
	case scopeTemplate:
		a.template, a.hasTemplate = number(octets), true
	}
}

// add takes a field, scope or not: exporters put identifiers in both places.
func (a *announcement) add(id uint16, octets []byte, little bool) {
	switch id {
	case 10, 14, 252, 253:
		a.ifIndex, a.hasInterface = number(octets), true
	case 48, 302:
		a.sampler, a.hasSampler = number(octets), true
	case 145:
		a.template, a.hasTemplate = number(octets), true
	case 149:
		a.domain, a.hasDomain = number(octets), true
	case 234, 235:
		a.vrf = number(octets)
	case 160:
		a.bootMs = number(octets)
	case 35, 49, 304:
		a.mode = number(octets)
	case 82:
		a.ifName = octets
	case 83:
		a.ifDescription = octets
	case 84, 335:
		a.samplerName = octets
	case 236:
		a.vrfName = octets
	case 94:
		a.applicationText = octets
	case 95:
		a.application = octets
	case 96:
		a.applicationName = octets
	default:
		a.sampling.add(id, octets, little)
	}
}

// apply keeps what an options record says, for the observation domain that it
// names or else that of its message.
func (d *Decoder) apply(m *message, a *announcement) {
	e, dom := m.exporter, m.domain
	if a.hasDomain && a.domain != 0 && uint32(a.domain) != dom.id {
		if dom = d.domain(e, m.version, uint32(a.domain), m.receivedMs); dom == nil {
			dom = m.domain
		}
	}
	if a.bootMs != 0 && dom.bootMs != int64(a.bootMs) {
		dom.bootMs, e.bootMs = int64(a.bootMs), int64(a.bootMs)
		d.generation++
	}
	rate := a.sampling.rate()
	if rate != 0 && dom.announce(&e.rates, a, rate) {
		d.generation++
	}
	if d.nameAll(e, dom, a, rate) {
		d.generation++
	}
}

// announce keeps a sampling rate where flows will look for it, and reports
// whether it is news.
func (dom *domain) announce(e *rateTable, a *announcement, rate uint32) (changed bool) {
	r := &dom.rates
	if a.hasSampler {
		changed = announce(e, &r.samplers, a.sampler, rate)
		if old, known := e.samplers[a.sampler]; old != rate && (known || len(e.samplers) < maxRates) {
			if e.samplers == nil {
				e.samplers = map[uint64]uint32{}
			}
			e.samplers[a.sampler] = rate
			e.state++
			changed = true
		}
	}
	if a.hasTemplate {
		changed = announce(e, &r.templates, uint16(a.template), rate) || changed
	}
	if a.hasInterface && a.ifIndex != 0 {
		changed = announce(e, &r.interfaces, uint32(a.ifIndex), rate) || changed
	}
	if a.hasSampler || a.hasTemplate || a.hasInterface && a.ifIndex != 0 || r.whole == rate {
		return changed
	}
	e.count(r.whole, rate)
	r.whole = rate
	return true
}
