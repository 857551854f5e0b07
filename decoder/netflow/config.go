package netflow

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Config bounds what exporters may make the decoder keep, and tells it what
// they do not say themselves.
type Config struct {
	// MaxExporters bounds the exporters of one Decoder. When it is reached, a
	// new exporter that keeps sending takes the place of one of which little is
	// known, or that has been silent for ExporterExpiry; else it is refused. At
	// most three quarters become known by what they send.
	MaxExporters   int
	ExporterExpiry time.Duration

	// MaxDomains bounds the observation domains of an exporter, MaxTemplates
	// the templates of a domain; the least recently used one makes room.
	MaxDomains   int
	MaxTemplates int

	MaxFields       int // of a template
	MaxRecordLength int // octets; of a template's records, their smallest where lengths vary

	// TemplateExpiry is how long a template holds without being sent again;
	// 0 means for ever. RFC 7011 §8.4 and RFC 3954 §9 leave it to the collector.
	TemplateExpiry time.Duration

	// Data sets whose template is not known yet wait for it: at most
	// MaxWaitingBytes of them for each exporter, for at most MaxWaiting.
	MaxWaitingBytes int
	MaxWaiting      time.Duration

	// MaxNames bounds the names (of interfaces, VRFs, applications and samplers)
	// that an exporter may announce.
	MaxNames int

	// DefaultSamplingRate is taken where nothing else tells a rate; 0 means
	// that nothing is known: such flows count as 1 and as of unknown rate.
	DefaultSamplingRate uint32

	// SamplingOverrides win over whatever an exporter announces.
	SamplingOverrides []SamplingOverride

	// SharedAddresses are addresses behind which several exporters sit (NAT).
	// There the UDP source port is part of an exporter's identity. It is not
	// elsewhere: routers send templates and data from different ports.
	SharedAddresses []netip.Prefix

	// LittleEndianSampling are exporters that send their sampling interval
	// (elements 34 and 50) in little-endian order, as RouterOS 6 does.
	LittleEndianSampling []netip.Prefix
}

// A SamplingOverride sets the sampling rate of exporters, or of a part of one.
// Of several that match, the one with an interface wins, then the one with a
// domain, then the longest prefix, then the first in the list.
//
// An override may begin at a time. What is received before is decoded without
// it, however late that is decoded, or decoded again. Of several for the same
// exporters, domain and interface the one that began last holds.
type SamplingOverride struct {
	Exporters netip.Prefix `json:"exporters"`
	Domain    *uint32      `json:"domain,omitempty"`    // nil: every observation domain
	Interface *uint32      `json:"interface,omitempty"` // nil: every interface; else ifIndex where the flow came in, or went out if it did not come in anywhere
	Rate      uint32       `json:"rate"`                // one packet in Rate is sampled; 0: no override any more, where it began at a time
	SinceMs   int64        `json:"since_ms"`            // receive time from which on it holds, Unix milliseconds; 0: always
}

// Same reports whether two overrides are for the same exporters, domain and interface.
func (o SamplingOverride) Same(other SamplingOverride) bool {
	same := func(a, b *uint32) bool { return a == b || a != nil && b != nil && *a == *b }
	return o.Exporters == other.Exporters && same(o.Domain, other.Domain) && same(o.Interface, other.Interface)
}

// Default returns the limits that suit a provider's edge: hundreds of routers
// of any make.
func Default() Config {
	return Config{
		MaxExporters:    4096,
		ExporterExpiry:  time.Hour,
		MaxDomains:      256,
		MaxTemplates:    512,
		MaxFields:       512,
		MaxRecordLength: 16384,
		TemplateExpiry:  24 * time.Hour,
		MaxWaitingBytes: 128 << 10,
		MaxWaiting:      5 * time.Minute,
		MaxNames:        8192,
	}
}

// What MaxFields and MaxRecordLength may be at most.
const (
	maxFields       = 4096
	maxRecordLength = 65535
)

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	var problems []error
	complain := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	between := func(name string, v, low, high int) {
		complain(v < low || v > high, "%s is %d, not between %d and %d", name, v, low, high)
	}
	between("max_exporters", c.MaxExporters, 1, 1<<20)
	between("max_domains", c.MaxDomains, 1, 1<<16)
	between("max_templates", c.MaxTemplates, 1, 1<<16)
	between("max_fields", c.MaxFields, 1, maxFields)
	between("max_record_length", c.MaxRecordLength, 1, maxRecordLength)
	between("waiting_bytes", c.MaxWaitingBytes, 0, 1<<30)
	between("max_names", c.MaxNames, 0, 1<<20)
	complain(c.ExporterExpiry < 0, "exporter_expiry is negative: %s", c.ExporterExpiry)
	complain(c.TemplateExpiry < 0, "template_expiry is negative: %s", c.TemplateExpiry)
	complain(c.MaxWaiting < 0, "waiting_time is negative: %s", c.MaxWaiting)
	for _, o := range c.SamplingOverrides {
		complain(!o.Exporters.IsValid(), "a sampling override has no valid prefix of exporters")
		complain(o.Rate == 0 && o.SinceMs == 0, "the sampling override for %s has rate 0", o.Exporters)
	}
	for _, p := range append(append([]netip.Prefix(nil), c.SharedAddresses...), c.LittleEndianSampling...) {
		complain(!p.IsValid(), "a prefix of exporters is not valid")
	}
	return errors.Join(problems...)
}

// anyContains reports whether one of the prefixes contains the address.
func anyContains(prefixes []netip.Prefix, address netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(address) {
			return true
		}
	}
	return false
}
