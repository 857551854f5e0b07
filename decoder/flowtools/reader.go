package flowtools

import (
	"errors"
	"fmt"
	"io"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/archive"
)

// Options say what a file does not.
type Options struct {
	// Exporter is the exporter of records that do not tell theirs, in files
	// that do not either.
	Exporter decoder.Addr

	// SamplingRate is that of all records; 0 means 1. flow-tools stores no
	// rate, and counters as exported.
	SamplingRate uint32

	// SwappedByLibft is for big-endian files of version 1005 or 8, method 12,
	// that a flow-tools program other than flow-capture wrote on a
	// little-endian machine with -b big: it leaves some fields in the order of
	// the machine. The files do not tell.
	SwappedByLibft bool
}

// A Reader reads one file.
type Reader struct {
	name    string
	options Options
	header  Header
	layout  *layout
	columns decoder.Columns // of the layout
	body    *body

	records  []byte // whole records and, at the end, the beginning of one
	at       int    // start of those that are not in rows yet
	err      error  // what comes after them
	totals   archive.Totals
	warnings []string
}

// bufferedRecords is how many records are inflated before they are decoded.
const bufferedRecords = 4 * tileRows

// Open reads the header of a file. The name is for messages alone. Errors are
// *archive.DamageError or those of r.
func Open(r io.Reader, name string, options Options) (*Reader, error) {
	f := &Reader{name: name, options: options, body: newBody(name, r), totals: archive.NewTotals()}
	f.options.SamplingRate = max(options.SamplingRate, 1)
	if err := f.readHeader(); err != nil {
		return nil, err
	}
	f.columns = f.layout.columns()
	f.records = make([]byte, 0, bufferedRecords*f.layout.size)
	if f.header.Compressed {
		f.err = f.body.startInflating()
	}
	f.err = f.explain(f.err)
	return f, nil
}

// Header returns the header of the file.
func (r *Reader) Header() Header { return r.header }

// Totals returns the totals of what Read has returned.
func (r *Reader) Totals() archive.Totals { return r.totals }

// Offset returns how many octets of the file have been used.
func (r *Reader) Offset() int64 { return r.body.offset() }

// Warnings returns what is strange about the file but no damage, complete after
// io.EOF.
func (r *Reader) Warnings() []string { return r.warnings }

func (r *Reader) warn(format string, args ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

func (r *Reader) damage(reason archive.Reason, err error) error { return r.body.damage(reason, err) }

// Read appends rows to b, at most maxRows, and returns how many. They are fewer
// only with an error: io.EOF at the end, *archive.DamageError where the file is
// damaged, or an error of the io.Reader; it is returned again by later calls.
func (r *Reader) Read(b *decoder.Batch, maxRows int) (n int, err error) {
	for n < maxRows {
		buffered := (len(r.records) - r.at) / r.layout.size
		if buffered == 0 {
			if err := r.fill(); err != nil {
				return n, err
			}
			continue
		}
		rows := min(buffered, maxRows-n, tileRows)
		end := r.at + rows*r.layout.size
		r.addRows(b, r.records[r.at:end], rows)
		r.at, n = end, n+rows
	}
	return n, nil
}

// fill reads more records. What comes after the last of them stays in r.err.
func (r *Reader) fill() error {
	rest := copy(r.records[:cap(r.records)], r.records[r.at:])
	r.records, r.at = r.records[:rest], 0
	for r.err == nil && len(r.records) < cap(r.records) {
		n, err := r.body.Read(r.records[len(r.records):cap(r.records)])
		r.records = r.records[:len(r.records)+n]
		if err != nil {
			r.err = r.explain(r.end(err))
		}
	}
	if len(r.records) < r.layout.size {
		return r.err
	}
	return nil
}

// end checks what is left after the last whole record.
func (r *Reader) end(err error) error {
	if err != io.EOF {
		return err
	}
	if rest := len(r.records) % r.layout.size; rest != 0 {
		what := fmt.Errorf("%d of %d octets of a record", rest, r.layout.size)
		if r.header.Compressed { // which has an end of its own
			return r.damage(archive.Corrupt, what)
		}
		return r.damage(archive.Truncated, what)
	}
	if r.header.unfinished() {
		return r.damage(archive.Unfinished, nil)
	}
	return r.compareCount(r.totals.Records + uint64(len(r.records)/r.layout.size))
}

// compareCount compares the number of records with that of the header.
func (r *Reader) compareCount(records uint64) error {
	told := uint64(r.header.Flows)
	if !r.header.Closed || told == 0 || told == records {
		return io.EOF
	}
	if told > records && !r.header.Compressed { // whose end nothing else proves
		return r.damage(archive.Truncated, fmt.Errorf("%d records, the header tells %d", records, told))
	}
	r.warn("the header tells %d records, the file has %d", told, records)
	return io.EOF
}

// explain tells of a file that its writer has not closed that this is why it
// is cut.
func (r *Reader) explain(err error) error {
	if damage, ok := errors.AsType[*archive.DamageError](err); ok && damage.Reason == archive.Truncated && r.header.unfinished() {
		damage.Reason = archive.Unfinished
	}
	return err
}
