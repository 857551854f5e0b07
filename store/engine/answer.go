package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// summary is what a statement did, or has done so far.
type summary struct {
	readRows, readBytes       uint64 // from tables
	writtenRows, writtenBytes uint64
	resultRows                uint64
}

// answer writes one HTTP response in ClickHouse's form. The start of the body is
// held back, so that a statement that fails early, or ends early, has the right
// status and summary.
type answer struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration // with a client that does not read or write; 0: endless
	id       string
	format   string
	encoding *encoding
	summary  summary
	began    time.Time

	hurried atomic.Bool // the client gets no more time
	held    []byte
	started bool
	out     io.WriteCloser // the encoder
	tag     string         // frames an exception amid the body
}

// holdBack is how much of a body waits before the headers are sent, in bytes.
const holdBack = 64 << 10

func newAnswer(w http.ResponseWriter, patience time.Duration) *answer {
	return &answer{w: w, control: http.NewResponseController(w), patience: patience, began: time.Now()}
}

// awaitRequest bounds the time that the client has to send its request.
func (a *answer) awaitRequest() {
	if a.patience > 0 {
		a.control.SetReadDeadline(time.Now().Add(a.patience))
	}
}

// requestRead ends awaitRequest: the server goes on reading, to see the client
// leave.
func (a *answer) requestRead() {
	if a.patience > 0 {
		a.control.SetReadDeadline(time.Time{})
	}
}

// hurry ends what waits for the client.
func (a *answer) hurry() {
	a.hurried.Store(true)
	a.control.SetReadDeadline(time.Now())
	a.control.SetWriteDeadline(time.Now())
}

// Write sends a piece of the result.
func (a *answer) Write(p []byte) (int, error) {
	if !a.started && len(a.held)+len(p) <= holdBack {
		a.held = append(a.held, p...)
		return len(p), nil
	}
	if err := a.start(); err != nil {
		return 0, err
	}
	return a.send(p)
}

// finish sends what is left. The statement has succeeded.
func (a *answer) finish() error {
	if err := a.start(); err != nil {
		return err
	}
	return a.out.Close()
}

func (a *answer) send(p []byte) (int, error) {
	if a.patience > 0 && !a.hurried.Load() {
		a.control.SetWriteDeadline(time.Now().Add(a.patience))
	}
	return a.out.Write(p)
}

// start sends headers and what was held back.
func (a *answer) start() error {
	if a.started {
		return nil
	}
	a.tag = strings.ToLower(rand.Text()[:16])
	h := a.w.Header()
	if a.format != "" {
		h.Set("X-ClickHouse-Format", a.format)
	}
	h.Set("X-ClickHouse-Exception-Tag", a.tag)
	h.Set("X-ClickHouse-Summary", fmt.Sprintf(`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d","result_rows":"%d","elapsed_ns":"%d"}`,
		a.summary.readRows, a.summary.readBytes, a.summary.writtenRows, a.summary.writtenBytes, a.summary.resultRows, time.Since(a.began)))
	if err := a.begin(http.StatusOK, contentType(a.format)); err != nil {
		return err
	}
	held := a.held
	a.held = nil
	_, err := a.send(held)
	return err
}

// begin sends the headers that every answer has and sets up the encoder.
func (a *answer) begin(status int, contentType string) error {
	a.started = true
	h := a.w.Header()
	h.Set("X-ClickHouse-Query-Id", a.id)
	h.Set("X-ClickHouse-Server-Display-Name", "nfstats")
	h.Set("X-ClickHouse-Timezone", "UTC")
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	// A page of another origin must be able to do nothing with an answer.
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	a.out = plainWriter{a.w}
	if a.encoding != nil {
		if a.encoding.name != "" {
			h.Set("Content-Encoding", a.encoding.name)
		}
		encoder, err := a.encoding.writer(a.w)
		if err != nil {
			return fmt.Errorf("compress the answer: %w", err)
		}
		a.out = encoder
	}
	a.w.WriteHeader(status)
	return nil
}

type plainWriter struct{ io.Writer }

func (plainWriter) Close() error { return nil }

// fail reports an error: with a status where nothing was sent yet, else framed
// at the end of the body, after which the connection breaks off.
func (a *answer) fail(err error) {
	var e *exception
	switch {
	case errors.Is(err, context.Canceled):
		panic(http.ErrAbortHandler) // nobody listens
	case !errors.As(err, &e):
		e = newException(codeUnknown, "%v. (UNKNOWN_EXCEPTION)", err)
	}
	message := strings.TrimSuffix(e.message, "\n") + "\n"
	if a.started {
		fmt.Fprintf(a.out, "\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n", a.tag, message, len(message), a.tag)
		a.out.Close()
		a.control.Flush()
		panic(http.ErrAbortHandler)
	}
	a.held = nil
	a.w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.code))
	if e.code == codeAuthentication {
		a.encoding = nil // as the server does, which refuses before it looks at the rest
	}
	if a.begin(e.status(), "text/plain; charset=UTF-8") == nil {
		a.send([]byte(message))
		a.out.Close()
	}
}

func contentType(format string) string {
	switch {
	case strings.HasPrefix(format, "JSON") && !strings.Contains(format, "EachRow"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8; header=" + map[bool]string{true: "present", false: "absent"}[strings.Contains(format, "WithNames")]
	case strings.HasPrefix(format, "TabSeparated"), strings.HasPrefix(format, "TSV"):
		return "text/tab-separated-values; charset=UTF-8"
	case strings.HasPrefix(format, "Pretty"), format == "Vertical", format == "Values", format == "Markdown", format == "XML", format == "":
		return "text/plain; charset=UTF-8"
	}
	return "application/octet-stream"
}
