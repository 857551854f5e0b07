package ipas

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/nfstats/nfstats/decoder"
)

const (
	// cacheBits gives a cache of 65,536 networks, 1 MiB for each Lookup.
	cacheBits = 16
	// maxNumbers bounds the decoded records of a database that are kept: there
	// are about 100,000 autonomous systems.
	maxNumbers = 1 << 18
)

// Lookup completes batches. It belongs to one goroutine.
type Lookup struct {
	database *Database
	reader   *maxminddb.Reader // that the caches are of
	numbers  map[uintptr]uint32
	cache    *[1 << cacheBits]cached
}

// cached is the AS number of an IPv4 /24 or an IPv6 /48: no longer prefixes are
// seen in the routing tables of other networks. Networks that the database cuts
// finer are not cached.
type cached struct {
	network uint64 // 0: none
	number  uint32
}

// NewLookup returns a new Lookup.
func (d *Database) NewLookup() *Lookup {
	return &Lookup{database: d, numbers: map[uintptr]uint32{}, cache: new([1 << cacheBits]cached)}
}

// Complete sets the AS numbers of a batch's flows as the database's Source says.
func (l *Lookup) Complete(b *decoder.Batch) {
	reader := l.database.reader.Load()
	if reader == nil || b.Len() == 0 {
		return
	}
	if reader != l.reader {
		l.reader = reader
		clear(l.numbers)
		clear(l.cache[:])
	}
	b.ExtendColumns(0, 0, decoder.ColumnSrcAS|decoder.ColumnDstAS)
	l.column(b.SrcAS[:b.Len()], b.SrcAddr)
	l.column(b.DstAS[:b.Len()], b.DstAddr)
}

func (l *Lookup) column(numbers []uint32, addresses []decoder.Addr) {
	always := l.database.source == DatabaseFirst
	for i := range numbers {
		if numbers[i] != 0 && !always {
			continue
		}
		if number := l.number(&addresses[i]); number != 0 {
			numbers[i] = number
		}
	}
}

// number returns the AS number of an address, 0 where the database has none.
func (l *Lookup) number(address *decoder.Addr) uint32 {
	network, bits := networkOf(address)
	slot := &l.cache[network*0x9E3779B97F4A7C15>>(64-cacheBits)] // Fibonacci hashing
	if slot.network == network {
		return slot.number
	}
	result := l.reader.Lookup(netip.AddrFrom16(*address).Unmap())
	number := l.decoded(result)
	if result.Err() == nil && result.Prefix().Bits() <= bits {
		*slot = cached{network, number}
	}
	return number
}

// networkOf returns the /24 of an IPv4 address or the /48 of an IPv6 address as
// a number of its own, never 0, and how many bits of the address it has.
func networkOf(address *decoder.Addr) (network uint64, bits int) {
	high, low := binary.BigEndian.Uint64(address[:]), binary.BigEndian.Uint64(address[8:])
	if high == 0 && low>>32 == 0xffff {
		return 1<<63 | low>>8&0xffffff, 24
	}
	return 1<<62 | high>>16, 48
}

// decoded returns the number in a record. Millions of networks share the records
// of some ten thousand autonomous systems.
func (l *Lookup) decoded(result maxminddb.Result) uint32 {
	if !result.Found() {
		return 0
	}
	if number, known := l.numbers[result.Offset()]; known {
		return number
	}
	number, err := numberOf(result)
	if err != nil {
		return 0 // a damaged record
	}
	if len(l.numbers) < maxNumbers {
		l.numbers[result.Offset()] = number
	}
	return number
}

// numberOf reads the AS number of a record: autonomous_system_number as MaxMind
// and DB-IP write it, or asn as IPinfo does ("AS64500").
func numberOf(result maxminddb.Result) (uint32, error) {
	var record struct {
		Number uint32 `maxminddb:"autonomous_system_number"`
		Text   any    `maxminddb:"asn"`
	}
	if err := result.Decode(&record); err != nil {
		return 0, err
	}
	switch text := record.Text.(type) {
	case string:
		number, _ := strconv.ParseUint(strings.TrimPrefix(text, "AS"), 10, 32)
		return uint32(number), nil
	case uint64:
		return uint32(text), nil
	}
	return record.Number, nil
}
