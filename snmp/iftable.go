package snmp

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/nfstats/nfstats/snmp/calibration"
)

// System is what an agent says of its device.
type System struct {
	Name        string // sysName
	Description string // sysDescr

	// Restarted is when the device did so, where that was noticed since its interfaces were found last.
	Restarted time.Time
}

// Interface is what an agent says of an interface (RFC 2863).
type Interface struct {
	IfIndex     uint32
	Name        string // ifName, or ifDescr where there is none
	Description string // ifAlias: what the operator wrote
	Type        uint32 // ifType, IANA
	Speed       uint64 // bits/s, 0 if not told
	AdminStatus uint8  // 1 up, 2 down, 3 testing
	OperStatus  uint8  // 1 up, 2 down, see ifOperStatus
	OperSince   int64  // Unix seconds, since when it is that, by ifLastChange; 0: not known, or since the agent started
}

// Counters are the counters of an interface at one time.
type Counters struct {
	IfIndex                 uint32
	Name                    string // as in Interface: whose counters they are
	AtMs                    int64  // Unix milliseconds, ours
	UptimeMs                uint64 // sysUpTime in the same answer
	InOctets, OutOctets     uint64
	InPackets, OutPackets   uint64 // unicast, multicast and broadcast
	InDiscards, OutDiscards uint64
	Discontinuity           uint32 // ifCounterDiscontinuityTime
	Bits                    uint8  // of the counters: 64 or 32
}

const (
	oidSysDescr  = ".1.3.6.1.2.1.1.1.0"
	oidSysUpTime = ".1.3.6.1.2.1.1.3.0"
	oidSysName   = ".1.3.6.1.2.1.1.5.0"
	ifEntry      = ".1.3.6.1.2.1.2.2.1"
	ifXEntry     = ".1.3.6.1.2.1.31.1.1.1"
)

var interfaceColumns = []string{
	ifEntry + ".2",   // ifDescr
	ifEntry + ".3",   // ifType
	ifEntry + ".5",   // ifSpeed
	ifEntry + ".7",   // ifAdminStatus
	ifEntry + ".8",   // ifOperStatus
	ifXEntry + ".1",  // ifName
	ifXEntry + ".15", // ifHighSpeed, Mb/s
	ifXEntry + ".18", // ifAlias
	ifEntry + ".9",   // ifLastChange
}

var counterColumns = []string{
	ifXEntry + ".6",  // ifHCInOctets
	ifXEntry + ".10", // ifHCOutOctets
	ifXEntry + ".7",  // ifHCInUcastPkts
	ifXEntry + ".8",  // ifHCInMulticastPkts
	ifXEntry + ".9",  // ifHCInBroadcastPkts
	ifXEntry + ".11", // ifHCOutUcastPkts
	ifXEntry + ".12", // ifHCOutMulticastPkts
	ifXEntry + ".13", // ifHCOutBroadcastPkts
	ifEntry + ".13",  // ifInDiscards
	ifEntry + ".19",  // ifOutDiscards
	ifXEntry + ".19", // ifCounterDiscontinuityTime
	ifXEntry + ".1",  // ifName
}

// oldCounterColumns are for agents without counters of 64 bits.
var oldCounterColumns = []string{
	ifEntry + ".10",  // ifInOctets
	ifEntry + ".16",  // ifOutOctets
	ifEntry + ".11",  // ifInUcastPkts
	ifXEntry + ".2",  // ifInMulticastPkts
	ifXEntry + ".3",  // ifInBroadcastPkts
	ifEntry + ".17",  // ifOutUcastPkts
	ifXEntry + ".4",  // ifOutMulticastPkts
	ifXEntry + ".5",  // ifOutBroadcastPkts
	ifEntry + ".13",  // ifInDiscards
	ifEntry + ".19",  // ifOutDiscards
	ifXEntry + ".19", // ifCounterDiscontinuityTime
	ifXEntry + ".1",  // ifName
	ifEntry + ".2",   // ifDescr
}

// system asks who the device is. It is the smallest question, so it also tells
// whether the agent answers at all.
func (s *session) system(ctx context.Context) (System, reading, error) {
	values, err := s.get(ctx, oidSysUpTime, oidSysDescr, oidSysName)
	if err != nil {
		return System{}, reading{}, err
	}
	ticks, told := number(values[0])
	if !told || ticks > math.MaxUint32 {
		return System{}, reading{}, errNoUptime
	}
	return System{Name: toText(values[2]), Description: toText(values[1])}, reading{time.Now().UnixMilli(), 10 * ticks}, nil
}

// interfaces walks the interface table. more reports that there are more.
func (s *session) interfaces(ctx context.Context) (all []Interface, more bool, err error) {
	more, err = s.table(ctx, interfaceColumns, nil, func(r row) {
		i := Interface{IfIndex: r.index, Name: toText(r.values[5]), Description: toText(r.values[7]), Type: uint32(toUint(r.values[1])),
			Speed: 1_000_000 * min(toUint(r.values[6]), math.MaxUint32), AdminStatus: uint8(toUint(r.values[3])), OperStatus: uint8(toUint(r.values[4]))}
		if changed := 10 * toUint(r.values[8]); changed > 0 && changed <= r.sys.uptimeMs {
			i.OperSince = (r.sys.atMs - int64(r.sys.uptimeMs-changed)) / 1000
		}
		if i.Name == "" {
			i.Name = toText(r.values[0])
		}
		if i.Speed == 0 { // below 1 Mb/s, or an agent without ifXTable
			i.Speed = toUint(r.values[2])
		}
		all = append(all, i)
	})
	return all, more, err
}

// counters reads the counters of interfaces, whose speeds are known: those of 64
// bits, else those of 32 bits of slow ones. What was read before an error counts.
func (s *session) counters(ctx context.Context, indexes []uint32, speed map[uint32]uint64) (all []Counters, err error) {
	have := map[uint32]bool{}
	wrong := map[uint32]bool{} // their counters are no numbers
	take := func(bits uint8) func(row) {
		return func(r row) {
			_, in := number(r.values[0])
			_, out := number(r.values[1])
			switch {
			case in && out:
				all, have[r.index] = append(all, r.counters(bits)), true
				delete(wrong, r.index)
			case r.values[0] != nil && r.values[1] != nil:
				wrong[r.index] = true
			}
		}
	}
	if _, err = s.table(ctx, counterColumns, indexes, take(64)); err != nil {
		return all, err
	}
	slow := []uint32{}
	for _, index := range indexes {
		if !have[index] && speed[index] > 0 && speed[index] <= calibration.MaxSpeed32 {
			slow = append(slow, index)
		}
	}
	if len(slow) > 0 {
		_, err = s.table(ctx, oldCounterColumns, slow, take(32))
	}
	if err == nil && len(wrong) > 0 {
		err = remark(fmt.Sprintf("the agent answers the octets of %d of %d interfaces with something that is no counter", len(wrong), len(indexes)))
	}
	return all, err
}

// counters reads a row of counterColumns or oldCounterColumns.
func (r row) counters(bits uint8) Counters {
	v := func(column int) uint64 { return toUint(r.values[column]) }
	c := Counters{IfIndex: r.index, AtMs: r.sys.atMs, UptimeMs: r.sys.uptimeMs, Bits: bits,
		InOctets: v(0), OutOctets: v(1), InPackets: v(2) + v(3) + v(4), OutPackets: v(5) + v(6) + v(7),
		InDiscards: v(8), OutDiscards: v(9), Discontinuity: uint32(v(10)), Name: toText(r.values[11])}
	if c.Name == "" && bits == 32 {
		c.Name = toText(r.values[12])
	}
	return c
}
