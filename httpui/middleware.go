package httpui

import (
	"context"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// metrics count what the server answers.
type metrics struct {
	requests *prometheus.CounterVec   // by route and status code
	seconds  *prometheus.HistogramVec // by route
	panics   prometheus.Counter
	logins   *prometheus.CounterVec // by result
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "nfstats_http_requests_total",
			Help: "Requests answered, by route and status code."}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "nfstats_http_request_seconds",
			Help: "Time until a request was answered.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9)}, []string{"route"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "nfstats_http_panics_total",
			Help: "Requests that met a defect of nfstats; the log has the stack."}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "nfstats_http_logins_total",
			Help: "Logins: ok, failed, limited (too many failed before) or busy (too many at once)."}, []string{"result"}),
	}
	for _, result := range []string{"ok", "failed", "limited", "busy"} {
		m.logins.WithLabelValues(result)
	}
	registry.MustRegister(m.requests, m.seconds, m.panics, m.logins)
	return m
}

type requestIDKey struct{}

// requestID returns the id that finds a request in the log.
func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}

// withRequestID gives every request an id of ours. One sent by the client is
// ignored: it would let strangers write into the log.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := uuid.NewString()
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// observed counts and times requests, and turns a panic into an answer, a log
// line and a count. The daemon goes on.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started, seen := time.Now(), &statusWriter{ResponseWriter: w}
		defer func() {
			if cause := recover(); cause != nil {
				if cause == http.ErrAbortHandler {
					panic(cause) // no defect: net/http's way to break off an answer
				}
				s.metrics.panics.Inc()
				s.deps.Logger.Error("a request met a defect of nfstats", zap.String("path", r.URL.Path),
					zap.String("request_id", requestID(r)), zap.Any("panic", cause), zap.ByteString("stack", debug.Stack()))
				if seen.code != 0 {
					panic(http.ErrAbortHandler) // too late for a status: the client must see a broken answer
				}
				s.fail(seen, r, http.StatusInternalServerError, "This is a defect of nfstats; its log has the details.")
			}
			route := r.Pattern // set by the mux, so the number of routes is bounded
			if route == "" {
				route = "none"
			}
			s.metrics.requests.WithLabelValues(route, strconv.Itoa(max(seen.code, http.StatusOK))).Inc()
			s.metrics.seconds.WithLabelValues(route).Observe(time.Since(started).Seconds())
		}()
		next.ServeHTTP(seen, r)
	})
}

// statusWriter remembers the status code; 0: nothing was sent yet.
type statusWriter struct {
	http.ResponseWriter
	code int
}

// WriteHeader sends the status.
func (w *statusWriter) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write sends a part of the body.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
