package journal

import (
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"
)

// reportInterval is the least time between two log lines about the same thing.
const reportInterval = time.Minute

// Status is what a journal tells about itself.
type Status struct {
	Segments    int
	Bytes       int64 // of the segments on disk
	MemoryBytes int64 // of the segments that wait for the disk
	Written     Position
	Read        Position      // delivered by Next up to here
	Done        Position      // every block before is stored
	Checkpoint  Position      // a restart goes on here
	InFlight    int           // blocks delivered and not done, or behind one that is not
	Oldest      time.Time     // reception of the oldest datagram not delivered yet; zero: there is none
	Rejected    int           // blocks set aside
	Degraded    bool          // the disk takes no writes
	Lost        [reasons]Loss // since the start, by Reason
	Err         error         // what does not work now; nil: everything does
}

// Unread returns what is journaled and not delivered yet.
func (s *Status) Unread() (datagrams, bytes uint64) {
	l := s.Written.since(s.Read)
	return l.Datagrams, l.Bytes
}

// Status describes the journal.
func (j *Journal) Status() Status {
	j.mu.Lock()
	s := Status{Segments: len(j.segments), Written: j.end, Read: j.read, Done: j.done, Checkpoint: j.saved,
		InFlight: len(j.flights), Degraded: j.degraded, Lost: j.lost, Err: j.problems.current()}
	var oldest *segment
	for _, g := range j.segments {
		if g.path != "" {
			s.Bytes += g.size()
		} else {
			s.MemoryBytes += g.size()
		}
		if oldest == nil && j.read.Before(g.end) {
			oldest = g
		}
	}
	j.mu.Unlock()
	if rejected, err := ListRejected(j.config.Dir); err == nil {
		s.Rejected = len(rejected)
	} else {
		s.Err = errors.Join(s.Err, err)
	}
	if oldest != nil {
		s.Oldest = j.receivedAt(oldest, later(s.Read, oldest.base), s.Written.Offset)
	}
	return s
}

// receivedAt returns the reception time of the first datagram at a position, or
// zero when it cannot be read.
func (j *Journal) receivedAt(g *segment, from Position, limit uint64) time.Time {
	source, err := j.openSource(g)
	if err != nil {
		return time.Time{}
	}
	defer source.close()
	s := scan{header: &g.header, source: source, limit: min(limit, from.Offset+recordHeaderSize+MaxPayload), offset: from.Offset}
	r, ok, err := s.next()
	if err != nil || !ok {
		return time.Time{}
	}
	var d Datagram
	parseDatagram(s.buf[s.parsed:s.parsed+r.length], &d)
	return time.UnixMilli(d.ReceivedMs)
}

// problems keeps what does not work now, and what of it has been logged. It is
// guarded by Journal.mu.
type problems struct {
	errors    [problemKinds]error
	damagedAt string // where damage was met last

	loggedAt   time.Time // an error line
	logged     bool      // since the last all-clear
	lossAt     time.Time // a line about losses
	lossLogged [reasons]Loss
}

type problemKind uint8

const (
	problemWrite problemKind = iota
	problemSync
	problemCheckpoint
	problemRemove
	problemKinds
)

func (p *problems) set(kind problemKind, err error) { p.errors[kind] = err }

// current returns all that does not work now, or nil.
func (p *problems) current() error { return errors.Join(p.errors[:]...) }

// report logs, at most once a minute each, what does not work and what was lost.
func (j *Journal) report(now time.Time) {
	j.mu.Lock()
	p := &j.problems
	err, degraded, lost, damagedAt := p.current(), j.degraded, j.lost, p.damagedAt
	badNews := err != nil && now.Sub(p.loggedAt) >= reportInterval
	goodNews := err == nil && p.logged
	if badNews {
		p.loggedAt = now
	}
	p.logged = badNews || err != nil && p.logged
	var lossNews []Reason
	if now.Sub(p.lossAt) >= reportInterval {
		for _, why := range Reasons() {
			if lost[why] != p.lossLogged[why] {
				lossNews = append(lossNews, why)
				p.lossAt = now
			}
		}
	}
	before := p.lossLogged
	if len(lossNews) > 0 {
		p.lossLogged = lost
	}
	j.mu.Unlock()

	switch {
	case badNews && degraded:
		j.logger.Error("the journal cannot be written; datagrams are kept in memory", zap.Error(err), zap.Int64("bytes", j.memoryInUse()), zap.Int64("bound", j.config.MemoryBound))
	case badNews:
		j.logger.Error("the journal has a problem", zap.Error(err))
	case goodNews:
		j.logger.Info("the journal works again")
	}
	for why := range slices.Values(lossNews) {
		fields := []zap.Field{zap.Stringer("reason", why), zap.Uint64("datagrams", lost[why].Datagrams-before[why].Datagrams),
			zap.Uint64("bytes", lost[why].Bytes-before[why].Bytes)}
		if why == Damaged && damagedAt != "" {
			fields = append(fields, zap.String("last_at", damagedAt))
		}
		j.logger.Warn("journaled datagrams are lost", fields...)
	}
}
