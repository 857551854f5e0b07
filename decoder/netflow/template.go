package netflow

import (
	"slices"
)

// template is a data or options template of a domain.
type template struct {
	id     uint16
	scopes int // of an options template, the number of its scope fields; they come first
	fields []field
	plan   *plan // of a data template
	length int   // octets of a record; the least where lengths vary

	learnedMs, refreshedMs, usedMs int64  // receive times
	sets, records                  uint64 // decoded with it

	rate     sampledRate // of all records, where it is the same for all,
	rateFrom uint64      // as of this state of the exporter's rates
}

// template returns the template of a data set, or nil.
func (d *Decoder) template(m *message, id uint16) *template {
	t := m.domain.lastTemplate
	if t == nil || t.id != id {
		if t = m.domain.templates[id]; t == nil {
			return nil
		}
		m.domain.lastTemplate = t
	}
	if expiry := d.config.TemplateExpiry.Milliseconds(); expiry > 0 && m.receivedMs-t.refreshedMs > expiry {
		d.removeTemplate(m.exporter, m.domain, t)
		return nil
	}
	return t
}

// templateSet reads a template set or options template set (RFC 3954 §5.2 and
// §6.1, RFC 7011 §3.4.1 and §3.4.2).
func (d *Decoder) templateSet(m *message, body []byte, options bool) {
	for len(body) >= 4 {
		id := be.Uint16(body)
		if allZero(body) {
			return // padding
		}
		header, count, scopes := templateHeader(m.version, options, body)
		switch {
		case header == 0:
			m.fail(ReasonBadTemplate, id)
			return
		case count == 0 && m.version == 10:
			d.withdraw(m, id, options)
			body = body[4:]
			continue
		}
		rest, ok := d.readFields(m.version, body[header:], count)
		if !ok {
			m.fail(ReasonBadTemplate, id)
			return
		}
		body = rest
		d.learn(m, id, d.fields, scopes, options, count)
	}
}

// templateHeader reads what stands before the field specifiers. header is its
// length, 0 if it cannot be read.
func templateHeader(version uint16, options bool, body []byte) (header, count, scopes int) {
	switch {
	case !options:
		return 4, int(be.Uint16(body[2:])), 0
	case version == 10 && be.Uint16(body[2:]) == 0:
		return 4, 0, 0 // a withdrawal has no scope count
	case len(body) < 6:
		return 0, 0, 0
	case version == 10:
		count, scopes = int(be.Uint16(body[2:])), int(be.Uint16(body[4:]))
		if scopes > count {
			return 0, 0, 0
		}
		return 6, count, scopes
	}
	scopeLength, optionLength := int(be.Uint16(body[2:])), int(be.Uint16(body[4:]))
	if scopeLength%4 != 0 || optionLength%4 != 0 {
		return 0, 0, 0
	}
	return 6, (scopeLength + optionLength) / 4, scopeLength / 4
}

// readFields reads count field specifiers into d.fields, as many as a template
// may have, and returns what follows them.
func (d *Decoder) readFields(version uint16, body []byte, count int) (rest []byte, ok bool) {
	d.fields = d.fields[:0]
	for range count {
		if len(body) < 4 {
			return nil, false
		}
		f := field{id: be.Uint16(body), length: be.Uint16(body[2:])}
		body = body[4:]
		if version == 10 && f.id&0x8000 != 0 {
			if len(body) < 4 {
				return nil, false
			}
			f.id, f.enterprise = f.id&0x7fff, be.Uint32(body)
			body = body[4:]
			if f.enterprise == 0 {
				f.enterprise = reservedEnterprise
			}
		}
		if len(d.fields) <= d.config.MaxFields {
			d.fields = append(d.fields, f)
		}
	}
	return body, true
}

// reservedEnterprise stands for enterprise number 0, which IANA reserves: its
// elements are not those of the registry.
const reservedEnterprise = 1 << 31

