package simulator

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"
)

// Snapshot is what a router's agent tells at one moment. Uptime is sysUpTime,
// and the clock of the counters.
type Snapshot struct {
	Time       time.Time // simulated
	Up         bool      // false: the router is down and its agent silent
	Uptime     time.Duration
	Bits       uint8 // of the octet and packet counters that the agent has: 64 or 32
	Interfaces []InterfaceSnapshot
}

// InterfaceSnapshot is what an agent tells of an interface.
type InterfaceSnapshot struct {
	Index                   uint32
	Name, Description       string
	Type                    uint32 // ifType (IANA)
	Speed                   uint64 // bits/s
	Active                  bool   // ifOperStatus
	InOctets, OutOctets     uint64
	InPackets, OutPackets   uint64
	InDiscards, OutDiscards uint64
	Discontinuity           time.Duration // ifCounterDiscontinuityTime
}

// Snapshot returns what the agent tells now. It may be called at any time.
func (r *Router) Snapshot() Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Snapshot{Time: r.now, Up: r.up, Uptime: r.now.Sub(r.boot), Bits: 64}
	if r.faults.Counter32 {
		s.Bits = 32
	}
	for i, p := range r.ports {
		c := r.published[i]
		s.Interfaces = append(s.Interfaces, InterfaceSnapshot{Index: p.index, Name: p.spec.name, Description: p.spec.description,
			Type: p.spec.kind(), Speed: p.spec.speed, Active: p.spec.role != unused, InOctets: c.inOctets, OutOctets: c.outOctets,
			InPackets: c.inPackets, OutPackets: c.outPackets, OutDiscards: c.outDiscards, Discontinuity: p.discontinuity})
	}
	return s
}

// kind returns an interface's ifType (IANA).
func (i *interfaceSpec) kind() uint32 {
	const ethernetCsmacd, l2vlan, ieee8023adLag = 6, 135, 161
	switch {
	case strings.HasPrefix(i.name, "ae") || strings.HasPrefix(i.name, "Bundle"):
		return ieee8023adLag
	case strings.Contains(i.name, "."):
		return l2vlan
	}
	return ethernetCsmacd
}

// speed32 is the highest ifSpeed; above it, only ifHighSpeed tells (RFC 2863
// §3.1.6).
const speed32 = 1<<32 - 1

// An object is an instance of a managed object.
type object struct {
	id   []uint32
	kind gosnmp.Asn1BER
	data any
}

// objects returns the agent's whole tree in the order of the identifiers: the
// system group (RFC 3418), ifTable and ifXTable (RFC 2863).
func (r *Router) objects(s Snapshot) []object {
	var all []object
	add := func(kind gosnmp.Asn1BER, data any, id ...uint32) {
		all = append(all, object{append([]uint32{1, 3, 6, 1, 2, 1}, id...), kind, data})
	}
	add(gosnmp.OctetString, r.spec.description, 1, 1, 0)
	add(gosnmp.ObjectIdentifier, r.spec.object, 1, 2, 0)
	add(gosnmp.TimeTicks, ticks(s.Uptime), 1, 3, 0)
	add(gosnmp.OctetString, "", 1, 4, 0)
	add(gosnmp.OctetString, r.spec.name, 1, 5, 0)
	add(gosnmp.OctetString, "nfstats demo", 1, 6, 0)
	add(gosnmp.Integer, 4, 1, 7, 0) // sysServices: internet layer
	add(gosnmp.Integer, len(s.Interfaces), 2, 1, 0)
	for _, i := range s.Interfaces {
		column := func(number uint32, kind gosnmp.Asn1BER, data any) { add(kind, data, 2, 2, 1, number, i.Index) }
		ifTable(i, s.Uptime, column)
		if s.Bits == 64 {
			column = func(number uint32, kind gosnmp.Asn1BER, data any) { add(kind, data, 31, 1, 1, 1, number, i.Index) }
			ifXTable(i, column)
			continue
		}
		add(gosnmp.OctetString, i.Name, 31, 1, 1, 1, 1, i.Index)
		add(gosnmp.OctetString, i.Description, 31, 1, 1, 1, 18, i.Index)
	}
	slices.SortFunc(all, func(a, b object) int { return slices.Compare(a.id, b.id) })
	return all
}

// comesUp is how long after a router starts its interfaces come up.
const comesUp = 40 * time.Second

func ifTable(i InterfaceSnapshot, uptime time.Duration, column func(uint32, gosnmp.Asn1BER, any)) {
	column(1, gosnmp.Integer, int(i.Index))
	column(2, gosnmp.OctetString, i.Name)
	column(3, gosnmp.Integer, int(i.Type))
	column(4, gosnmp.Integer, 9192)
	column(5, gosnmp.Gauge32, uint32(min(i.Speed, speed32)))
	column(6, gosnmp.OctetString, []byte{0x02, 0, 0, 0, byte(i.Index >> 8), byte(i.Index)}) // locally administered
	column(7, gosnmp.Integer, 1)                                                            // up
	operational, since := 2, time.Duration(0)                                               // down since the start
	if i.Active {
		operational, since = 1, min(comesUp, uptime)
	}
	column(8, gosnmp.Integer, operational)
	column(9, gosnmp.TimeTicks, ticks(since))
	column(10, gosnmp.Counter32, uint32(i.InOctets))
	column(11, gosnmp.Counter32, uint32(i.InPackets))
	column(13, gosnmp.Counter32, uint32(i.InDiscards))
	column(14, gosnmp.Counter32, uint32(0))
	column(16, gosnmp.Counter32, uint32(i.OutOctets))
	column(17, gosnmp.Counter32, uint32(i.OutPackets))
	column(19, gosnmp.Counter32, uint32(i.OutDiscards))
	column(20, gosnmp.Counter32, uint32(0))
}

func ifXTable(i InterfaceSnapshot, column func(uint32, gosnmp.Asn1BER, any)) {
	column(1, gosnmp.OctetString, i.Name)
	column(6, gosnmp.Counter64, i.InOctets)
	column(7, gosnmp.Counter64, i.InPackets)
	column(8, gosnmp.Counter64, uint64(0)) // multicast
	column(9, gosnmp.Counter64, uint64(0)) // broadcast
	column(10, gosnmp.Counter64, i.OutOctets)
	column(11, gosnmp.Counter64, i.OutPackets)
	column(12, gosnmp.Counter64, uint64(0))
	column(13, gosnmp.Counter64, uint64(0))
	column(15, gosnmp.Gauge32, uint32(i.Speed/megabit))
	column(18, gosnmp.OctetString, i.Description)
	column(19, gosnmp.TimeTicks, ticks(i.Discontinuity))
}

// ticks returns a time as TimeTicks: hundredths of a second, modulo 2³².
func ticks(d time.Duration) uint32 { return uint32(d / (10 * time.Millisecond)) }

// parseID reads ".1.3.6.1".
func parseID(text string) ([]uint32, bool) {
	var id []uint32
	for part := range strings.SplitSeq(strings.TrimPrefix(text, "."), ".") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || len(id) == 128 { // RFC 3416 §4.1
			return nil, false
		}
		id = append(id, uint32(n))
	}
	return id, true
}

func formatID(id []uint32) string {
	var text strings.Builder
	for _, n := range id {
		text.WriteByte('.')
		text.WriteString(strconv.FormatUint(uint64(n), 10))
	}
	return text.String()
}
