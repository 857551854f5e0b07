package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// progress tells how far an import is: as one line that is written over on a
// terminal, else as a line for each file. It is safe for concurrent use.
type progress struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	shown    time.Time

	began      time.Time
	totalBytes int64 // of the files, as stored
	readBytes  int64
	records    int
	expected   int // files
	current    importSummary
	unwiped    bool
}

// importSummary counts what an import did.
type importSummary struct {
	files, known, damaged, failed int
	flows, packets, bytes         uint64
	oldest                        time.Time // of the flows; zero for none
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			p.terminal = info.Mode()&os.ModeCharDevice != 0
		}
	}
	return p
}

func (p *progress) begin(paths []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began, p.expected, p.totalBytes, p.readBytes, p.records, p.current = time.Now(), len(paths), 0, 0, 0, importSummary{}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			p.totalBytes += info.Size()
		}
	}
}

// add counts records and octets of a file that were read.
func (p *progress) add(records int, octets int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records += records
	p.readBytes += octets
	if !p.terminal || time.Since(p.shown) < 200*time.Millisecond {
		return
	}
	p.shown = time.Now()
	elapsed := time.Since(p.began).Seconds()
	left := "?"
	if p.readBytes > 0 && p.totalBytes >= p.readBytes {
		left = time.Duration(elapsed * float64(p.totalBytes-p.readBytes) / float64(p.readBytes) * 1e9).Round(time.Second).String()
	}
	fmt.Fprintf(p.out, "\r\x1b[K%d of %d files, %d records, %.0f/s, %s left", p.current.files, p.expected, p.records, float64(p.records)/elapsed, left)
	p.unwiped = true
}

// line writes a line of its own.
func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write(fmt.Sprintf(format, args...))
}

func (p *progress) write(text string) {
	if p.unwiped {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.unwiped = false
	}
	fmt.Fprintln(p.out, text)
}

// done tells what became of a file.
func (p *progress) done(path string, result imported, err error, dryRun bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.current
	s.files++
	if err != nil {
		s.failed++
		p.write(err.Error())
		return
	}
	if result.known {
		s.known++
		p.write(fmt.Sprintf("%s: is in already as %s", path, result.ID))
		return
	}
	if result.Flows > 0 && (s.oldest.IsZero() || result.FirstFlow.Before(s.oldest)) {
		s.oldest = result.FirstFlow
	}
	s.flows += result.Flows
	s.packets += result.Packets
	s.bytes += result.Bytes
	for _, w := range result.warnings {
		p.write(path + ": " + w)
	}
	if result.damage != nil {
		s.damaged++
		p.write(result.damage.Error() + "; what comes before is kept")
	}
	if !p.terminal || dryRun {
		p.write(fmt.Sprintf("%s: %d flows, %d packets, %d bytes, %s to %s, id %s", path, result.Flows, result.Packets, result.Bytes,
			result.FirstFlow.UTC().Format(time.RFC3339), result.LastFlow.UTC().Format(time.RFC3339), result.ID))
	}
}

func (p *progress) finish() importSummary {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unwiped {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.unwiped = false
	}
	return p.current
}

func (s importSummary) text(dryRun bool) string {
	verb := "imported"
	if dryRun {
		verb = "would import"
	}
	return fmt.Sprintf("%s %d flows, %d packets, %d bytes from %d files (%d in already, %d damaged, %d unreadable)",
		verb, s.flows, s.packets, s.bytes, s.files, s.known, s.damaged, s.failed)
}
