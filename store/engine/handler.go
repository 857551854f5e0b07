//go:build linux && (amd64 || arm64)

package engine

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// handler speaks ClickHouse's HTTP interface. Every request has a connection of
// its own (opening one takes 0.2 ms), so that settings of one never reach
// another.
type handler struct {
	library   *library
	path      string
	key       string
	database  string // default of the read-only listener
	ceilings  []ceiling
	settings  map[string]bool // names of those that there are
	forbidden map[string]bool // functions, on the read-only listener
	door      doorkeeper
	closed    string // why the read-only listener refuses everything; "" if it does not
	logger    *zap.Logger
	running   sync.WaitGroup
}

// access is what a listener grants.
type access struct {
	readOnly     bool
	maxStatement int64                       // bytes
	patience     time.Duration               // with a client that does not read or write; 0: endless
	slots        chan struct{}               // bounds the statements at one time
	waiting      chan struct{}               // bounds those that wait for a slot
	allowed      func(r *http.Request) error // who may ask
}

// appendChunk is how many bytes of an INSERT are given to libchdb at once.
const appendChunk = 1 << 20

// trusted serves whoever knows the key, with full rights.
func (h *handler) trusted() http.Handler {
	return h.handle(access{maxStatement: 64 << 20, slots: make(chan struct{}, 64), waiting: make(chan struct{}, 1024),
		allowed: func(r *http.Request) error {
			_, key, ok := r.BasicAuth()
			if !ok {
				key = r.Header.Get("X-ClickHouse-Key")
			}
			if subtle.ConstantTimeCompare([]byte(key), []byte(h.key)) != 1 {
				return newException(codeAuthentication, "the key is wrong. (AUTHENTICATION_FAILED)")
			}
			return nil
		}})
}

// readOnly serves everybody, for reading.
func (h *handler) readOnly() http.Handler {
	return h.handle(access{readOnly: true, maxStatement: readOnlyStatement, patience: time.Minute,
		slots: make(chan struct{}, readOnlyStatements), waiting: make(chan struct{}, 64), allowed: func(r *http.Request) error {
			if h.closed != "" {
				return newException(codeAuthentication, "%s. (AUTHENTICATION_FAILED)", h.closed)
			}
			return h.door.admit(r)
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
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return newException(codeUnsupportedMethod, "method %s is not supported. (UNSUPPORTED_METHOD)", r.Method)
	}
	w.awaitRequest()
	q, err := readRequest(r, a.maxStatement)
	if q != nil {
		w.id, w.encoding = q.id, q.encoding
	}
	if err != nil {
		return err
	}
	w.requestRead()
	leave, err := a.enter(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	c, err := h.connect(q, a)
	if err != nil {
		return err
	}
	defer c.close()
	if a.readOnly {
		if err := h.refusal(c, q); err != nil {
			return err
		}
	}
	defer h.cancelWith(r.Context(), q.comment)()
	if q.takesData {
		return h.insert(w, c, q)
	}
	return h.query(w, c, q)
}

// enter waits until another statement may run; leave ends it.
func (a access) enter(ctx context.Context) (leave func(), err error) {
	select {
	case a.waiting <- struct{}{}:
		defer func() { <-a.waiting }()
	default:
		return nil, newException(codeTooManyQueries, "Too many simultaneous queries: %d run and %d wait. (TOO_MANY_SIMULTANEOUS_QUERIES)", cap(a.slots), cap(a.waiting))
	}
	select {
	case a.slots <- struct{}{}:
		return func() { <-a.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// refusal tells why a statement may not run on the read-only listener.
func (h *handler) refusal(c *connection, q *request) error {
	if q.takesData {
		return errNotReading
	}
	// ClickHouse's own rendering has no comments between a name and its bracket,
	// and no escapes in names.
	rendered, _, err := c.exec("SELECT formatQuerySingleLine("+quotedText(q.sql)+")", "RawBLOB", nil)
	if err != nil {
		return withoutScope(err)
	}
	if !c.readOnly(q.sql) {
		return errNotReading
	}
	for _, text := range []iter.Seq[token]{tokens(q.sql), renderedTokens(string(rendered))} {
		if why := objection(text, h.forbidden); why != "" {
			return newException(codeReadOnly, "this address does not allow it: %s. (READONLY)", why)
		}
	}
	return nil
}

var errNotReading = newException(codeReadOnly, "this address answers only single statements that read: SELECT, SHOW, DESCRIBE, EXPLAIN, EXISTS. (READONLY)")

// withoutScope cuts what a syntax error says of the statement that asked for the
// rendering.
func withoutScope(err error) error {
	var e *exception
	if errors.As(err, &e) {
		if message, scope, found := strings.Cut(e.message, ": In scope SELECT formatQuery"); found {
			return &exception{e.code, message + scope[max(0, strings.LastIndex(scope, " (")):]}
		}
	}
	return err
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
		converter = newNativeConverter(w, q.revision)
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

func quotedName(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}
