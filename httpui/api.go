package httpui

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/zap"
)

// A problem is an error with what the client is told.
type problem struct {
	status   int
	message  string
	position *int // of the fault in the filter, in characters; nil: it is elsewhere
}

// Error returns the message.
func (p *problem) Error() string { return p.message }

func badRequest(format string, args ...any) error {
	return &problem{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

func notFound(message string) error { return &problem{status: http.StatusNotFound, message: message} }

// api turns a function that returns what to send as JSON into a handler for GET
// and HEAD. Errors become {"error", "request_id"}; the id finds the error in the
// log.
func (s *Server) api(answer func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.readable(w, r) {
			return
		}
		value, err := answer(r)
		if err == nil {
			s.sendJSON(w, r, http.StatusOK, value)
			return
		}
		s.refuse(w, r, err)
	}
}

// readable refuses requests that are no questions.
func (s *Server) readable(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		s.fail(w, r, http.StatusMethodNotAllowed, "This can only be read (GET).")
		return false
	}
	// URL.Query skips what it cannot parse, and the answer would be to another question.
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		s.fail(w, r, http.StatusBadRequest, "The address cannot be read: "+err.Error())
		return false
	}
	return true
}

// refuse answers with an error, in words for the client.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the client has gone
	}
	status, message := explain(err)
	if status >= 500 {
		s.deps.Logger.Warn("a request failed", zap.String("path", r.URL.Path), zap.String("request_id", requestID(r)), zap.Error(err))
	}
	if p := (*problem)(nil); errors.As(err, &p) && p.position != nil {
		s.sendJSON(w, r, status, map[string]any{"error": message, "position": *p.position, "request_id": requestID(r)})
		return
	}
	s.fail(w, r, status, message)
}

// ClickHouse's error codes that a narrower question avoids.
const (
	codeTooManyRows        = 158
	codeTimeoutExceeded    = 159
	codeTooSlow            = 160
	codeMemoryLimit        = 241
	codeTooManyBytes       = 307
	codeTooManyRowsOrBytes = 396
)

// explain returns the status and the words for an error.
func explain(err error) (status int, message string) {
	var p *problem
	var exception *clickhouse.Exception
	var network *net.OpError
	switch {
	case errors.As(err, &p):
		return p.status, p.message
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "The answer took too long. A shorter time range is faster."
	case errors.As(err, &exception):
		switch exception.Code {
		case codeTimeoutExceeded, codeTooSlow:
			return http.StatusGatewayTimeout, "ClickHouse took too long for this. A shorter time range is faster."
		case codeTooManyRows, codeMemoryLimit, codeTooManyBytes, codeTooManyRowsOrBytes:
			return http.StatusUnprocessableEntity, "This asks for more than ClickHouse may read at once. Choose a shorter time range."
		}
		return http.StatusBadGateway, fmt.Sprintf("ClickHouse refused the query (code %d): %s", exception.Code, exception.Message)
	case errors.As(err, &network):
		return http.StatusServiceUnavailable, "ClickHouse cannot be reached. Flows are kept until it is back."
	}
	return http.StatusBadGateway, err.Error()
}

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, status int, message string) {
	s.sendJSON(w, r, status, map[string]string{"error": message, "request_id": requestID(r)})
}

// minCompressed is the size in bytes from which on gzip is worth its header.
const minCompressed = 1024

// sendJSON answers with a value. It is encoded before anything is sent, so that
// a value that cannot be encoded is still an error to the client.
func (s *Server) sendJSON(w http.ResponseWriter, r *http.Request, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		s.deps.Logger.Error("encode an answer", zap.String("path", r.URL.Path), zap.String("request_id", requestID(r)), zap.Error(err))
		status, body = http.StatusInternalServerError, []byte(`{"error":"The answer cannot be written as JSON.","request_id":"`+requestID(r)+`"}`)
	}
	body = append(body, '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Add("Vary", "Accept-Encoding")
	if len(body) >= minCompressed && acceptsGzip(r) {
		var out bytes.Buffer
		compressed := gzip.NewWriter(&out)
		compressed.Write(body) // into memory: cannot fail
		compressed.Close()
		h.Set("Content-Encoding", "gzip")
		body = out.Bytes()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // an error here means that the client has gone
}

// acceptsGzip reads Accept-Encoding (RFC 9110 §12.5.3); a weight of 0 refuses.
func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, weight, weighted := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		if !weighted {
			return true
		}
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
		return err == nil && q > 0
	}
	return false
}
