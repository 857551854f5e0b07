package netflow

import (
	"fmt"
	"net/netip"
)

// Reason tells why a datagram, or a part of one, was refused or lost. Reasons
// are the sentinel errors of this package: errors.Is(err, ReasonBadSet).
type Reason uint8

// The reasons. Those that concern a part of a datagram leave its other parts
// decoded.
const (
	ReasonShort            Reason = iota // shorter than the header of its version
	ReasonVersion                        // neither NetFlow v5, v9 nor IPFIX
	ReasonLength                         // header and payload disagree on the length
	ReasonBadSet                         // a set's length is impossible
	ReasonSetID                          // a set with a reserved ID
	ReasonBadTemplate                    // no fields, no octets, a reserved ID or cut off
	ReasonTemplateTooLarge               // Config.MaxFields or MaxRecordLength
	ReasonTooManyTemplates               // Config.MaxTemplates
	ReasonTooManyDomains                 // Config.MaxDomains
	ReasonTooManyExporters               // Config.MaxExporters
	ReasonTooManyRows                    // more records than a datagram may bring
	ReasonBadRecord                      // a variable-length field exceeds its set
	ReasonUnknownTemplate                // data whose template did not come in time
	ReasonWaitingFull                    // data without template, and no room to wait in
	numReasons             int    = iota
)

var reasonNames = [numReasons]string{
	ReasonShort:            "short_datagram",
	ReasonVersion:          "unknown_version",
	ReasonLength:           "length_mismatch",
	ReasonBadSet:           "bad_set",
	ReasonSetID:            "reserved_set_id",
	ReasonBadTemplate:      "bad_template",
	ReasonTemplateTooLarge: "template_too_large",
	ReasonTooManyTemplates: "too_many_templates",
	ReasonTooManyDomains:   "too_many_domains",
	ReasonTooManyExporters: "too_many_exporters",
	ReasonTooManyRows:      "too_many_rows",
	ReasonBadRecord:        "bad_record",
	ReasonUnknownTemplate:  "unknown_template",
	ReasonWaitingFull:      "waiting_full",
}

// Reasons returns every reason, to set up metrics with.
func Reasons() []Reason {
	all := make([]Reason, numReasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// String returns the reason as a metric label.
func (r Reason) String() string {
	if int(r) < numReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason_%d", uint8(r))
}

// Error makes a Reason an error.
func (r Reason) Error() string { return r.String() }

// An Error says what was wrong with a datagram. It wraps a Reason.
type Error struct {
	Reason   Reason
	Exporter netip.AddrPort
	Version  uint16 // as in the header; 0 where there was none
	Domain   uint32 // observation domain or source ID
	SetID    uint16 // 0 where no set is concerned
}

// Error describes what was wrong and where.
func (e *Error) Error() string {
	where := fmt.Sprintf("decode version %d datagram of %s", e.Version, e.Exporter)
	if e.SetID != 0 {
		return fmt.Sprintf("%s: domain %d, set %d: %s", where, e.Domain, e.SetID, e.Reason)
	}
	return fmt.Sprintf("%s: %s", where, e.Reason)
}

// Unwrap returns the Reason.
func (e *Error) Unwrap() error { return e.Reason }
