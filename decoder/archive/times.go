package archive

import "github.com/nfstats/nfstats/decoder"

// earliestMs is 1990-01-01, before which there was no flow export.
const earliestMs = 631152000_000

// ClampTimes replaces the absurd times in the rows of b, those before 1990 or
// after latestMs, and returns in how many rows it did. An absurd start becomes
// the end and the other way round; where both are absurd, the reception. A
// reception that is absurd becomes the end. Where all are absurd the row gets
// the time 0.
func ClampTimes(b *decoder.Batch, latestMs int64) (rows int) {
	starts, ends, receptions := b.TimeFlowStart[:b.Len()], b.TimeFlowEnd[:b.Len()], b.TimeReceived[:b.Len()]
	span := uint64(latestMs - earliestMs)
	sane := func(ms int64) bool { return uint64(ms-earliestMs) <= span }
	for i, start := range starts {
		end, received := ends[i], receptions[i]
		if sane(start) && sane(end) && sane(received) {
			continue
		}
		rows++
		if !sane(received) {
			received = end
		}
		if !sane(received) {
			received = start
		}
		if !sane(received) {
			received = 0
		}
		switch {
		case sane(start) && !sane(end):
			end = start
		case sane(end) && !sane(start):
			start = end
		case !sane(start):
			start, end = received, received
		}
		starts[i], ends[i], receptions[i] = start, end, received
	}
	return rows
}
