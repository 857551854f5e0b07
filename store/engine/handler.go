//go:build linux && (amd64 || arm64)

package engine

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
)

// handler speaks ClickHouse's HTTP interface. Every request has a connection of
// its own (opening one takes 0.2 ms), so that settings of one never reach
// another.
type handler struct {
	library  *library
	path     string
	key      string
	settings map[string]bool // names of those that there are
	users    *readerHouse    // of the reader; nil in the writer
	logger   *zap.Logger
	running  sync.WaitGroup
}

// access is what a listener grants.
type access struct {
	readOnly     bool
	maxStatement int64                        // bytes
	patience     time.Duration                // with a client that does not read or write; 0: endless
	turns        *turns                       // of the statements at one time
	allowed      func(r *http.Request) error  // who may ask
	role         func(r *http.Request) string // of ClickHouse, where access is readOnly
}

// appendChunk is how many bytes of an INSERT are given to libchdb at once.
const appendChunk = 1 << 20

// trusted serves the daemon, with full rights.
func (h *handler) trusted() http.Handler {
	return h.handle(access{maxStatement: 64 << 20, turns: &turns{running: 64, each: 64, waiting: 1024},
		allowed: h.knowsKey})
}

// knowsKey refuses a request without the key.
func (h *handler) knowsKey(r *http.Request) error {
	_, key, ok := r.BasicAuth()
	if !ok {
		key = r.Header.Get("X-ClickHouse-Key")
	}
	if subtle.ConstantTimeCompare([]byte(key), []byte(h.key)) != 1 {
		return newException(codeAuthentication, "the key is wrong. (AUTHENTICATION_FAILED)")
	}
	return nil
}

// readOnly serves whoever the door admits, for reading what a viewer may read.
func (h *handler) readOnly(door doorkeeper) http.Handler {
	return h.handle(access{readOnly: true, maxStatement: readOnlyStatement, patience: readOnlyPatience,
		turns: &turns{running: readOnlyStatements, each: readOnlyEach, waiting: readOnlyWaiting,
			patience: readOnlySeconds * time.Second},
		allowed: door.admit, role: func(*http.Request) string { return ViewerRole }})
}

// box serves the daemon for statements of its users, who have places of their
// own: strangers at the read-only address do not take them.
func (h *handler) box() http.Handler {
	return h.handle(access{readOnly: true, maxStatement: readOnlyStatement, patience: readOnlyPatience,
		turns:   &turns{running: boxStatements, each: boxStatements, waiting: boxStatements},
		allowed: h.knowsKey, role: func(r *http.Request) string {
			if r.URL.Query().Get("role") == AdminRole {
				return AdminRole
			}
			return ViewerRole
		}})
}

func (h *handler) handle(a access) http.Handler {
	mux := http.NewServeMux()
	ok := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "Ok.\n") }
	mux.HandleFunc("GET /ping", ok)
	mux.HandleFunc("GET /replicas_status", ok)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.RawQuery == "" {
			ok(w, r)
			return
		}
		h.running.Add(1)
		defer h.running.Done()
		answer := newAnswer(w, a.patience)
		if err := h.statement(answer, r, a); err != nil {
			answer.fail(err)
		}
	})
	return mux
}

// statement runs the request's statement.
func (h *handler) statement(w *answer, r *http.Request, a access) error {
	if err := a.allowed(r); err != nil {
		return err
	}
	if h.users != nil && h.users.closed != "" {
		return newException(codeAuthentication, "%s. (AUTHENTICATION_FAILED)", h.users.closed)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return newException(codeUnsupportedMethod, "method %s is not supported. (UNSUPPORTED_METHOD)", r.Method)
	}
	if a.readOnly {
		if err := a.receive(w, r); err != nil {
			return err
		}
	}
	leave, err := a.turns.enter(r.Context(), clientOf(r))
	if err != nil {
		return err
	}
	defer leave()
	q, err := readRequest(r, a.maxStatement, a.readOnly)
	if q != nil {
		w.id, w.encoding = q.id, q.encoding
	}
	if err != nil {
		return err
	}
	w.requestRead()
	if a.readOnly {
		q.role = a.role(r)
		return h.readStatement(w, r, q)
	}
	c, err := h.connect(q)
	if err != nil {
		return err
	}
	defer c.close()
	defer h.cancelWith(r.Context(), q.comment)()
	if q.takesData {
		return h.insert(w, c, q)
	}
	return h.query(w, c, q)
}

// receive reads what a stranger sends, before it has a turn and as it comes: who
// sends slowly keeps no turn, and nothing is decompressed without one.
func (a access) receive(w *answer, r *http.Request) error {
	w.awaitRequest()
	text, err := io.ReadAll(io.LimitReader(r.Body, a.maxStatement+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the statement: %w", err)
	case int64(len(text)) > a.maxStatement:
		return newException(codeQueryTooLarge, "the statement is longer than %d bytes. (QUERY_IS_TOO_LARGE)", a.maxStatement)
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	w.requestRead()
	return nil
}

// cancelWith ends the statement of that comment when ctx ends before the
// returned function is called.
func (h *handler) cancelWith(ctx context.Context, comment string) (stop func()) {
	canceller := context.AfterFunc(ctx, func() {
		c, err := h.library.open([]string{"--path=" + h.path})
		if err != nil {
			h.logger.Warn("cancel a query whose client has gone", zap.Error(err))
			return
		}
		defer c.close()
		// The statement may not have registered itself yet: try for a moment.
		for range 20 {
			out, _, err := c.exec("KILL QUERY WHERE Settings['log_comment'] = "+quotedText(comment)+" ASYNC", "TSV", nil)
			if err != nil || len(out) > 0 {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return func() { canceller() }
}

func (h *handler) query(w *answer, c *connection, q *request) error {
	w.format = q.format
	var out io.Writer = w
	var converter *nativeConverter
	if q.format == "Native" && q.revision > 0 {
		converter = newNativeConverter(w, q.revision, h.maxColumn())
		defer converter.stop()
		out = converter
	}
	s, err := c.query(q.sql, q.format, q.parameters, func(piece []byte) error {
		_, err := out.Write(piece)
		return err
	})
	w.summary = s
	if converter != nil && err == nil {
		err = converter.finish()
	}
	if err != nil {
		return err
	}
	return w.finish()
}

// maxColumn bounds what is converted at a time, in bytes; 0: nothing does.
func (h *handler) maxColumn() int {
	if h.users == nil {
		return 0
	}
	return h.users.maxColumn
}

func (h *handler) insert(w *answer, c *connection, q *request) error {
	i, err := c.startInsert(q.sql, q.format, q.parameters)
	if err != nil {
		return err
	}
	for chunk := make([]byte, appendChunk); ; {
		n, err := fill(chunk, q.data)
		if !i.append(chunk[:n]) {
			break // finish tells why
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			i.cancel()
			return fmt.Errorf("read the data of an INSERT: %w", err)
		}
	}
	if w.summary, err = i.finish(); err != nil {
		return err
	}
	return w.finish()
}

// fill reads until chunk is full or r ends. Unlike io.ReadFull it tells a body's
// end, io.EOF, from one that broke off, io.ErrUnexpectedEOF: rows of the latter
// must not be committed.
func fill(chunk []byte, r io.Reader) (n int, err error) {
	for n < len(chunk) && err == nil {
		var m int
		m, err = r.Read(chunk[n:])
		n += m
	}
	return n, err
}