// learn takes a template. One that cannot be used takes its predecessor with
// it: the exporter no longer sends what that describes.
func (d *Decoder) learn(m *message, id uint16, fields []field, scopes int, options bool, count int) {
	length := recordLength(fields)
	old := m.domain.templates[id]
	reason := numReasons
	switch {
	case count > d.config.MaxFields:
		reason = int(ReasonTemplateTooLarge)
	case id < firstDataSet, length == 0:
		reason = int(ReasonBadTemplate)
	case length > d.config.MaxRecordLength:
		reason = int(ReasonTemplateTooLarge)
	case old != nil && old.scopes == scopes && (old.plan == nil) == options && slices.Equal(old.fields, fields):
		old.refreshedMs = m.receivedMs
		return
	case m.learned >= maxLearnedPerDatagram, !d.makeRoom(m, old, len(fields)):
		reason = int(ReasonTooManyTemplates)
	}
	if old != nil {
		d.removeTemplate(m.exporter, m.domain, old)
	}
	if reason != numReasons {
		m.fail(Reason(reason), id)
		return
	}
	t := &template{id: id, scopes: scopes, fields: slices.Clone(fields), length: length, learnedMs: m.receivedMs, refreshedMs: m.receivedMs, usedMs: m.receivedMs}
	if !options {
		t.plan = d.compiler.compile(t.fields, m.exporter.little)
	}
	m.learned++
	d.addTemplate(m.exporter, m.domain, t)
	m.exporter.waiting.ready = m.exporter.waiting.ready || len(m.exporter.waiting.sets) > 0
}

// recordLength returns the octets of a record; the least where lengths vary.
func recordLength(fields []field) (octets int) {
	for _, f := range fields {
		if f.length == variableLength {
			octets++ // at least its length octet
			continue
		}
		octets += int(f.length)
	}
	return octets
}

func (d *Decoder) addTemplate(e *exporter, dom *domain, t *template) {
	if dom.templates == nil {
		dom.templates = map[uint16]*template{}
	}
	dom.templates[t.id] = t
	e.templates++
	e.fields += len(t.fields)
	d.generation++
}

func (d *Decoder) removeTemplate(e *exporter, dom *domain, t *template) {
	delete(dom.templates, t.id)
	if dom.lastTemplate == t {
		dom.lastTemplate = nil
	}
	e.templates--
	e.fields -= len(t.fields)
	d.generation++
}

// withdraw removes a template, or all of a kind where its set ID stands for the
// template ID (RFC 7011 §8.1).
func (d *Decoder) withdraw(m *message, id uint16, options bool) {
	all := !options && id == setTemplateIPFIX || options && id == setOptionsTemplateIPFIX
	if !all && id < firstDataSet {
		m.fail(ReasonBadTemplate, id)
		return
	}
	for _, t := range m.domain.templates {
		if (t.plan == nil) == options && (all || t.id == id) {
			d.removeTemplate(m.exporter, m.domain, t)
		}
	}
}

// makeRoom reports whether one more template with so many fields may be kept in
// place of old (nil for none), after removing the least recently used ones
// where that is needed.
func (d *Decoder) makeRoom(m *message, old *template, fields int) bool {
	e, dom := m.exporter, m.domain
	gone := 0
	if old != nil {
		gone = 1
		fields -= len(old.fields)
	}
	for {
		inDomain := len(dom.templates)-gone >= d.config.MaxTemplates
		if !inDomain && e.templates-gone < maxTemplatesPerExporter && e.fields+fields <= maxFieldsPerExporter {
			return true
		}
		if m.evictions >= maxEvictionsPerDatagram {
			return false
		}
		m.evictions++
		domains := e.domains
		if inDomain {
			domains = []*domain{dom}
		}
		if !d.evict(e, domains, old) {
			return false
		}
	}
}

// evict removes the least recently used template of the domains but keep.
func (d *Decoder) evict(e *exporter, domains []*domain, keep *template) bool {
	var oldest *template
	var from *domain
	for _, dom := range domains {
		for _, t := range dom.templates {
			if t == keep {
				continue
			}
			// The order of a map must not matter: of equals, the lowest ID goes.
			if oldest == nil || t.lastMs() < oldest.lastMs() || t.lastMs() == oldest.lastMs() && from == dom && t.id < oldest.id {
				oldest, from = t, dom
			}
		}
	}
	if oldest == nil {
		return false
	}
	d.removeTemplate(e, from, oldest)
	return true
}

// lastMs returns when the template was last sent or used.
func (t *template) lastMs() int64 { return max(t.refreshedMs, t.usedMs) }
