package engine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	blocks "github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// nativeConverter rewrites Native format from protocol revision 0, which is
// what libchdb writes, to the revision that a client asks for. The data of the
// columns are the same; around them a higher revision has more: properties of
// the block, and one byte a column that says how it is serialized.
//
// Where a column ends only its type tells. The client library decodes it for
// that, and the bytes that it consumed are passed on.
type nativeConverter struct {
	in   *io.PipeWriter
	done chan error
}

func newNativeConverter(w io.Writer, revision uint64, maxColumn int) *nativeConverter {
	out, in := io.Pipe()
	c := &nativeConverter{in: in, done: make(chan error, 1)}
	go func() {
		err := func() (err error) {
			defer func() {
				if fault := recover(); fault != nil { // of the client library
					err = fmt.Errorf("convert the result: %v", fault)
				}
			}()
			return convertNative(out, w, revision, maxColumn)
		}()
		out.CloseWithError(err)
		c.done <- err
	}()
	return c
}

// Write takes a piece of the stream at revision 0.
func (c *nativeConverter) Write(p []byte) (int, error) { return c.in.Write(p) }

// finish ends the stream and returns after all of it is converted.
func (c *nativeConverter) finish() error {
	c.in.Close()
	err := <-c.done
	c.done <- err // for stop
	return err
}

// stop ends the conversion.
func (c *nativeConverter) stop() {
	c.in.CloseWithError(io.ErrClosedPipe)
	<-c.done
}

// convertNative copies blocks from r, at revision 0, to w. A column of a block
// with more than maxColumn bytes (0: any) ends it.
func convertNative(r io.Reader, w io.Writer, revision uint64, maxColumn int) error {
	in := newRecorder(r, maxColumn)
	for {
		out := new(proto.Buffer)
		if revision > 0 { // the block's properties: field 1, is it an overflow; field 2, its bucket; end
			out.PutUVarInt(1)
			out.PutBool(false)
			out.PutUVarInt(2)
			out.PutInt32(-1)
			out.PutUVarInt(0)
		}
		columns, err := in.UVarInt()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read ClickHouse's block: %w", err)
		}
		rows, err := in.UVarInt()
		if err != nil {
			return fmt.Errorf("read ClickHouse's block: %w", err)
		}
		out.PutUVarInt(columns)
		out.PutUVarInt(rows)
		for range columns {
			if err := convertColumn(in, out, int(rows), revision); err != nil {
				return err
			}
			if _, err := w.Write(out.Buf); err != nil {
				return err
			}
			if rows > 0 {
				if _, err := w.Write(in.consumed()); err != nil {
					return err
				}
			}
			out.Reset()
		}
	}
}

// convertColumn writes one column's name and type to out, and reads its rows,
// which in has consumed then.
func convertColumn(in *recorder, out *proto.Buffer, rows int, revision uint64) error {
	name, err := in.Str()
	if err != nil {
		return fmt.Errorf("read ClickHouse's column: %w", err)
	}
	datatype, err := in.Str()
	if err != nil {
		return fmt.Errorf("read ClickHouse's column %s: %w", name, err)
	}
	out.PutString(name)
	out.PutString(datatype)
	if revision >= blocks.DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION {
		out.PutBool(false)
	}
	if rows == 0 {
		return nil
	}
	server := column.ServerContext{Revision: revision, Timezone: time.UTC}
	c, err := column.Type(datatype).Column(name, &server)
	if err != nil {
		return newException(codeNotImplemented, "column %s in format Native: %v. (NOT_IMPLEMENTED)", name, err)
	}
	in.forget()
	if prefixed, ok := c.(column.CustomSerialization); ok {
		if err := prefixed.ReadStatePrefix(in.Reader); err != nil {
			return fmt.Errorf("read ClickHouse's column %s %s: %w", name, datatype, err)
		}
	}
	if err := c.Decode(in.Reader, rows); err != nil {
		return fmt.Errorf("read ClickHouse's column %s %s: %w", name, datatype, err)
	}
	return nil
}

// recorder is a reader that can tell what was read from it.
type recorder struct {
	*proto.Reader
	source   io.Reader
	buffered *bufio.Reader
	record   []byte // read from source since forget, and what was buffered then
	limit    int    // bytes of record; 0: any
}

func newRecorder(source io.Reader, limit int) *recorder {
	r := &recorder{source: source, limit: limit}
	// Not smaller than what proto.NewReader wants, which makes it use this one.
	r.buffered = bufio.NewReaderSize(recording{r}, 256<<10)
	r.Reader = proto.NewReader(r.buffered)
	return r
}

type recording struct{ r *recorder }

func (s recording) Read(p []byte) (int, error) {
	n, err := s.r.source.Read(p)
	s.r.record = append(s.r.record, p[:n]...)
	if s.r.limit > 0 && len(s.r.record) > s.r.limit {
		return 0, newException(codeMemoryLimit, "a column of one block has more than %d bytes: "+
			"lower max_block_size, or ask for another format than Native. (MEMORY_LIMIT_EXCEEDED)", s.r.limit)
	}
	return n, err
}

// forget starts a new record.
func (r *recorder) forget() {
	waiting, _ := r.buffered.Peek(r.buffered.Buffered())
	r.record = append(r.record[:0], waiting...)
}

// consumed returns what was read since forget. It is valid until the next read.
func (r *recorder) consumed() []byte { return r.record[:len(r.record)-r.buffered.Buffered()] }
