package snmp

import (
	"context"
	"time"
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
}

// Counters are the counters of an interface at one time.
type Counters struct {
	IfIndex                 uint32
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
}

// maxSpeed32 is the speed in bits/s up to which counters of 32 bits are read: a
// full faster interface starts them again within minutes.
const maxSpeed32 = 100_000_000

// system asks who the device is. It is the smallest question, so it also tells
// whether the agent answers at all.
func (s *session) system(ctx context.Context) (System, reading, error) {
	values, err := s.get(ctx, oidSysUpTime, oidSysDescr, oidSysName)
	if err != nil {
		return System{}, reading{}, err
	}
	return System{Name: toText(values[2]), Description: toText(values[1])}, reading{time.Now().UnixMilli(), 10 * toUint(values[0])}, nil
}

// interfaces walks the interface table.
func (s *session) interfaces(ctx context.Context) ([]Interface, error) {
	rows, err := s.table(ctx, interfaceColumns, nil)
	if err != nil {
		return nil, err
	}
	all := make([]Interface, 0, len(rows))
	for _, r := range rows {
		i := Interface{IfIndex: r.index, Name: toText(r.values[5]), Description: toText(r.values[7]), Type: uint32(toUint(r.values[1])),
			Speed: 1_000_000 * toUint(r.values[6]), AdminStatus: uint8(toUint(r.values[3])), OperStatus: uint8(toUint(r.values[4]))}
		if i.Name == "" {
			i.Name = toText(r.values[0])
		}
		if i.Speed == 0 { // below 1 Mb/s, or an agent without ifXTable
			i.Speed = toUint(r.values[2])
		}
		all = append(all, i)
	}
	return all, nil
}

// counters reads the counters of interfaces, whose speeds are known: those of 64
// bits, else those of 32 bits of slow ones.
func (s *session) counters(ctx context.Context, indexes []uint32, speed map[uint32]uint64) ([]Counters, error) {
	rows, err := s.table(ctx, counterColumns, indexes)
	if err != nil {
		return nil, err
	}
	all := make([]Counters, 0, len(rows))
	have := map[uint32]bool{}
	for _, r := range rows {
		if r.values[0] != nil && r.values[1] != nil {
			all, have[r.index] = append(all, r.counters(64)), true
		}
	}
	slow := []uint32{}
	for _, index := range indexes {
		if !have[index] && speed[index] <= maxSpeed32 {
			slow = append(slow, index)
		}
	}
	if len(slow) == 0 {
		return all, nil
	}
	if rows, err = s.table(ctx, oldCounterColumns, slow); err != nil {
		return all, err
	}
	for _, r := range rows {
		if r.values[0] != nil && r.values[1] != nil {
			all = append(all, r.counters(32))
		}
	}
	return all, nil
}

// counters reads a row of counterColumns or oldCounterColumns.
func (r row) counters(bits uint8) Counters {
	v := func(column int) uint64 { return toUint(r.values[column]) }
	return Counters{IfIndex: r.index, AtMs: r.sys.atMs, UptimeMs: r.sys.uptimeMs, Bits: bits,
		InOctets: v(0), OutOctets: v(1), InPackets: v(2) + v(3) + v(4), OutPackets: v(5) + v(6) + v(7),
		InDiscards: v(8), OutDiscards: v(9), Discontinuity: uint32(v(10))}
}
