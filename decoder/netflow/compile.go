package netflow

import (
	"slices"

	"github.com/nfstats/nfstats/decoder"
)

// compiler turns a template's fields into a plan. Its memory is reused.
type compiler struct {
	fields     []field
	little     bool
	plan       *plan
	position   []place
	slots      []int // what each slot points at, see slot
	candidates []candidate
	later      []op // that overwrite what others wrote
}

// place is where a field lies.
type place struct {
	segment int
	offset  int
}

// choice is what fields compete for.
type choice struct {
	dest    dest
	family  family
	reverse bool
}

// A candidate is the field that was chosen for a dest.
type candidate struct {
	choice
	field   int
	element element
}

// compile makes the plan of a data template, which must be valid. With little,
// sampling intervals are in little-endian order.
func (c *compiler) compile(fields []field, little bool) *plan {
	*c = compiler{fields: fields, little: little, plan: &plan{},
		position: c.position[:0], slots: c.slots[:0], candidates: c.candidates[:0], later: c.later[:0]}
	c.lay()
	c.choose()
	c.addFamily()
	for _, k := range c.candidates {
		c.addOp(k)
	}
	c.addSections()
	c.addWalk()
	c.finish()
	return c.plan
}

// lay finds each field's segment and offset.
func (c *compiler) lay() {
	segment, offset := 0, 0
	for _, f := range c.fields {
		c.position = append(c.position, place{segment, offset})
		if f.length == variableLength {
			c.plan.minLength++ // its length octet
			segment, offset = segment+1, 0
			continue
		}
		offset += int(f.length)
		c.plan.minLength += int(f.length)
	}
	c.plan.tail = offset
}

// choose finds for each dest the field that fills it, in the template's order.
func (c *compiler) choose() {
	for i, f := range c.fields {
		if f.length == 0 || f.enterprise != 0 && f.enterprise != reverseEnterprise {
			continue
		}
		for _, e := range elements[f.id] {
			if f.length != variableLength && (!e.as.fits(int(f.length)) || f.length < uint16(e.octet)) {
				continue
			}
			k := choice{e.dest, e.family, e.reverse || f.enterprise == reverseEnterprise}
			at := c.find(k)
			if at < 0 {
				c.candidates = append(c.candidates, candidate{k, i, e})
			} else if e.rank < c.candidates[at].element.rank {
				c.candidates[at] = candidate{k, i, e}
			}
		}
	}
}

// find returns the index of the candidate for a choice, -1 if there is none.
func (c *compiler) find(k choice) int {
	return slices.IndexFunc(c.candidates, func(other candidate) bool { return other.choice == k })
}

func (c *compiler) has(column decoder.Columns, f family) bool {
	return c.find(choice{column, f, false}) >= 0
}

// addOp adds what moves a chosen field to its dest.
func (c *compiler) addOp(k candidate) {
	e := k.element
	both := c.sibling(k)
	switch {
	case k.dest == decoder.ColumnEType && (c.plan.etype != 0 || c.plan.family.mixed):
		return // the addresses tell
	case k.family == ipv6 && both:
		e.as = c.conversionOf6(k, e.as)
		if e.as == asNumber && c.plan.etype == ethernetTypeIPv4 {
			return
		}
	case k.family == ipv4 && both && c.plan.etype == ethernetTypeIPv6 && e.as == asNumber:
		return
	}
	if c.little && (c.fields[k.field].id == 34 || c.fields[k.field].id == 50) {
		e.as = asLittle32
	}
	if e.as == asNumber {
		e.as = numberOf(e.dest)
	}
	o := c.op(k.field, e)
	if k.reverse {
		if k.dest&measured != 0 {
			c.plan.reverse = append(c.plan.reverse, o)
			c.plan.reverseColumns |= k.dest
		}
		return
	}
	c.note(k.dest)
	switch {
	case e.as == as8Of6 || e.as == asAddr6Of6 || e.as == asAddr6NonZero:
		c.later = append(c.later, o)
		c.plan.partial |= k.dest
		return
	case k.dest == destBoot:
		c.plan.early = append(c.plan.early, o)
		return
	case o.length == variableLength:
		c.plan.partial |= k.dest
	default:
		c.plan.full |= k.dest
	}
	c.plan.ops = append(c.plan.ops, o)
}

// sibling reports whether the other IP version's field of the same dest exists.
func (c *compiler) sibling(k candidate) bool {
	if k.family == anyFamily {
		return false
	}
	return c.find(choice{k.dest, ipv4 + ipv6 - k.family, k.reverse}) >= 0
}

// conversionOf6 returns how an IPv6 field is read whose IPv4 sibling fills the
// same dest first. A next hop may be of the other version than the flow.
func (c *compiler) conversionOf6(k candidate, as conversion) conversion {
	switch {
	case k.dest == decoder.ColumnSrcAddr || k.dest == decoder.ColumnDstAddr:
		return asAddr6Of6
	case as == asAddr6:
		return asAddr6NonZero
	case c.plan.family.mixed:
		return as8Of6
	}
	return as
}

func (c *compiler) note(d dest) {
	has := &c.plan.has
	switch d {
	case decoder.ColumnTimeFlowStart:
		has.start = true
	case decoder.ColumnTimeFlowEnd:
		has.end = true
	case decoder.ColumnSamplingRate:
		has.rate = true
	case decoder.ColumnFlowDirection:
		has.direction = true
	case destSampler:
		has.sampler = true
	case destDuration:
		has.duration = true
	case destBoot:
		has.boot = true
	}
}

// op returns the op for a field, at whose segment a slot will point.
func (c *compiler) op(i int, e element) op {
	p := c.position[i]
	o := op{dest: e.dest, as: e.as, octet: e.octet, offset: uint16(p.offset), length: c.fields[i].length}
	if o.length == variableLength {
		o.slot, o.offset = c.slot(-1-p.segment), 0
		return o
	}
	o.slot = c.slot(p.segment)
	if e.octet != 0 {
		o.offset, o.length, o.octet = o.offset+o.length-uint16(e.octet), 1, 0
	}
	return o
}

// slot returns the slot for a segment's position, or with -1-segment for the
// variable-length value that ends it. There are fewer than 256: at most one for
// each choice, label and rate field.
func (c *compiler) slot(segment int) uint8 {
	s := slices.Index(c.slots, segment)
	if s < 0 {
		s = len(c.slots)
		c.slots = append(c.slots, segment)
	}
	return uint8(s)
}

// addWalk adds the steps over the variable-length fields.
func (c *compiler) addWalk() {
	if len(c.slots) == 0 {
		c.slot(0) // a template of skipped fields alone still has records
	}
	for i, f := range c.fields {
		if f.length == variableLength {
			p := c.position[i]
			c.plan.walk = append(c.plan.walk, step{before: p.offset, value: slices.Index(c.slots, -1-p.segment), segment: slices.Index(c.slots, p.segment+1)})
		}
	}
	c.plan.first = slices.Index(c.slots, 0)
	c.plan.slots = len(c.slots)
}

// finish settles the columns that every row has.
func (c *compiler) finish() {
	p := c.plan
	p.ops = append(p.ops, c.later...)
	if p.etype != 0 || p.family.mixed {
		p.full |= decoder.ColumnEType
	}
	p.full = p.full&^scratch | constantColumns
	p.partial &^= p.full | scratch
}
