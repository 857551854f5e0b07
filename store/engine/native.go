//go:build linux && (amd64 || arm64)

package engine

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	blocks "github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// nativeConverter rewrites Native format from protocol revision 0, which is
// what libchdb writes, to the revision that a client asks for.
type nativeConverter struct {
	in   *io.PipeWriter
	done chan error
}

func newNativeConverter(w io.Writer, revision uint64) *nativeConverter {
	out, in := io.Pipe()
	c := &nativeConverter{in: in, done: make(chan error, 1)}
	go func() {
		err := func() (err error) {
			defer func() {
				if fault := recover(); fault != nil { // a column type that the client library does not know
					err = fmt.Errorf("convert the result: %v", fault)
				}
			}()
			return convertNative(out, w, revision)
		}()
		out.CloseWithError(err)
		c.done <- err
	}()
	return c
}

func convertNative(r io.Reader, w io.Writer, revision uint64) error {
	reader, buffer := proto.NewReader(r), proto.Buffer{}
	server := column.ServerContext{Revision: revision, Timezone: time.UTC}
	for {
		block := blocks.Block{ServerContext: &server}
		if err := block.Decode(reader, 0); errors.Is(err, io.EOF) && len(block.Columns) == 0 {
			return nil
		} else if err != nil {
			return fmt.Errorf("read ClickHouse's block: %w", err)
		}
		buffer.Reset()
		if err := block.Encode(&buffer, revision); err != nil {
			return fmt.Errorf("write the block for the client: %w", err)
		}
		if _, err := w.Write(buffer.Buf); err != nil {
			return err
		}
	}
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
