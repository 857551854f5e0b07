package archives

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/nfstats/nfstats/decoder/archive"
)

// A Kind says what a Message is about.
type Kind string

// The kinds of messages. The file of a Damaged one is in up to the damage.
const (
	Imported   Kind = "imported"
	Known      Kind = "known"
	Skipped    Kind = "skipped"
	Warning    Kind = "warning"
	Damaged    Kind = "damaged"
	Unreadable Kind = "unreadable"
)

// A Message tells of one file, or of the import as a whole.
type Message struct {
	Kind   Kind
	Path   string // "" for the import as a whole
	Offset int64  // of the damage, in octets from the start of the file; -1 for none
	Reason string // without the path
}

// String returns the message as a line of its own.
func (m Message) String() string { return Printable(m.text()) }

// Printable returns a text with a replacement character for each that would not
// be printed: a file's name may have line ends and what terminals obey.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

func (m Message) text() string {
	switch {
	case m.Path == "":
		return m.Reason
	case m.Kind == Skipped:
		return "skipped " + m.Path + ": " + m.Reason
	case m.Kind == Damaged:
		return m.Path + ": " + m.Reason + "; what comes before is kept"
	}
	return m.Path + ": " + m.Reason
}

// State is how far an import is.
type State struct {
	Began              time.Time
	Files, FilesDone   int
	TotalBytes         int64 // of the files, as stored
	ReadBytes, Records int64

	Known, Damaged, Unreadable int    // files
	Flows, Packets, Bytes      uint64 // that came in, or would
}

// Left estimates the time until the end; false while nothing tells it.
func (s State) Left(now time.Time) (time.Duration, bool) {
	if s.ReadBytes <= 0 || s.TotalBytes < s.ReadBytes {
		return 0, false
	}
	return time.Duration(float64(now.Sub(s.Began)) * float64(s.TotalBytes-s.ReadBytes) / float64(s.ReadBytes)), true
}

// Summary returns the totals in a line.
func (s State) Summary(dryRun bool) string {
	verb := "imported"
	if dryRun {
		verb = "would import"
	}
	return fmt.Sprintf("%s %d flows, %d packets, %d bytes from %s (%d in already, %d damaged, %d unreadable)",
		verb, s.Flows, s.Packets, s.Bytes, counted(s.FilesDone, "file", "files"), s.Known, s.Damaged, s.Unreadable)
}

// counted returns a number with the word for one or for more.
func counted(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// Progress follows an import. It is safe for concurrent use; the functions are
// called one at a time.
type Progress struct {
	Tell func(Message) // each message; not nil
	Move func(State)   // after each block that was read; may be nil

	mu    sync.Mutex
	state State
}

// State returns how far the import is.
func (p *Progress) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *Progress) begin(files []File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = State{Began: time.Now(), Files: len(files)}
	for _, f := range files {
		p.state.TotalBytes += f.Size
	}
}

// read counts records and octets of a file that were read.
func (p *Progress) read(records int, octets int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Records += int64(records)
	p.state.ReadBytes += octets
	if p.Move != nil {
		p.Move(p.state)
	}
}

func (p *Progress) warn(format string, args ...any) {
	p.tell(Message{Kind: Warning, Offset: -1, Reason: fmt.Sprintf(format, args...)})
}

// Skip tells of a file that is left out.
func (p *Progress) Skip(path, why string) {
	p.tell(Message{Kind: Skipped, Path: path, Offset: -1, Reason: why})
}

func (p *Progress) tell(m Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Tell(m)
}

// done tells what became of a file.
func (p *Progress) done(path string, r result, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.state
	s.FilesDone++
	tell := func(kind Kind, format string, args ...any) {
		p.Tell(Message{Kind: kind, Path: path, Offset: -1, Reason: fmt.Sprintf(format, args...)})
	}
	switch {
	case err != nil:
		s.Unreadable++
		p.Tell(about(Unreadable, path, err))
		return
	case r.known:
		s.Known++
		tell(Known, "is in already as %s", r.ID)
		return
	}
	s.Flows += r.Flows
	s.Packets += r.Packets
	s.Bytes += r.Bytes
	for _, w := range r.warnings {
		tell(Warning, "%s", w)
	}
	if r.damage != nil {
		s.Damaged++
		p.Tell(about(Damaged, path, r.damage))
	}
	span := ""
	if r.Flows > 0 {
		span = fmt.Sprintf(", %s to %s", r.FirstFlow.UTC().Format(time.RFC3339), r.LastFlow.UTC().Format(time.RFC3339))
	}
	tell(Imported, "%d flows, %d packets, %d bytes%s, id %s", r.Flows, r.Packets, r.Bytes, span, r.ID)
}

// about returns the message of an error.
func about(kind Kind, path string, err error) Message {
	if d, ok := errors.AsType[*archive.DamageError](err); ok {
		return Message{Kind: kind, Path: path, Offset: d.Offset, Reason: d.Problem()}
	}
	return Message{Kind: kind, Path: path, Offset: -1, Reason: withoutPath(err).Error()}
}
