package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nfstats/nfstats/collector/journal"
)

// numbersIn returns the numbers in a segment of the journal.
func numbersIn(path string) (map[uint32]int, error) {
	r, err := journal.OpenSegment(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	numbers := map[uint32]int{}
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return numbers, nil
		}
		if err != nil {
			return nil, err
		}
		var d journal.Datagram
		for cursor := b.Cursor(); cursor.Next(&d); {
			if n, ok := numberOf(d.Payload); ok {
				numbers[n]++
			}
		}
	}
}

// A recorder copies the journal's segments as they grow, so that the test knows
// what was journaled from the files alone.
type recorder struct {
	from, to string

	mu   sync.Mutex
	open map[string]*copying
	stop chan struct{}
	done chan struct{}
}

type copying struct {
	from, to *os.File // from can be read though it was removed
}

func startRecorder(t *testing.T, journalDir string) *recorder {
	r := &recorder{from: journalDir, to: t.TempDir(), open: map[string]*copying{}, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for {
			select {
			case <-r.stop:
				return
			case <-time.After(10 * time.Millisecond):
				if err := r.catchUp(); err != nil {
					t.Errorf("copy the journal: %v", err)
				}
			}
		}
	}()
	return r
}

// catchUp copies what the segments have grown by.
func (r *recorder) catchUp() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	paths, err := filepath.Glob(filepath.Join(r.from, "*.nfj"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		name := filepath.Base(path)
		if r.open[name] != nil {
			continue
		}
		from, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // an empty one
		}
		if err != nil {
			return err
		}
		to, err := os.OpenFile(filepath.Join(r.to, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		r.open[name] = &copying{from, to}
	}
	for name, c := range r.open {
		if c.from == nil {
			continue
		}
		info, err := c.from.Stat()
		if err != nil {
			return err
		}
		if _, err := io.Copy(c.to, c.from); err != nil {
			return err
		}
		if info.Sys().(*syscall.Stat_t).Nlink == 0 { // removed before the copy: it is complete
			c.close()
			*r.open[name] = copying{}
		}
	}
	return nil
}

func (c *copying) close() { c.from.Close(); c.to.Close() }

// journaled ends the recorder and returns how often each number was journaled.
func (r *recorder) journaled() (map[uint32]int, error) {
	close(r.stop)
	<-r.done
	if err := r.catchUp(); err != nil {
		return nil, err
	}
	all := map[uint32]int{}
	for name := range r.open {
		numbers, err := numbersIn(filepath.Join(r.to, name))
		if err != nil {
			return nil, err
		}
		for n, times := range numbers {
			all[n] += times
		}
	}
	return all, nil
}

// damageLast truncates the newest segment or flips bits in it, and returns the
// numbers that this destroys. The daemon is dead.
func (r *recorder) damageLast(random *rand.Rand) (lost map[uint32]bool, what string, err error) {
	if err := r.catchUp(); err != nil {
		return nil, "", err
	}
	paths, err := filepath.Glob(filepath.Join(r.from, "*.nfj")) // names sort by position
	if err != nil || len(paths) == 0 {
		return nil, "nothing to damage", err
	}
	path := paths[len(paths)-1]
	before, err := numbersIn(path)
	if err != nil {
		return nil, "", err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	const header = 64
	if len(content) <= header {
		return nil, "nothing to damage", nil
	}
	if random.IntN(2) == 0 {
		size := header + random.IntN(len(content)-header)
		what = fmt.Sprintf("truncate %d bytes to %d", len(content), size)
		err = os.Truncate(path, int64(size))
	} else {
		flips := 1 + random.IntN(5)
		for range flips {
			content[header+random.IntN(len(content)-header)] ^= 1 << random.IntN(8)
		}
		what = fmt.Sprintf("flip %d bits of %d bytes", flips, len(content))
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		return nil, "", err
	}
	after, err := numbersIn(path)
	if err != nil {
		return nil, "", err
	}
	lost = map[uint32]bool{}
	for n := range before {
		if after[n] == 0 {
			lost[n] = true
		}
	}
	return lost, what, nil
}
