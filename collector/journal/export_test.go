package journal

import "time"

// What Run does at intervals, for tests that do it at once.

func (j *Journal) Trim()                { j.trim() }
func (j *Journal) MoveMemoryToDisk()    { j.moveMemoryToDisk() }
func (j *Journal) Report(now time.Time) { j.report(now) }
func (j *Journal) Sync() error          { return j.sync() }

const (
	HeaderSize       = headerSize
	RecordHeaderSize = recordHeaderSize
)
