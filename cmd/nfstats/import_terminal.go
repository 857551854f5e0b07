package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nfstats/nfstats/store/archives"
)

// terminal shows how far an import is: as one line that is written over on a
// terminal, else as a line for each file.
type terminal struct {
	out     io.Writer
	is      bool // a terminal
	each    bool // of the files gets a line also on a terminal
	shown   time.Time
	unwiped bool
}

func newTerminal(out io.Writer, each bool) *terminal {
	t := &terminal{out: out, each: each}
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			t.is = info.Mode()&os.ModeCharDevice != 0
		}
	}
	return t
}

// progress returns what calls the terminal.
func (t *terminal) progress() *archives.Progress {
	p := &archives.Progress{Tell: t.tell}
	if t.is {
		p.Move = t.move
	}
	return p
}

func (t *terminal) move(s archives.State) {
	now := time.Now()
	if now.Sub(t.shown) < 200*time.Millisecond {
		return
	}
	t.shown = now
	left := "?"
	if d, ok := s.Left(now); ok {
		left = d.Round(time.Second).String()
	}
	fmt.Fprintf(t.out, "\r\x1b[K%d of %d files, %d records, %.0f/s, %s left", s.FilesDone, s.Files, s.Records, float64(s.Records)/now.Sub(s.Began).Seconds(), left)
	t.unwiped = true
}

func (t *terminal) tell(m archives.Message) {
	if m.Kind == archives.Imported && t.is && !t.each {
		return // the line that is written over counts it
	}
	t.wipe()
	fmt.Fprintln(t.out, m)
}

func (t *terminal) wipe() {
	if t.unwiped {
		fmt.Fprint(t.out, "\r\x1b[K")
		t.unwiped = false
	}
}
