package netflow

import (
	"encoding/binary"

	"github.com/nfstats/nfstats/decoder"
)

type integer interface {
	uint8 | uint16 | uint32 | uint64 | int64
}

// scatter writes to each dst[i] the big-endian number of the given length at
// p[at[i]], cut to the width of dst. Numbers come in any length (reduced-size
// encoding, RFC 7011 §6.2); of those longer than 8 octets the last 8 count.
//
// Slices of p are taken with their capacity, p[k:k+4:k+4]: then one comparison
// checks all bounds, which makes these loops, where most of the time goes, half
// as long.
func scatter[T integer](dst []T, p []byte, at []uint32, length int) {
	dst = dst[:len(at)]
	switch length {
	case 1:
		for i, start := range at {
			dst[i] = T(p[start])
		}
	case 2:
		for i, start := range at {
			k := int(start)
			dst[i] = T(binary.BigEndian.Uint16(p[k : k+2 : k+2]))
		}
	case 4:
		for i, start := range at {
			k := int(start)
			dst[i] = T(binary.BigEndian.Uint32(p[k : k+4 : k+4]))
		}
	case 8:
		for i, start := range at {
			k := int(start)
			dst[i] = T(binary.BigEndian.Uint64(p[k : k+8 : k+8]))
		}
	default:
		for i, start := range at {
			dst[i] = T(number(p[start:][:length]))
		}
	}
}

// number reads a big-endian number of any length.
func number(octets []byte) (v uint64) {
	for _, octet := range octets {
		v = v<<8 | uint64(octet)
	}
	return v
}

// numberLittle reads a little-endian number of any length.
func numberLittle(octets []byte) (v uint64) {
	for i := len(octets) - 1; i >= 0; i-- {
		v = v<<8 | uint64(octets[i])
	}
	return v
}

// mapped4 writes the IPv4-mapped form of an address: ten octets 0, two of ones,
// four of the address (RFC 4291 §2.5.5.2), in two writes because a value put
// together in smaller ones is slow to move.
func mapped4(a *decoder.Addr, octets *[4]byte) {
	binary.LittleEndian.PutUint64(a[:8], 0)
	binary.LittleEndian.PutUint64(a[8:], 0xffff<<16|uint64(binary.LittleEndian.Uint32(octets[:]))<<32)
}

func scatterAddr4(dst []decoder.Addr, p []byte, at []uint32) {
	dst = dst[:len(at)]
	for i, start := range at {
		k := int(start)
		mapped4(&dst[i], (*[4]byte)(p[k:k+4:k+4]))
	}
}

func scatterAddr6(dst []decoder.Addr, p []byte, at []uint32) {
	dst = dst[:len(at)]
	for i, start := range at {
		k := int(start)
		dst[i] = *(*[16]byte)(p[k : k+16 : k+16])
	}
}

// fill sets all of dst, four at a time, which the compiler does not do itself.
func fill[T any](dst []T, v T) {
	for ; len(dst) >= 4; dst = dst[4:] {
		dst[0], dst[1], dst[2], dst[3] = v, v, v, v
	}
	for i := range dst {
		dst[i] = v
	}
}

// The following return the columns of a width, by dest.

func (x *execution) columns64(d dest) []uint64 {
	switch d {
	case decoder.ColumnBytes:
		return x.batch.Bytes
	case decoder.ColumnPackets:
		return x.batch.Packets
	case decoder.ColumnSrcMAC:
		return x.batch.SrcMAC
	default:
		return x.batch.DstMAC
	}
}

func (x *execution) columns32(d dest) []uint32 {
	switch d {
	case decoder.ColumnInIf:
		return x.batch.InIf
	case decoder.ColumnOutIf:
		return x.batch.OutIf
	case decoder.ColumnSrcAS:
		return x.batch.SrcAS
	case decoder.ColumnDstAS:
		return x.batch.DstAS
	case decoder.ColumnInVRF:
		return x.batch.InVRF
	case decoder.ColumnOutVRF:
		return x.batch.OutVRF
	default:
		return x.batch.SamplingRate
	}
}

func (x *execution) columns16(d dest) []uint16 {
	switch d {
	case decoder.ColumnEType:
		return x.batch.EType
	case decoder.ColumnSrcPort:
		return x.batch.SrcPort
	case decoder.ColumnDstPort:
		return x.batch.DstPort
	case decoder.ColumnTCPFlags:
		return x.batch.TCPFlags
	case decoder.ColumnSrcVLAN:
		return x.batch.SrcVLAN
	case decoder.ColumnDstVLAN:
		return x.batch.DstVLAN
	case decoder.ColumnSrcPortXlate:
		return x.batch.SrcPortXlate
	default:
		return x.batch.DstPortXlate
	}
}

func (x *execution) columns8(d dest) []uint8 {
	switch d {
	case decoder.ColumnProto:
		return x.batch.Proto
	case decoder.ColumnIPTos:
		return x.batch.IPTos
	case decoder.ColumnIPTTL:
		return x.batch.IPTTL
	case decoder.ColumnSrcNet:
		return x.batch.SrcNet
	case decoder.ColumnDstNet:
		return x.batch.DstNet
	case decoder.ColumnICMPType:
		return x.batch.ICMPType
	case decoder.ColumnICMPCode:
		return x.batch.ICMPCode
	case decoder.ColumnFlowDirection:
		return x.batch.FlowDirection
	default:
		return x.batch.ForwardingStatus
	}
}

func (x *execution) timeColumn(d dest) []int64 {
	if d == decoder.ColumnTimeFlowStart {
		return x.batch.TimeFlowStart
	}
	return x.batch.TimeFlowEnd
}

func (x *execution) addresses(d dest) []decoder.Addr {
	switch d {
	case decoder.ColumnSrcAddr:
		return x.batch.SrcAddr
	case decoder.ColumnDstAddr:
		return x.batch.DstAddr
	case decoder.ColumnNextHop:
		return x.batch.NextHop
	case decoder.ColumnBGPNextHop:
		return x.batch.BGPNextHop
	case decoder.ColumnSrcAddrXlate:
		return x.batch.SrcAddrXlate
	default:
		return x.batch.DstAddrXlate
	}
}

// scratchColumn returns the column of a scratch dest from record 0 on.
func (x *execution) scratchColumn(d dest) []uint64 {
	switch d {
	case destSampler:
		return x.sampler
	case destBoot:
		return x.boot
	default:
		return x.duration
	}
}

// The columns by their width.
const (
	dests64 = decoder.ColumnBytes | decoder.ColumnPackets | decoder.ColumnSrcMAC | decoder.ColumnDstMAC
	dests32 = decoder.ColumnInIf | decoder.ColumnOutIf | decoder.ColumnSrcAS | decoder.ColumnDstAS | decoder.ColumnInVRF |
		decoder.ColumnOutVRF | decoder.ColumnSamplingRate
	dests16 = decoder.ColumnEType | decoder.ColumnSrcPort | decoder.ColumnDstPort | decoder.ColumnTCPFlags | decoder.ColumnSrcVLAN |
		decoder.ColumnDstVLAN | decoder.ColumnSrcPortXlate | decoder.ColumnDstPortXlate
	destsTime = decoder.ColumnTimeFlowStart | decoder.ColumnTimeFlowEnd
)

// numberOf returns the conversion of a number to the width of its dest.
func numberOf(d dest) conversion {
	switch {
	case d&scratch != 0:
		return asScratch
	case d&destsTime != 0:
		return asTime
	case d&dests64 != 0:
		return as64
	case d&dests32 != 0:
		return as32
	case d&dests16 != 0:
		return as16
	}
	return as8
}
