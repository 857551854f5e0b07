//go:build linux && (amd64 || arm64)

package engine

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
)

// handler speaks ClickHouse's HTTP interface. Every request has a connection of
// its own (opening one takes 0.15 ms), so that settings of one never reach
// another.
type handler struct {
	library   *library
	path      string
	key       string
	database  string
	maxMemory int64
	logger    *zap.Logger
	running   sync.WaitGroup
}

// access is what a listener grants.
type access struct {
	readOnly bool
	slots    chan struct{}               // bounds the statements at one time
	allowed  func(r *http.Request) error // who may ask
}

const (
	maxStatement       = 16 << 20 // bytes of SQL
	appendChunk        = 1 << 20  // bytes given to libchdb at once
	readOnlySeconds    = 60
	readOnlyResultRows = 10_000_000
)

// trusted serves whoever knows the key, with full rights.
func (h *handler) trusted() http.Handler {
	return h.handle(access{slots: make(chan struct{}, 64), allowed: func(r *http.Request) error {
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

// readOnly serves everybody, for reading. A page in a browser must not reach it
// through a name that it made point here (DNS rebinding): with a loopback
// listener only loopback names are answered.
func (h *handler) readOnly(listener net.Addr) http.Handler {
	return h.handle(access{readOnly: true, slots: make(chan struct{}, 8), allowed: func(r *http.Request) error {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); ip != nil || host == "localhost" {
			return nil
		}
		if a, ok := listener.(*net.TCPAddr); ok && a.IP.IsLoopback() {
			return newException(codeAuthentication, "host %q is not known here; use an IP address. (AUTHENTICATION_FAILED)", host)
		}
		return nil
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
		answer := &answer{w: w, id: r.URL.Query().Get("query_id")}
		if answer.id == "" {
			answer.id = uuid.NewString()
		}
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
		return newException(codeReadOnly, "method %s is not supported", r.Method)
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	q, err := readRequest(r)
	if err != nil {
		return err
	}
	c, err := h.connect(q, a, w.id)
	if err != nil {
		return err
	}
	defer c.close()
	inserting := q.data != nil && insertHead.MatchString(q.sql)
	if !inserting {
		if err := q.takeBody(); err != nil {
			return err
		}
	}
	if a.readOnly && (inserting || !c.readOnly(q.sql)) {
		return newException(codeReadOnly, "this address answers only single statements that read: SELECT, SHOW, DESCRIBE, EXPLAIN, EXISTS. (READONLY)")
	}
	defer h.cancelWith(r.Context(), w.id)()
	if inserting {
		return h.insert(w, c, q)
	}
	return h.query(w, c, q)
}

// connect opens a connection with the request's settings and database.
func (h *handler) connect(q *request, a access, id string) (*connection, error) {
	arguments := []string{"--path=" + h.path, "--log_comment=" + id}
	if a.readOnly {
		arguments = append(arguments, "--readonly=1", "--max_execution_time="+strconv.Itoa(readOnlySeconds),
			"--max_memory_usage="+strconv.FormatInt(h.maxMemory/2, 10), "--max_result_rows="+strconv.Itoa(readOnlyResultRows),
			"--max_query_size="+strconv.Itoa(1<<20), "--allow_introspection_functions=0")
	}
	for name, value := range q.settings {
		if a.readOnly && !harmless(name) {
			return nil, newException(codeReadOnly, "Cannot modify '%s' setting in readonly mode. (READONLY)", name)
		}
		arguments = append(arguments, "--"+name+"="+value)
	}
	c, err := h.library.open(arguments)
	if err != nil {
		return nil, newException(codeUnknown, "a setting of the request has a value that ClickHouse refuses: %v", q.settings)
	}
	if q.database == "" && a.readOnly {
		c.exec("USE "+quotedName(h.database), "Null", nil) // not there before the first migration
	}
	if q.database != "" {
		if _, _, err := c.exec("USE "+quotedName(q.database), "Null", nil); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// harmless reports whether a setting only shapes the output.
func harmless(setting string) bool {
	return strings.HasPrefix(setting, "output_format_") || strings.HasPrefix(setting, "format_") && !strings.HasPrefix(setting, "format_schema") ||
		setting == "date_time_output_format" || setting == "extremes" || setting == "join_use_nulls"
}

// cancelWith ends the statement when ctx ends before the returned function is
// called.
func (h *handler) cancelWith(ctx context.Context, id string) (stop func()) {
	canceller := context.AfterFunc(ctx, func() {
		c, err := h.library.open([]string{"--path=" + h.path})
		if err != nil {
			h.logger.Warn("cancel a query whose client has gone", zap.Error(err))
			return
		}
		defer c.close()
		// The statement may not have registered itself yet: try for a moment.
		for range 20 {
			out, _, err := c.exec("KILL QUERY WHERE Settings['log_comment'] = {id:String} ASYNC", "TSV", map[string]string{"id": id})
			if err != nil || len(out) > 0 {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return func() { canceller() }
}

func (h *handler) query(w *answer, c *connection, q *request) error {
	format := q.format
	if match := formatClause.FindStringSubmatch(q.sql); match != nil {
		format = match[1]
	}
	w.format = format
	var out io.Writer = w
	if format == "Native" && q.revision > 0 {
		converter := newNativeConverter(w, q.revision)
		defer converter.stop()
		out = converter
	}
	s, err := c.query(q.sql, q.format, q.parameters, func(piece []byte) error {
		_, err := out.Write(piece)
		return err
	})
	w.summary = s
	if converter, ok := out.(*nativeConverter); ok && err == nil {
		err = converter.finish()
	}
	if err == nil {
		w.start()
	}
	return err
}

func (h *handler) insert(w *answer, c *connection, q *request) error {
	sql, format := q.sql, q.format
	if match := formatClause.FindStringSubmatchIndex(sql); match != nil {
		sql, format = sql[:match[0]], sql[match[2]:match[3]]
	}
	i, err := c.startInsert(sql, format)
	if err != nil {
		return err
	}
	for chunk := make([]byte, appendChunk); ; {
		n, err := io.ReadFull(q.data, chunk)
		if !i.append(chunk[:n]) {
			break // finish tells why
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			i.cancel()
			return fmt.Errorf("read the data of an INSERT: %w", err)
		}
	}
	s, err := i.finish()
	if err != nil {
		return err
	}
	w.summary = s
	w.start()
	return nil
}

// A request is what the URL, headers and body of an HTTP request say.
type request struct {
	sql        string
	data       io.Reader // the body, where the statement is in the URL
	format     string    // unless the statement names one
	database   string
	revision   uint64 // of the Native format, 0 for the plain one
	parameters map[string]string
	settings   map[string]string
}

var (
	insertHead   = regexp.MustCompile(`(?is)^(\s|/\*.*?\*/|--[^\n]*\n)*INSERT\s`)
	formatClause = regexp.MustCompile(`(?i)\sFORMAT\s+([A-Za-z0-9_]+)\s*;?\s*$`)
	inlineData   = regexp.MustCompile(`(?is)^(.*?\sFORMAT\s+[A-Za-z0-9_]+)[ \t]*\r?\n(.*)$`)
)

// control are URL parameters that are no settings.
var control = map[string]bool{
	"query": true, "database": true, "default_format": true, "user": true, "password": true, "query_id": true,
	"session_id": true, "session_timeout": true, "session_check": true, "compress": true, "decompress": true,
	"quota_key": true, "client_protocol_version": true, "wait_end_of_query": true, "buffer_size": true, "role": true,
	"send_progress_in_http_headers": true, "http_write_exception_in_output_format": true, "enable_http_compression": true,
}

func readRequest(r *http.Request) (*request, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, newException(codeSyntaxError, "the URL's parameters are malformed: %v", err)
	}
	for _, unsupported := range []string{"compress", "decompress"} {
		if v := values.Get(unsupported); v != "" && v != "0" {
			return nil, newException(codeIncorrectHTTPHeader, "parameter %s is not supported by the embedded ClickHouse", unsupported)
		}
	}
	q := &request{sql: values.Get("query"), database: values.Get("database"), format: values.Get("default_format"),
		parameters: map[string]string{}, settings: map[string]string{}}
	for header, field := range map[string]*string{"X-ClickHouse-Database": &q.database, "X-ClickHouse-Format": &q.format} {
		if *field == "" {
			*field = r.Header.Get(header)
		}
	}
	if q.format == "" {
		q.format = "TabSeparated"
	}
	q.revision, _ = strconv.ParseUint(values.Get("client_protocol_version"), 10, 32)
	for name := range values {
		if parameter, ok := strings.CutPrefix(name, "param_"); ok {
			q.parameters[parameter] = values.Get(name)
		} else if !control[name] {
			if !settingName.MatchString(name) {
				return nil, newException(codeSyntaxError, "%q is no name of a setting", name)
			}
			q.settings[name] = values.Get(name)
		}
	}
	if r.Method != http.MethodPost {
		return q, nil
	}
	if q.sql != "" {
		q.data = r.Body
		return q, nil
	}
	q.data = r.Body
	if err := q.takeBody(); err != nil {
		return nil, err
	}
	if match := inlineData.FindStringSubmatch(q.sql); match != nil && insertHead.MatchString(q.sql) {
		q.sql, q.data = match[1], strings.NewReader(match[2])
	}
	return q, nil
}

// takeBody appends the body to the statement, as ClickHouse does.
func (q *request) takeBody() error {
	if q.data == nil {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(q.data, maxStatement+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the statement: %w", err)
	case len(body) > maxStatement:
		return newException(codeSyntaxError, "the statement is longer than 16 MiB; send data of an INSERT as the body and the statement as parameter query")
	}
	q.data = nil
	if q.sql != "" && len(body) > 0 {
		q.sql += "\n"
	}
	q.sql += string(body)
	return nil
}

var settingName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func quotedName(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}
