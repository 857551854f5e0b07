package journal

// StoredUntil returns a time, in Unix milliseconds, before which everything that
// was received is done: stored or set aside. It is now where nothing waits, and
// then no datagram to come will have an earlier time. It never goes back but over
// a restart, and is 0 when it is not known yet.
func (j *Journal) StoredUntil(now int64) int64 {
	j.appendMu.Lock()
	defer j.appendMu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.flights) == 0 && !j.read.Before(j.end) {
		j.received = max(j.received, now)
		j.doneUntil = j.received
	}
	return j.doneUntil
}

// received returns the time of the first datagram.
func (b *Block) received() int64 {
	var d Datagram
	if cursor := b.Cursor(); !cursor.Next(&d) {
		return 0
	}
	return d.ReceivedMs
}
