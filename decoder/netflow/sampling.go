package netflow

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
