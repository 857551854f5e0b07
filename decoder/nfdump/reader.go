package nfdump

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/archive"
)

// Options say what a file does not.
type Options struct {
	// Exporter is the exporter of records that do not tell theirs.
	Exporter decoder.Addr

	// SamplingRate is that of records whose counters the collector has not
	// multiplied; 0 means 1.
	SamplingRate uint32
}

// A Reader reads one file.
type Reader struct {
	name    string
	options Options
	header  Header

	source source
	in     *bufio.Reader // of source
	codec  codec

	raw     []byte // the block as stored
	content []byte // what is left of it, inflated
	left    int    // records in content
	blocks  uint32 // read so far
	blockAt int64  // offset of the block in the file
	err     error  // what came after the last row

	skippedBlocks uint32
	maps          map[uint16][]extension // of layout 1
	exporters     []*exporter            // by their number in this file, at most 65,536; nil is not told
	full, columns decoder.Columns        // that all rows, and some rows, have a value in
	elements      uint64                 // of layout 2 that have come, a bit for each number
	totals        archive.Totals
}

// A source counts what is read.
type source struct {
	r io.Reader
	n int64
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	return n, err
}

const inputBuffer = 256 << 10

// Open reads the header of a file. The name is for messages alone. Errors are
// *archive.DamageError or those of in.
func Open(in io.Reader, name string, options Options) (*Reader, error) {
	options.SamplingRate = max(options.SamplingRate, 1)
	r := &Reader{options: options, in: bufio.NewReaderSize(nil, inputBuffer)}
	if err := r.Reset(in, name); err != nil {
		return nil, err
	}
	return r, nil
}

// Reset is Open for a Reader that is done with its file: it keeps its options and
// its memory, of which most files need more than they are long. After an error it
// can be reset again and nothing else.
func (r *Reader) Reset(in io.Reader, name string) error {
	*r = Reader{name: name, options: r.options, source: source{r: in}, in: r.in, codec: r.codec, raw: r.raw,
		totals: archive.NewTotals(), maps: map[uint16][]extension{}}
	r.in.Reset(&r.source)
	if err := r.readHeader(); err != nil {
		return err
	}
	if r.full, r.columns = fullColumns, decoder.AllColumns&^fullColumns; r.header.Layout == 2 {
		r.full, r.columns = fullColumns2, 0 // and those of the elements that come
	}
	return nil
}

// Header returns the header of the file.
func (r *Reader) Header() Header { return r.header }

// Totals returns the totals of what Read has returned.
func (r *Reader) Totals() archive.Totals { return r.totals }

// Offset returns how many octets of the file have been used.
func (r *Reader) Offset() int64 { return r.offset() }

// Warnings returns what is strange about the file but no damage, complete after
// io.EOF.
func (r *Reader) Warnings() (all []string) {
	if r.skippedBlocks > 0 {
		all = append(all, fmt.Sprintf("%d blocks of a kind that holds no flows, or those of nfdump 1.5, are skipped", r.skippedBlocks))
	}
	if r.totals.Dropped > 0 {
		all = append(all, fmt.Sprintf("%d malformed records are skipped", r.totals.Dropped))
	}
	return all
}

func (r *Reader) offset() int64 { return r.source.n - int64(r.in.Buffered()) }

func (r *Reader) failure(err error) error {
	return fmt.Errorf("read %s at octet %d: %w", r.name, r.offset(), err)
}

func (r *Reader) damage(reason archive.Reason, err error) error {
	return r.damageAt(r.offset(), reason, err)
}

func (r *Reader) damageAt(at int64, reason archive.Reason, err error) error {
	return &archive.DamageError{Name: r.name, Offset: at, Reason: reason, Err: err}
}

// readFull reads a part of the file that has a name for messages.
func (r *Reader) readFull(p []byte, what string) error {
	switch _, err := io.ReadFull(r.in, p); err {
	case nil:
		return nil
	case io.EOF, io.ErrUnexpectedEOF:
		return r.damage(archive.Truncated, errors.New("in "+what))
	default:
		return r.failure(err)
	}
}

const (
	// fullColumns are written in every row of either layout.
	fullColumns = decoder.ColumnTimeReceived | decoder.ColumnTimeFlowStart | decoder.ColumnTimeFlowEnd |
		decoder.ColumnType | decoder.ColumnExporterAddr | decoder.ColumnSamplingRate | decoder.ColumnEType

	rowsAtOnce = 1024
)

// Read appends rows to b, at most maxRows, and returns how many. They are fewer
// only with an error: io.EOF at the end, *archive.DamageError where the file is
// damaged, or an error of the io.Reader; it is returned again by later calls.
func (r *Reader) Read(b *decoder.Batch, maxRows int) (n int, err error) {
	for n < maxRows {
		if r.left == 0 {
			if r.err == nil {
				r.err = r.nextBlock()
			}
			if r.err != nil {
				return n, r.err
			}
		}
		n += r.addRows(b, min(r.left, maxRows-n, rowsAtOnce))
	}
	return n, nil
}

// addRows adds the rows of the next records, of which there are at least that
// many, and returns how many rows.
func (r *Reader) addRows(b *decoder.Batch, records int) int {
	first := b.ExtendColumns(records, r.full, r.columns)
	row := first
	for range records {
		if len(r.content) < 4 {
			r.breakOff(fmt.Errorf("block %d ends before its last record", r.blocks))
			break
		}
		kind, size := le.Uint16(r.content), int(le.Uint16(r.content[2:]))
		if size < 4 || size > len(r.content) {
			r.breakOff(fmt.Errorf("record of %d octets in block %d", size, r.blocks))
			break
		}
		record := r.content[:size:size]
		r.content = r.content[size:]
		r.left--
		w := writer{Batch: b, r: r, row: row}
		isFlow, ok := w.record(kind, record)
		switch {
		case isFlow && ok:
			row++
		case isFlow: // it may have left something in the row
			r.totals.Dropped++
			b.Truncate(row)
			b.ExtendColumns(first+records-row, r.full, r.columns)
		}
	}
	b.Truncate(row)
	r.totals.AddRows(b.Packets[first:row], b.Bytes[first:row], b.TimeFlowStart[first:row], b.TimeFlowEnd[first:row])
	return row - first
}

// breakOff ends the reading at a block that cannot be read on.
func (r *Reader) breakOff(err error) {
	r.left, r.content = 0, nil
	r.err = r.damageAt(r.blockAt, archive.Corrupt, err)
}
