package collector

import (
	"encoding/binary"
	"net/netip"
)

// A datagram is one received UDP payload. Its payload is valid only until the
// receiver's next read.
type datagram struct {
	receivedMs int64 // Unix milliseconds
	source     netip.AddrPort
	payload    []byte
}

// recordHeader is the size of what stands before each payload in a block:
// receive time (8), source address (16) and port (2), payload length (2).
const recordHeader = 28

// A block is a run of datagrams in the order of reception, back to back in one
// piece of memory.
type block struct {
	number   uint64 // counts blocks from the start of the process
	records  []byte
	oldestMs int64 // receive time of the first datagram
}

func (b *block) append(d datagram) {
	if len(b.records) == 0 {
		b.oldestMs = d.receivedMs
	}
	address := d.source.Addr().As16()
	b.records = binary.LittleEndian.AppendUint64(b.records, uint64(d.receivedMs))
	b.records = append(b.records, address[:]...)
	b.records = binary.LittleEndian.AppendUint16(b.records, d.source.Port())
	b.records = binary.LittleEndian.AppendUint16(b.records, uint16(len(d.payload))) // a UDP payload is below 64 KiB
	b.records = append(b.records, d.payload...)
}

// each yields the datagrams whose source address hashes to shard of shards.
func (b *block) each(shard, shards uint32, yield func(datagram)) {
	for rest := b.records; len(rest) >= recordHeader; {
		length := int(binary.LittleEndian.Uint16(rest[26:]))
		record := rest[:recordHeader+length]
		rest = rest[recordHeader+length:]
		address := [16]byte(record[8:24])
		if shardOf(address, shards) != shard {
			continue
		}
		yield(datagram{
			receivedMs: int64(binary.LittleEndian.Uint64(record)),
			source:     netip.AddrPortFrom(netip.AddrFrom16(address).Unmap(), binary.LittleEndian.Uint16(record[24:])),
			payload:    record[recordHeader:],
		})
	}
}

// shardOf spreads exporter addresses over the workers (Fibonacci hashing).
func shardOf(address [16]byte, shards uint32) uint32 {
	mixed := binary.LittleEndian.Uint64(address[:8]) ^ binary.LittleEndian.Uint64(address[8:])
	return uint32((mixed * 0x9E3779B97F4A7C15) >> 32 % uint64(shards))
}
