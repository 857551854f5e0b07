package httpui

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"go.uber.org/zap"
)

// A problem is an error with what the client is told.
type problem struct {
	status  int
	message string
}

// Error returns the message.
func (p *problem) Error() string { return p.message }

func badRequest(format string, args ...any) error {
	return &problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func notFound(message string) error { return &problem{http.StatusNotFound, message} }

// api turns a function that returns what to send as JSON into a handler. Errors
// become {"error", "request_id"}; the id finds the error in the log.
func (s *Server) api(answer func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := uuid.NewString()
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("Cache-Control", "no-store")
		value, err := answer(r)
		switch {
		case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
			return // the client has gone
		case err != nil:
			status, message := http.StatusBadGateway, err.Error()
			if p := (*problem)(nil); errors.As(err, &p) {
				status = p.status
			} else {
				s.deps.Logger.Warn("a request failed", zap.String("path", r.URL.Path), zap.String("request_id", id), zap.Error(err))
			}
			writeJSON(w, r, status, map[string]string{"error": message, "request_id": id})
		default:
			writeJSON(w, r, http.StatusOK, value)
		}
	}
}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Add("Vary", "Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(value)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	compressed := gzip.NewWriter(w)
	json.NewEncoder(compressed).Encode(value)
	compressed.Close()
}
