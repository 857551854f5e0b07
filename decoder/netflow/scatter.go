package netflow

import (
	"encoding/binary"

	"github.com/nfstats/nfstats/decoder"
)

type integer interface {
	uint8 | uint16 | uint32 | uint64 | int64
}

// scatter writes to each dst[i] the big-endian number of the given length at
// p[at[i]+offset], cut to the width of dst. Numbers come in any length
// (reduced-size encoding, RFC 7011 §6.2); of those longer than 8 octets the
// last 8 count.
//
// It trusts that the caller has checked at against the length of p.
func scatter[T integer](dst []T, p []byte, at []uint32, offset, length int) {
	dst = dst[:len(at)]
	switch length {
	case 1:
		for i, start := range at {
			dst[i] = T(p[int(start)+offset])
		}
	case 2:
		for i, start := range at {
			dst[i] = T(binary.BigEndian.Uint16(p[int(start)+offset:]))
		}
	case 4:
		for i, start := range at {
			dst[i] = T(binary.BigEndian.Uint32(p[int(start)+offset:]))
		}
	case 8:
		for i, start := range at {
			dst[i] = T(binary.BigEndian.Uint64(p[int(start)+offset:]))
		}
	default:
		for i, start := range at {
			dst[i] = T(number(p[int(start)+offset:][:length]))
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

// mappedPrefix is the start of an IPv4-mapped IPv6 address.
var mappedPrefix = [12]byte{10: 0xff, 11: 0xff}

func mapped4(octets []byte) (a decoder.Addr) {
	*(*[12]byte)(a[:]) = mappedPrefix
	*(*[4]byte)(a[12:]) = [4]byte(octets)
	return a
}

func scatterAddr4(dst []decoder.Addr, p []byte, at []uint32, offset int) {
	dst = dst[:len(at)]
	for i, start := range at {
		*(*[12]byte)(dst[i][:]) = mappedPrefix
		*(*[4]byte)(dst[i][12:]) = [4]byte(p[int(start)+offset:])
	}
}

func scatterAddr6(dst []decoder.Addr, p []byte, at []uint32, offset int) {
	dst = dst[:len(at)]
	for i, start := range at {
		dst[i] = decoder.Addr(p[int(start)+offset:])
	}
}

// numbers executes conversion asNumber.
func (x *execution) numbers(d dest, row int, at []uint32, offset, length int) {
	b, p := x.batch, x.body
	switch d {
	case decoder.ColumnBytes:
		scatter(b.Bytes[row:], p, at, offset, length)
	case decoder.ColumnPackets:
		scatter(b.Packets[row:], p, at, offset, length)
	case decoder.ColumnSrcMAC:
		scatter(b.SrcMAC[row:], p, at, offset, length)
	case decoder.ColumnDstMAC:
		scatter(b.DstMAC[row:], p, at, offset, length)
	case decoder.ColumnTimeFlowStart:
		scatter(b.TimeFlowStart[row:], p, at, offset, length)
	case decoder.ColumnTimeFlowEnd:
		scatter(b.TimeFlowEnd[row:], p, at, offset, length)
	case destSampler:
		scatter(x.sampler[row-x.first:], p, at, offset, length)
	case destBoot:
		scatter(x.boot[row-x.first:], p, at, offset, length)
	case destDuration:
		scatter(x.duration[row-x.first:], p, at, offset, length)
	default:
		x.narrowNumbers(d, row, at, offset, length)
	}
}

// narrowNumbers is numbers for columns of 32 bits.
func (x *execution) narrowNumbers(d dest, row int, at []uint32, offset, length int) {
	b, p := x.batch, x.body
	var column []uint32
	switch d {
	case decoder.ColumnInIf:
		column = b.InIf
	case decoder.ColumnOutIf:
		column = b.OutIf
	case decoder.ColumnSrcAS:
		column = b.SrcAS
	case decoder.ColumnDstAS:
		column = b.DstAS
	case decoder.ColumnInVRF:
		column = b.InVRF
	case decoder.ColumnOutVRF:
		column = b.OutVRF
	case decoder.ColumnSamplingRate:
		column = b.SamplingRate
	default:
		x.shortNumbers(d, row, at, offset, length)
		return
	}
	scatter(column[row:], p, at, offset, length)
}

// shortNumbers is numbers for columns of 16 bits.
func (x *execution) shortNumbers(d dest, row int, at []uint32, offset, length int) {
	b, p := x.batch, x.body
	var column []uint16
	switch d {
	case decoder.ColumnEType:
		column = b.EType
	case decoder.ColumnSrcPort:
		column = b.SrcPort
	case decoder.ColumnDstPort:
		column = b.DstPort
	case decoder.ColumnTCPFlags:
		column = b.TCPFlags
	case decoder.ColumnSrcVLAN:
		column = b.SrcVLAN
	case decoder.ColumnDstVLAN:
		column = b.DstVLAN
	case decoder.ColumnSrcPortXlate:
		column = b.SrcPortXlate
	case decoder.ColumnDstPortXlate:
		column = b.DstPortXlate
	default:
		x.octetNumbers(d, row, at, offset, length)
		return
	}
	scatter(column[row:], p, at, offset, length)
}

// octetNumbers is numbers for columns of 8 bits.
func (x *execution) octetNumbers(d dest, row int, at []uint32, offset, length int) {
	b, p := x.batch, x.body
	var column []uint8
	switch d {
	case decoder.ColumnProto:
		column = b.Proto
	case decoder.ColumnIPTos:
		column = b.IPTos
	case decoder.ColumnIPTTL:
		column = b.IPTTL
	case decoder.ColumnSrcNet:
		column = b.SrcNet
	case decoder.ColumnDstNet:
		column = b.DstNet
	case decoder.ColumnICMPType:
		column = b.ICMPType
	case decoder.ColumnICMPCode:
		column = b.ICMPCode
	case decoder.ColumnFlowDirection:
		column = b.FlowDirection
	case decoder.ColumnForwardingStatus:
		column = b.ForwardingStatus
	}
	scatter(column[row:], p, at, offset, length)
}

// addresses returns the column of an address dest.
func (x *execution) addresses(d dest) []decoder.Addr {
	b := x.batch
	switch d {
	case decoder.ColumnSrcAddr:
		return b.SrcAddr
	case decoder.ColumnDstAddr:
		return b.DstAddr
	case decoder.ColumnNextHop:
		return b.NextHop
	case decoder.ColumnBGPNextHop:
		return b.BGPNextHop
	case decoder.ColumnSrcAddrXlate:
		return b.SrcAddrXlate
	default:
		return b.DstAddrXlate
	}
}

func fill[T any](dst []T, v T) {
	for i := range dst {
		dst[i] = v
	}
}
