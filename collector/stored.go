package collector

import "time"

// StoredUntil returns a time before which every flow that was received is
// stored (time_received is before it), or zero when that is not known yet. No
// flow that comes later is received before it.
func (c *Collector) StoredUntil() time.Time {
	ms := c.journal.StoredUntil(time.Now().UnixMilli())
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
