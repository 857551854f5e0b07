package netflow

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/netsampler/goflow2/v2/decoders/netflow"
)

// ExporterStatus describes an exporter.
type ExporterStatus struct {
	Address     netip.Addr     `json:"address"`
	Port        uint16         `json:"port,omitempty"` // behind a shared address
	Known       bool           `json:"known"`          // strangers do not displace it
	Domains     []DomainStatus `json:"domains"`
	FirstSeenMs int64          `json:"first_seen_ms"` // receive time, Unix milliseconds
	LastSeenMs  int64          `json:"last_seen_ms"`
	ClockSkewMs int64          `json:"clock_skew_ms"` // export time minus receive time of the last datagram
	Counters    Counters       `json:"counters"`

	WaitingSets  int `json:"waiting_sets"`
	WaitingBytes int `json:"waiting_bytes"`

	// SamplingRates are those in force, by interface. Interfaces appear as
	// flows are seen at them.
	SamplingRates []InterfaceRate `json:"sampling_rates"`
}

// DomainStatus describes an observation domain (IPFIX), source ID (v9) or
// engine (v5) of an exporter.
type DomainStatus struct {
	Version   uint16 `json:"version"` // 1, 5, 7, 9 or 10
	ID        uint32 `json:"id"`
	Templates int    `json:"templates"`
}

// InterfaceRate is the sampling rate of the flows at an interface.
type InterfaceRate struct {
	IfIndex uint32 `json:"if_index"` // where the flows came in, or went out if they came in nowhere
	Rate    uint32 `json:"rate"`
	Origin  Origin `json:"origin"`
}

// Exporters describes all exporters, in order of appearance.
func (d *Decoder) Exporters() []ExporterStatus {
	all := make([]ExporterStatus, 0, len(d.order))
	for _, e := range d.order {
		s := ExporterStatus{Address: e.address, Port: e.key.port, Known: !e.stranger,
			FirstSeenMs: e.firstMs, LastSeenMs: e.lastMs,
			ClockSkewMs: e.skewMs, Counters: e.counters, WaitingSets: len(e.waiting.sets), WaitingBytes: e.waiting.bytes,
			Domains: []DomainStatus{}, SamplingRates: []InterfaceRate{}}
		for _, dom := range e.domains {
			s.Domains = append(s.Domains, DomainStatus{Version: dom.version, ID: dom.id, Templates: len(dom.templates)})
		}
		for _, ifIndex := range slices.Sorted(maps.Keys(e.rates.seen)) {
			r := e.rates.seen[ifIndex]
			s.SamplingRates = append(s.SamplingRates, InterfaceRate{IfIndex: ifIndex, Rate: r.value, Origin: r.origin})
		}
		all = append(all, s)
	}
	return all
}

// Total returns the counters of all exporters, those that were replaced and
// datagrams of nobody included. It never decreases.
func (d *Decoder) Total() Counters {
	total := d.others
	for _, e := range d.order {
		total.Add(&e.counters)
	}
	return total
}

// TemplateStatus describes a template.
type TemplateStatus struct {
	Port      uint16        `json:"port,omitempty"` // of the exporter, behind a shared address
	Version   uint16        `json:"version"`
	Domain    uint32        `json:"domain"`
	ID        uint16        `json:"id"`
	Options   bool          `json:"options"`
	Fields    []FieldStatus `json:"fields"`
	Length    int           `json:"length"`     // octets of a record; the least where lengths vary
	LearnedMs int64         `json:"learned_ms"` // receive times, Unix milliseconds
	SentMs    int64         `json:"sent_ms"`    // for the last time
	UsedMs    int64         `json:"used_ms"`    // by data, for the last time
	Sets      uint64        `json:"sets"`       // of data decoded with it
	Records   uint64        `json:"records"`
}

// FieldStatus describes a field of a template.
type FieldStatus struct {
	ID         uint16 `json:"id"`
	Enterprise uint32 `json:"enterprise,omitempty"`
	Name       string `json:"name"`
	Length     uint16 `json:"length"` // octets; 65535: variable
	Scope      bool   `json:"scope,omitempty"`
}

// Templates describes the templates of the exporters at an address, by port,
// domain and ID.
func (d *Decoder) Templates(exporter netip.Addr) []TemplateStatus {
	all := []TemplateStatus{}
	for _, e := range d.order {
		if e.address != exporter.Unmap() {
			continue
		}
		for _, dom := range e.domains {
			for _, t := range dom.templates {
				all = append(all, t.status(e.key.port, dom))
			}
		}
	}
	slices.SortFunc(all, func(a, b TemplateStatus) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.ID, b.ID))
	})
	return all
}

