package journal

import "time"

// What Run does at intervals, for tests that do it at once.

func (j *Journal) Trim()                { j.trim() }
func (j *Journal) MoveMemoryToDisk()    { j.moveMemoryToDisk() }
func (j *Journal) Report(now time.Time) { j.report(now) }
func (j *Journal) Sync() error          { return j.sync() }

// NextWhile is Next with something that happens after it has decided what to
// read and before it has read it. It reports whether it delivers a block.
func (j *Journal) NextWhile(meanwhile func()) (bool, error) {
	d, err := j.due()
	if err != nil {
		return false, err
	}
	meanwhile()
	return j.readNext(j.spareBlock(), d)
}

const (
	HeaderSize       = headerSize
	RecordHeaderSize = recordHeaderSize
)
