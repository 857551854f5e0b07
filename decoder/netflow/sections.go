package netflow

import (
	"cmp"
	"slices"

	"github.com/nfstats/nfstats/decoder"
)

// addFamily finds out whether records are IPv4, IPv6 or either.
func (c *compiler) addFamily() {
	has4 := c.has(decoder.ColumnSrcAddr, ipv4) || c.has(decoder.ColumnDstAddr, ipv4)
	has6 := c.has(decoder.ColumnSrcAddr, ipv6) || c.has(decoder.ColumnDstAddr, ipv6)
	switch {
	case has4 && has6:
		c.addMixedFamily()
	case has4:
		c.plan.etype = ethernetTypeIPv4
	case has6:
		c.plan.etype = ethernetTypeIPv6
	}
}

// addMixedFamily notes where the fields are that tell a record's IP version.
func (c *compiler) addMixedFamily() {
	f := &c.plan.family
	f.mixed = true
	f.outer6 = slices.IndexFunc(c.candidates, isAddress(ipv6)) < slices.IndexFunc(c.candidates, isAddress(ipv4))
	for i, spec := range c.fields {
		first := func() bool {
			return i == slices.IndexFunc(c.fields, func(other field) bool { return other.id == spec.id && other.enterprise == 0 })
		}
		switch {
		case spec.enterprise != 0:
		case spec.id == 60 && spec.length > 0 && spec.length != variableLength && first():
			f.version = c.sectionOp(i, asNumber)
		case (spec.id == 8 || spec.id == 12) && spec.length == 4 && first():
			f.ipv4 = append(f.ipv4, c.op(i, element{}))
		case (spec.id == 27 || spec.id == 28) && spec.length == 16 && first():
			f.ipv6 = append(f.ipv6, c.op(i, element{}))
		}
	}
}

// isAddress returns a test for the addresses of an IP version.
func isAddress(f family) func(candidate) bool {
	return func(c candidate) bool {
		return c.family == f && (c.dest == decoder.ColumnSrcAddr || c.dest == decoder.ColumnDstAddr) && !c.reverse
	}
}

// addSections adds the fields that are not one value for one column.
func (c *compiler) addSections() {
	var frames [3]*op // the first is the best
	var labels [lastLabelElement - firstLabelElement + 1]*op
	for i, f := range c.fields {
		if f.enterprise != 0 || f.length == 0 {
			continue
		}
		switch {
		case f.id >= firstLabelElement && f.id <= lastLabelElement && f.length == 3:
			if at := f.id - firstLabelElement; labels[at] == nil {
				labels[at] = c.sectionOp(i, asNumber)
			}
		case f.id == frameElement && frames[0] == nil:
			frames[0] = c.sectionOp(i, frameLink)
		case f.id == frameElementV9 && frames[1] == nil:
			frames[1] = c.sectionOp(i, frameLink)
		case f.id == ipHeaderElement && frames[2] == nil:
			frames[2] = c.sectionOp(i, frameIP)
		case (f.id == frameSizeElement || f.id == frameSizeElementV9) && c.plan.frameSize == nil:
			c.plan.frameSize = c.sectionOp(i, asNumber)
		case samplingElements[f.id] && len(c.plan.rateFields) < maxRateFields:
			c.plan.rateFields = append(c.plan.rateFields, rateField{f.id, c.op(i, element{})})
		}
	}
	for _, o := range labels {
		if o == nil {
			break // a stack has no holes
		}
		c.plan.labels = append(c.plan.labels, *o)
		c.plan.partial |= decoder.ColumnMPLSLabels
	}
	if c.plan.frame = cmp.Or(frames[0], frames[1], frames[2]); c.plan.frame != nil {
		c.plan.partial |= frameColumns
	}
}

func (c *compiler) sectionOp(i int, as conversion) *op {
	o := c.op(i, element{as: as})
	return &o
}
