package journal

import (
	"fmt"
	"net/netip"
)

// A Datagram is one received UDP payload.
type Datagram struct {
	ReceivedMs int64          // Unix milliseconds
	Source     netip.AddrPort // the exporter; IPv4 not mapped, zone dropped
	LocalPort  uint16         // UDP port of the socket that received it
	Payload    []byte         // at most MaxPayload octets
}

// MaxPayload is the length of the longest payload in octets, as UDP has it.
const MaxPayload = 65535

// A Position is a place between two records. Both numbers only grow, over all
// segments and restarts.
type Position struct {
	Offset    uint64 // bytes of records before it
	Datagrams uint64 // datagrams journaled before it
}

// Before reports whether p comes before q.
func (p Position) Before(q Position) bool { return p.Offset < q.Offset }

// since returns what lies between an earlier position and p.
func (p Position) since(earlier Position) Loss {
	var l Loss
	if p.Datagrams > earlier.Datagrams {
		l.Datagrams = p.Datagrams - earlier.Datagrams
	}
	if p.Offset > earlier.Offset {
		l.Bytes = p.Offset - earlier.Offset
	}
	return l
}

// A Range is the place of a block. It lies within one segment.
type Range struct {
	Segment uint64 // random id of the segment
	From    Position
	To      Position
}

// Token names the block for the store, which drops a repeated insert under the
// same token. It holds the segment's random id and the block's start, so no
// other block of this or any other journal ever has it. (The end would add
// nothing, and is not known again after a power cut that took the block's last
// records.)
func (r Range) Token() string { return fmt.Sprintf("%016x-%x", r.Segment, r.From.Offset) }

// A Reason says why datagrams were lost.
type Reason uint8

// Reasons of loss.
const (
	Overflow         Reason = iota // the journal reached MaxSize before the datagrams were read
	Damaged                        // their records cannot be read: bit rot, lost or cut files, a write that a crash interrupted
	MemoryFull                     // the disk took no writes and memory was full up to MemoryBound
	TooLong                        // longer than MaxPayload
	RejectedOverflow               // in rejected blocks, to make room for another one
	reasons
)

var reasonNames = [reasons]string{
	"journal_overflow", "journal_damaged", "journal_memory_full", "journal_too_long", "rejected_overflow",
}

// String returns the reason as it stands in metrics.
func (r Reason) String() string { return reasonNames[r] }

// Reasons returns all reasons of loss.
func Reasons() []Reason { return []Reason{Overflow, Damaged, MemoryFull, TooLong, RejectedOverflow} }

// A Loss counts what is gone. Bytes are those of records, or of unreadable
// bytes in their place.
type Loss struct {
	Datagrams uint64
	Bytes     uint64
}

func (l *Loss) add(other Loss) {
	l.Datagrams += other.Datagrams
	l.Bytes += other.Bytes
}
