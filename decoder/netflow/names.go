package netflow

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// names are what an exporter's options data call things.
type names struct {
	entries map[nameKey]nameEntry
}

type nameKind uint8

const (
	nameInterface nameKind = iota
	nameVRF
	nameApplication
	nameSampler
	numNameKinds
)

// nameKey says what is named: a number, or the octets of an application ID.
type nameKey struct {
	kind   nameKind
	domain uint32
	id     uint64
	octets string
}

type nameEntry struct {
	name, description string
	rate              uint32 // of samplers; 0: not told
	mode              uint64 // of samplers: sampling mode or algorithm
}

const (
	maxNameLength        = 255 // octets
	maxApplicationLength = 32
)

// nameAll keeps the names in an options record and reports whether any is news.
func (d *Decoder) nameAll(e *exporter, dom *domain, a *announcement, rate uint32) (changed bool) {
	if a.hasInterface && (a.ifName != nil || a.ifDescription != nil) {
		key := nameKey{kind: nameInterface, domain: dom.id, id: a.ifIndex}
		changed = e.names.set(key, a.ifName, a.ifDescription, nameEntry{}, d.config.MaxNames)
	}
	if a.vrfName != nil {
		key := nameKey{kind: nameVRF, domain: dom.id, id: a.vrf}
		changed = e.names.set(key, a.vrfName, nil, nameEntry{}, d.config.MaxNames) || changed
	}
	if a.application != nil && a.applicationName != nil && len(a.application) <= maxApplicationLength {
		key := nameKey{kind: nameApplication, domain: dom.id, octets: string(a.application)}
		changed = e.names.set(key, a.applicationName, a.applicationText, nameEntry{}, d.config.MaxNames) || changed
	}
	if a.hasSampler && (a.samplerName != nil || rate != 0) {
		key := nameKey{kind: nameSampler, domain: dom.id, id: a.sampler}
		changed = e.names.set(key, a.samplerName, nil, nameEntry{rate: rate, mode: a.mode}, d.config.MaxNames) || changed
	}
	return changed
}

// set keeps a name. What the record does not tell stays as it was.
func (n *names) set(key nameKey, name, description []byte, entry nameEntry, limit int) (changed bool) {
	old, known := n.entries[key]
	if !known && len(n.entries) >= limit {
		return false
	}
	entry.name, entry.description = old.name, old.description
	if name != nil && trimmed(name) != old.name {
		entry.name = clean(name)
	}
	if description != nil && trimmed(description) != old.description {
		entry.description = clean(description)
	}
	if entry.rate == 0 {
		entry.rate, entry.mode = old.rate, old.mode
	}
	if known && entry == old {
		return false
	}
	if n.entries == nil {
		n.entries = map[nameKey]nameEntry{}
	}
	n.entries[key] = entry
	return true
}

// trimmed cuts the padding of a fixed-length string, and what is too long.
func trimmed(octets []byte) string {
	octets, _, _ = bytes.Cut(octets[:min(len(octets), maxNameLength)], []byte{0})
	return string(octets)
}

// clean makes a string fit for display.
func clean(octets []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, trimmed(octets)))
}

// applicationID writes an application ID as RFC 6759 §4 reads it: engine and
// selector, "13:1234"; with engine 20 the enterprise between them.
func applicationID(octets string) string {
	if len(octets) == 0 {
		return ""
	}
	engine, selector := octets[0], octets[1:]
	if engine == 20 && len(selector) > 4 {
		return fmt.Sprintf("%d:%d:%d", engine, number([]byte(selector[:4])), number([]byte(selector[4:])))
	}
	return fmt.Sprintf("%d:%d", engine, number([]byte(selector)))
}