func (t *template) status(port uint16, dom *domain) TemplateStatus {
	s := TemplateStatus{Port: port, Version: dom.version, Domain: dom.id, ID: t.id, Options: t.plan == nil, Length: t.length,
		LearnedMs: t.learnedMs, SentMs: t.refreshedMs, UsedMs: t.usedMs, Sets: t.sets, Records: t.records}
	for i, f := range t.fields {
		s.Fields = append(s.Fields, FieldStatus{ID: f.id, Enterprise: f.enterprise &^ reservedEnterprise,
			Length: f.length, Scope: i < t.scopes, Name: fieldName(dom.version, f, i < t.scopes)})
	}
	return s
}

// fieldName returns the name of an element, "" where it is not known.
func fieldName(version uint16, f field, scope bool) string {
	switch {
	case f.enterprise == reverseEnterprise:
		if name := netflow.IPFIXTypeToString(f.id); name != "Unassigned" {
			return "reverse " + name
		}
		return ""
	case f.enterprise != 0:
		return ""
	case version == 9 && scope && f.id <= scopeTemplate:
		return netflow.NFv9ScopeToString(f.id)
	}
	if name := netflow.IPFIXTypeToString(f.id); name != "Unassigned" {
		return name
	}
	return ""
}

// ExporterNames is what an exporter calls things, as it told in options data.
type ExporterNames struct {
	Address      netip.Addr        `json:"address"`
	Port         uint16            `json:"port,omitempty"` // behind a shared address
	Interfaces   []InterfaceName   `json:"interfaces"`
	VRFs         []VRFName         `json:"vrfs"`
	Applications []ApplicationName `json:"applications"`
	Samplers     []SamplerName     `json:"samplers"`
}

// InterfaceName is the name of an interface: its description where the exporter
// tells nothing else.
type InterfaceName struct {
	Domain      uint32 `json:"domain"`
	IfIndex     uint32 `json:"if_index"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// VRFName is the name of a routing table.
type VRFName struct {
	Domain uint32 `json:"domain"`
	ID     uint32 `json:"id"`
	Name   string `json:"name"`
}

// ApplicationName is the name of an application.
type ApplicationName struct {
	Domain      uint32 `json:"domain"`
	ID          string `json:"id"` // engine:selector, see RFC 6759 §4
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// SamplerName describes a sampler.
type SamplerName struct {
	Domain uint32 `json:"domain"`
	ID     uint64 `json:"id"`
	Name   string `json:"name,omitempty"`
	Rate   uint32 `json:"rate,omitempty"` // 0: not told
	Mode   uint64 `json:"mode,omitempty"` // sampling mode (element 49, 35) or algorithm (304)
}

// Names returns the names that exporters have announced, for those that have
// announced any.
func (d *Decoder) Names() []ExporterNames {
	all := []ExporterNames{}
	for _, e := range d.order {
		if len(e.names.entries) == 0 {
			continue
		}
		n := ExporterNames{Address: e.address, Port: e.key.port, Interfaces: []InterfaceName{}, VRFs: []VRFName{},
			Applications: []ApplicationName{}, Samplers: []SamplerName{}}
		for _, key := range e.names.keys() {
			entry := e.names.entries[key]
			switch key.kind {
			case nameInterface:
				n.Interfaces = append(n.Interfaces, InterfaceName{key.domain, uint32(key.id), cmp.Or(entry.name, entry.description), entry.description})
			case nameVRF:
				n.VRFs = append(n.VRFs, VRFName{key.domain, uint32(key.id), entry.name})
			case nameApplication:
				n.Applications = append(n.Applications, ApplicationName{key.domain, applicationID(key.octets), entry.name, entry.description})
			case nameSampler:
				n.Samplers = append(n.Samplers, SamplerName{key.domain, key.id, entry.name, entry.rate, entry.mode})
			}
		}
		all = append(all, n)
	}
	return all
}

// keys returns the keys in a fixed order.
func (n *names) keys() []nameKey {
	return slices.SortedFunc(maps.Keys(n.entries), func(a, b nameKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.domain, b.domain), cmp.Compare(a.id, b.id), cmp.Compare(a.octets, b.octets))
	})
}
