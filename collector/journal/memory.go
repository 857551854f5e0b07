package journal

import (
	"os"
	"slices"
)

// memoryInUse returns the bytes of all segments in memory.
func (j *Journal) memoryInUse() (total int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segments {
		total += int64(len(s.memory))
	}
	return total
}

// moveMemoryToDisk writes the segments that had to stay in memory to files, in
// their order and beside Append. When none is left, Append uses the disk again.
func (j *Journal) moveMemoryToDisk() {
	for {
		s := j.oldestInMemory()
		if s == nil {
			break
		}
		if err := j.moveToDisk(s); err != nil {
			j.mu.Lock()
			j.problems.set(problemWrite, err)
			j.mu.Unlock()
			return
		}
	}
	j.appendMu.Lock()
	defer j.appendMu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.degraded {
		j.degraded = false
		j.problems.set(problemWrite, nil)
	}
}

// oldestInMemory returns the oldest segment in memory, which it seals if it is
// the active one, and nil when there is none with records.
func (j *Journal) oldestInMemory() *segment {
	j.appendMu.Lock()
	defer j.appendMu.Unlock()
	j.mu.Lock()
	i := slices.IndexFunc(j.segments, func(s *segment) bool { return s.memory != nil })
	var s *segment
	if i >= 0 {
		s = j.segments[i]
	}
	j.mu.Unlock()
	if s == nil || s.end == s.base {
		return nil
	}
	if s == j.active {
		j.seal()
	}
	return s
}

// moveToDisk makes a file of a sealed segment in memory.
func (j *Journal) moveToDisk(s *segment) error {
	path, err := s.moveToDisk(j.config.Dir)
	if err != nil {
		return err
	}
	j.mu.Lock()
	wanted := slices.Contains(j.segments, s) // Commit may have dropped it meanwhile
	if wanted {
		s.path, s.memory = path, nil
		j.newNames = true
	}
	j.mu.Unlock()
	if !wanted {
		os.Remove(path)
	}
	return nil
}
