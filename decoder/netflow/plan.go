package netflow

import "github.com/nfstats/nfstats/decoder"

// A field is one field specifier of a template (RFC 3954 §5.2, RFC 7011 §3.2).
type field struct {
	id         uint16 // without the enterprise bit
	length     uint16 // variableLength where each record tells it
	enterprise uint32 // 0 for elements of IANA's registry and of NetFlow v9
}

// A plan is what a data template is compiled to: which octets of a record go to
// which column. It does not change once made.
//
// Records are cut into segments, which end after each variable-length field.
// Within its segment a field has a fixed offset. So executing a plan takes one
// walk over the records to find the segments' positions, which is trivial where
// all lengths are fixed, and then one loop per field over all records.
type plan struct {
	minLength int    // octets of a record; the least where lengths vary
	walk      []step // over the variable-length fields; nil where lengths are fixed
	tail      int    // octets after the last variable-length field
	first     int    // slot for the position of the first segment, or -1
	slots     int    // positions kept of each record

	family         familyPlan
	early          []op // that others depend on
	ops            []op
	labels         []op            // of the MPLS label stack, top first
	frame          *op             // a sampled packet header
	frameSize      *op             // its packet's length on the wire
	reverse        []op            // of a second row for the opposite direction,
	reverseColumns decoder.Columns // which they write
	rateFields     []rateField

	full    decoder.Columns // written in every row
	partial decoder.Columns // written in some rows
	etype   uint16          // of all records; 0 where it is not the same for all
	has     fieldSet
}

// fieldSet tells what a template has, for what is made of more than one field.
type fieldSet struct {
	start, end, duration, boot bool
	rate, sampler              bool
	direction                  bool
}

// A step of a walk finds one variable-length field.
type step struct {
	before  int // octets between the last variable-length field and this one
	value   int // slot for the position and length of the value, or -1
	segment int // slot for the position of the segment after it, or -1
}

// An op moves a field of all records to its dest.
type op struct {
	dest   dest
	as     conversion
	octet  uint8
	slot   uint8
	offset uint16 // from the slot's position
	length uint16 // variableLength where the slot tells it
}

// familyPlan finds the IP version of records whose template has the addresses
// of both: what field ipVersion says, else the version whose addresses are not
// all zero. Where both are not, one packet is inside the other, and the fields
// of the outer one come first (RFC 7011 §8). Where both are, it is IPv4.
type familyPlan struct {
	mixed   bool
	outer6  bool // the IPv6 addresses come first
	version *op
	ipv4    []op
	ipv6    []op
}

// A rateField is a field of the data records from which a sampling rate is
// calculated, see samplingElements.
type rateField struct {
	id uint16
	op op
}

// constantColumns are those that every row gets whatever its template has.
const constantColumns = decoder.ColumnTimeReceived | decoder.ColumnTimeFlowStart | decoder.ColumnTimeFlowEnd |
	decoder.ColumnType | decoder.ColumnExporterAddr | decoder.ColumnObservationDomainID | decoder.ColumnSamplingRate
