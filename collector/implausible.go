package collector

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/decoder"
)

const (
	maxSuspects = 4096      // exporters remembered: their addresses can be forged
	suspectFor  = time.Hour // how long the page warns of an exporter
	maxWarnings = 3         // exporters that the page warns of by name
)

// implausible remembers who sent implausible records. Workers write, everybody reads.
type implausible struct {
	mu       sync.Mutex
	total    uint64 // records, of exporters that are not remembered too
	suspects map[netip.Addr]*suspect
}

// A suspect is an exporter that sent implausible records.
type suspect struct {
	exporter netip.Addr
	records  uint64
	seen     time.Time // for the last time
	last     record
}

// A record is what an implausible flow record told.
type record struct {
	inIf, outIf     uint32
	octets, packets uint64
	rate            uint32
}

// noteImplausible counts the records of one datagram, whose rows are those from first
// on, and logs the last of them.
func (c *Collector) noteImplausible(b *decoder.Batch, first, marked int, log *errorLog) {
	row := b.Len() - 1
	for ; row > first && b.Implausible[row] == 0; row-- {
	}
	exporter := netip.AddrFrom16(b.ExporterAddr[row]).Unmap()
	r := record{b.InIf[row], b.OutIf[row], b.Bytes[row], b.Packets[row], b.SamplingRate[row]}
	c.implausible.note(exporter, uint64(marked), r)
	if leftOut, ok := log.Due(errorKind{exporter, "implausible"}); ok {
		log.logger.Warn("flow records with counters that no network can have carried are stored, and left out of charts and totals",
			zap.Stringer("exporter", exporter), zap.Uint32("in_if", r.inIf), zap.Uint32("out_if", r.outIf), zap.Uint64("octets", r.octets),
			zap.Uint64("packets", r.packets), zap.Uint32("sampling_rate", r.rate), zap.Int("left_out", leftOut))
	}
}

func (i *implausible) note(exporter netip.Addr, records uint64, last record) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.total += records
	s := i.suspects[exporter]
	if s == nil {
		if len(i.suspects) == maxSuspects {
			return
		}
		if i.suspects == nil {
			i.suspects = map[netip.Addr]*suspect{}
		}
		s = &suspect{exporter: exporter}
		i.suspects[exporter] = s
	}
	s.records += records
	s.seen, s.last = time.Now(), last
}

// list returns who sent implausible records, the last one first, and how many all sent.
func (i *implausible) list() (all []suspect, total uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, s := range i.suspects {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b suspect) int { return b.seen.Compare(a.seen) })
	return all, i.total
}

// warnings tells who sent implausible records lately.
func (i *implausible) warnings(now time.Time) (warnings []string) {
	all, _ := i.list()
	all = slices.DeleteFunc(all, func(s suspect) bool { return now.Sub(s.seen) > suspectFor })
	for _, s := range all[:min(maxWarnings, len(all))] {
		warnings = append(warnings, s.String())
	}
	if more := len(all) - maxWarnings; more > 0 {
		warnings = append(warnings, fmt.Sprintf("%d more exporters sent implausible flow records within an hour", more))
	}
	return warnings
}

// String says it in a sentence.
func (s suspect) String() string {
	through := ""
	for _, side := range []struct {
		name    string
		ifIndex uint32
	}{{"input", s.last.inIf}, {"output", s.last.outIf}} {
		if side.ifIndex != 0 {
			through += fmt.Sprintf(", %s interface %d", side.name, side.ifIndex)
		}
	}
	return fmt.Sprintf("Exporter %s sent %d flow records that no network can have carried; they are left out of charts and totals. "+
		"The last, at %s%s: %d octets, %d packets, sampling rate %d", s.exporter, s.records, s.seen.UTC().Format("15:04 UTC"), through,
		s.last.octets, s.last.packets, s.last.rate)
}

// SetInterfaceSpeeds tells how fast interfaces are, from when on more than they can
// carry is implausible.
func (c *Collector) SetInterfaceSpeeds(speeds decoder.Speeds) { c.speeds.Store(&speeds) }

func (c *Collector) interfaceSpeeds() decoder.Speeds {
	if speeds := c.speeds.Load(); speeds != nil {
		return *speeds
	}
	return nil
}
