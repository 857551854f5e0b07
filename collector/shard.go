package collector

import (
	"encoding/binary"
	"net/netip"
)

// shardOf spreads exporter addresses over the workers (Fibonacci hashing). The
// result must never change: tokens of inserts hold it.
func shardOf(exporter netip.Addr, shards int) int {
	address := exporter.As16()
	mixed := binary.LittleEndian.Uint64(address[:8]) ^ binary.LittleEndian.Uint64(address[8:])
	return int((mixed * 0x9E3779B97F4A7C15) >> 32 % uint64(shards))
}
