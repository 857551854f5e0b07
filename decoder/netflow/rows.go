package netflow

import "slices"

// rows adds the n located records to the batch.
func (d *Decoder) rows(m *message, t *template, n int) {
	x, p := &d.execution, t.plan
	x.first = x.batch.ExtendColumns(n, p.full, p.partial)
	if p.walk != nil {
		x.clearOptional(n)
	}
	x.scratch(p, n)
	if p.family.mixed {
		x.findFamily(&p.family, n)
	} else if p.etype != 0 {
		fill(x.batch.EType[x.first:x.first+n], p.etype)
	}
	if p.frame != nil {
		x.frames(p, n)
	}
	x.hasBoot = p.has.boot
	x.run(m, p.early, x.first, n)
	x.run(m, p.ops, x.first, n)
	if p.labels != nil {
		x.labels(p.labels, n)
	}
	x.completeTimes(m, p, n)
	x.clampTimes(m, n)
	d.finishRows(m, t, n)
}

// clearOptional zeroes the columns that finishRows completes where a record
// lacks them: with variable lengths, a field may be there and empty.
func (x *execution) clearOptional(n int) {
	b, from, to := x.batch, x.first, x.first+n
	clear(b.TimeFlowStart[from:to])
	clear(b.TimeFlowEnd[from:to])
	clear(b.SamplingRate[from:to])
}

// scratch makes room in the scratch columns that the plan writes.
func (x *execution) scratch(p *plan, n int) {
	column := func(needed bool, c []uint64) []uint64 {
		if !needed {
			return c
		}
		c = slices.Grow(c[:0], n)[:n]
		clear(c)
		return c
	}
	x.sampler = column(p.has.sampler, x.sampler)
	x.boot = column(p.has.boot, x.boot)
	x.duration = column(p.has.duration, x.duration)
}

// finishRows fills what does not come from the records.
func (d *Decoder) finishRows(m *message, t *template, n int) {
	b, first := d.execution.batch, d.execution.first
	fill(b.TimeReceived[first:first+n], m.receivedMs)
	fill(b.Type[first:first+n], m.flowType)
	fill(b.ExporterAddr[first:first+n], m.exporter.key.address)
	fill(b.ObservationDomainID[first:first+n], m.domain.id)
	d.sample(m, t, first, n)
}

// findFamily sets the Ethernet type of records with fields of both IP versions.
func (x *execution) findFamily(f *familyPlan, n int) {
	nonZero := func(ops []op, i int) bool {
		for k := range ops {
			at := int(x.at[ops[k].slot][i]) + int(ops[k].offset)
			if !allZero(x.body[at : at+int(ops[k].length)]) {
				return true
			}
		}
		return false
	}
	for i := range n {
		etype := uint16(0)
		if v := f.version; v != nil {
			etype = etypeOf(x.body[int(x.at[v.slot][i])+int(v.offset)+int(v.length)-1])
		}
		if etype == 0 {
			etype = ethernetTypeIPv4
			if nonZero(f.ipv6, i) && (f.outer6 || !nonZero(f.ipv4, i)) {
				etype = ethernetTypeIPv6
			}
		}
		x.batch.EType[x.first+i] = etype
	}
}

// labels sets the MPLS label stacks. A label stack entry is label (20 bits),
// traffic class (3) and bottom of stack (1), RFC 3032 §2.1; exporters fill
// unused fields with zeros.
func (x *execution) labels(ops []op, n int) {
	var stack [lastLabelElement - firstLabelElement + 1]uint32
	for i := range n {
		depth := 0
		for k := range ops {
			entry := uint32(number(x.body[int(x.at[ops[k].slot][i])+int(ops[k].offset):][:3]))
			if entry == 0 {
				break
			}
			stack[depth] = entry >> 4
			depth++
			if entry&1 != 0 {
				break
			}
		}
		if depth > 0 {
			x.batch.SetMPLSLabels(x.first+i, stack[:depth])
		}
	}
}
