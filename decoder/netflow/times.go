package netflow

// Times come from exporters' clocks and are taken as they are, unless they are
// absurd. A time is absurd when it is
//
//   - more than a day later than both the export time and the reception, or
//   - before 1990, when there was no flow export, unless it is within 30 days of
//     the export time, which then comes from a clock that was never set.
//
// An absurd start or end is replaced by the other one; where both are absurd,
// by the time of reception. Two times that are not absurd but more than 30 days
// apart, or in wrong order by more than a day, become the end. Each such record
// is counted. Clocks that merely differ from ours change nothing: the
// difference is reported for each exporter.
const (
	earliestMs    = 631152000_000 // 1990-01-01
	maxAheadMs    = 24 * 3600 * 1000
	maxInvertedMs = 24 * 3600 * 1000
	maxDurationMs = 30 * 24 * 3600 * 1000
)

// ntpEpoch is 1970 in seconds since 1900 (RFC 5905 §6).
const ntpEpoch = 2208988800

// latestMs is the latest time that is not absurd.
func (m *message) latestMs() int64 { return max(m.exportMs, m.receivedMs) + maxAheadMs }

// clampTimes replaces the absurd times of new rows and counts them.
func (x *execution) clampTimes(m *message, n int) {
	starts, ends := x.batch.TimeFlowStart[x.first:x.first+n], x.batch.TimeFlowEnd[x.first:x.first+n]
	earliest := min(earliestMs, m.exportMs-maxDurationMs)
	span := uint64(m.latestMs() - earliest)
	ends = ends[:len(starts)]
	for i, start := range starts {
		end := ends[i]
		if uint64(start-earliest) <= span && uint64(end-earliest) <= span &&
			uint64(end-start+maxInvertedMs) <= maxDurationMs+maxInvertedMs {
			continue
		}
		switch {
		case uint64(end-earliest) <= span:
			starts[i] = end
		case uint64(start-earliest) <= span:
			ends[i] = start
		default:
			starts[i], ends[i] = m.receivedMs, m.receivedMs
		}
		m.exporter.counters.TimesClamped++
	}
}

// times executes the conversions of times.
func (x *execution) times(m *message, o *op, row int, p []byte, at []uint32, length int) {
	dst := x.timeColumn(o.dest)[row:][:len(at)]
	scatter(dst, p, at, length)
	switch o.as {
	case asUptime:
		x.uptimes(m, dst, row)
	case asSeconds:
		for i := range dst {
			dst[i] *= 1000
		}
	case asNTP:
		for i, v := range dst {
			dst[i] = ntpToMs(uint64(v))
		}
	case asDeltaMicros:
		for i, v := range dst {
			dst[i] = m.exportMs - (v+999)/1000
		}
	}
}

// ntpToMs converts an NTP timestamp: seconds since 1900 in the upper 32 bits,
// their fraction in the lower ones (RFC 7011 §6.1.9).
func ntpToMs(v uint64) int64 {
	return (int64(v>>32)-ntpEpoch)*1000 + int64((v&0xffffffff)*1000>>32)
}

// uptimes converts milliseconds since the exporter's start.
//
// In NetFlow v9 they are 32 bits wide like the header's sysUptime and wrap with
// it after 49.7 days, before or after it: the signed difference is right both
// ways. In IPFIX the start is told by element 160, in the record or in options
// data; without it the export time is all there is.
func (x *execution) uptimes(m *message, dst []int64, row int) {
	if m.version == 9 {
		base, uptime := m.exportMs, m.uptimeMs
		for i, v := range dst {
			dst[i] = base + int64(int32(uint32(v)-uptime))
		}
		return
	}
	shared := m.bootMs()
	for i, v := range dst {
		boot := shared
		if x.hasBoot && x.boot[row-x.first+i] != 0 {
			boot = int64(x.boot[row-x.first+i])
		}
		if boot == 0 {
			dst[i] = m.exportMs
			continue
		}
		t := boot + int64(uint32(v))
		if behind := m.exportMs - t; behind > 1<<31 { // the uptime has wrapped
			t += (behind + 1<<31) >> 32 << 32
		}
		dst[i] = t
	}
}

// bootMs returns when the exporter started, as it told in options data: for
// this observation domain or else for another one. 0 means that it did not.
func (m *message) bootMs() int64 {
	if m.domain.bootMs != 0 {
		return m.domain.bootMs
	}
	return m.exporter.bootMs
}

// completeTimes sets the times that records do not tell.
func (x *execution) completeTimes(m *message, p *plan, n int) {
	if p.has.start && p.has.end && p.walk == nil {
		return
	}
	starts, ends := x.batch.TimeFlowStart[x.first:x.first+n], x.batch.TimeFlowEnd[x.first:x.first+n]
	for i := range starts {
		hasStart, hasEnd, duration := p.has.start, p.has.end, int64(0)
		if p.has.duration {
			duration = min(int64(x.duration[i]/1000), maxDurationMs)
		}
		if p.walk != nil { // a field may be empty
			hasStart, hasEnd = hasStart && starts[i] != 0, hasEnd && ends[i] != 0
		}
		switch {
		case hasStart && hasEnd:
		case hasStart && p.has.duration:
			ends[i] = starts[i] + duration
		case hasStart:
			ends[i] = max(starts[i], m.exportMs)
		case hasEnd:
			starts[i] = ends[i] - duration
		default:
			starts[i], ends[i] = m.exportMs-duration, m.exportMs
		}
	}
}
