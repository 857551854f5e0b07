package archives

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/archive"
	"github.com/nfstats/nfstats/decoder/flowtools"
	"github.com/nfstats/nfstats/decoder/nfdump"
)

// The formats of archives.
const (
	FlowTools = "flow-tools"
	Nfdump    = "nfdump"
)

// Options say what an import makes of its files.
type Options struct {
	Format       string // FlowTools or Nfdump
	Exporter     string // address, for flows whose file does not tell it; "" for none
	Sampling     uint32 // one packet in so many was seen, for flows that are not scaled; at least 1
	Since, Until string // when flows ended, half open: 2025-03-01 or 2025-03-01T12:00:00Z; "" for no limit
	Mapping      string // lines 'exporter OLD NEW' and 'interface EXPORTER OLD NEW'
}

// OptionError says which of the Options is wrong.
type OptionError struct {
	Option string // in lower case: "since"
	Err    error
}

// Error returns the option and what is wrong with it.
func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *OptionError) Unwrap() error { return e.Err }

// reader reads one archive file of either format.
type reader interface {
	Read(b *decoder.Batch, maxRows int) (int, error)
	Totals() archive.Totals
	Offset() int64
	Warnings() []string
}

// A Plan is what Options mean.
type Plan struct {
	format           string
	open             func(in io.Reader, name string) (reader, error)
	close            func(reader) // of open without error; its memory is used again
	sinceMs, untilMs int64        // end of the flow, half open; 0 for no limit
	mapping          *mapping
	digest           string // of all that changes what comes in
}

// NewPlan checks o. Its errors are *OptionError.
func NewPlan(o Options) (*Plan, error) {
	p := &Plan{format: o.Format}
	var exporter decoder.Addr
	if o.Exporter != "" {
		a, err := netip.ParseAddr(o.Exporter)
		if err != nil {
			return nil, &OptionError{"exporter", fmt.Errorf("%q is not an address", o.Exporter)}
		}
		exporter = a.As16()
	}
	var err error
	if p.sinceMs, err = parseTime(o.Since); err != nil {
		return nil, &OptionError{"since", err}
	}
	if p.untilMs, err = parseTime(o.Until); err != nil {
		return nil, &OptionError{"until", err}
	}
	if o.Sampling < 1 {
		return nil, &OptionError{"sampling", errors.New("is at least 1")}
	}
	if p.mapping, err = parseMapping(o.Mapping); err != nil {
		return nil, &OptionError{"mapping", err}
	}
	switch o.Format {
	case Nfdump:
		var free sync.Pool // of *nfdump.Reader
		p.open = func(in io.Reader, name string) (reader, error) {
			if r, ok := free.Get().(*nfdump.Reader); ok {
				return r, r.Reset(in, name)
			}
			return nfdump.Open(in, name, nfdump.Options{Exporter: exporter, SamplingRate: o.Sampling})
		}
		p.close = func(r reader) { free.Put(r) }
	case FlowTools:
		p.close = func(reader) {}
		p.open = func(r io.Reader, name string) (reader, error) {
			return flowtools.Open(r, name, flowtools.Options{Exporter: exporter, SamplingRate: o.Sampling})
		}
	default:
		return nil, &OptionError{"format", fmt.Errorf("%q is not %s or %s", o.Format, FlowTools, Nfdump)}
	}
	sum := fnv.New64a()
	fmt.Fprint(sum, o.Format, "\n", exporter, "\n", o.Sampling, "\n", p.sinceMs, "\n", p.untilMs, "\n", o.Mapping)
	p.digest = hex.EncodeToString(sum.Sum(nil))
	return p, nil
}

// parseTime returns Unix milliseconds, 0 for no text.
func parseTime(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("%q is no time such as 2025-03-01 or 2025-03-01T12:00:00Z", text)
}

// keepRange removes the flows that ended outside the time asked for.
func (p *Plan) keepRange(b *decoder.Batch) {
	if p.sinceMs == 0 && p.untilMs == 0 {
		return
	}
	kept := 0
	for i, end := range b.TimeFlowEnd[:b.Len()] {
		if end < p.sinceMs || p.untilMs != 0 && end >= p.untilMs {
			continue
		}
		if kept != i {
			b.CopyRow(kept, i, decoder.AllColumns)
		}
		kept++
	}
	b.Truncate(kept)
}
