package httpui

import (
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/loglimit"
	"github.com/nfstats/nfstats/httpui/connlimit"
)

// Bounds on connections. A browser opens six of HTTP/1.1 or one of HTTP/2; all
// users of a reverse proxy or behind one NAT share those of an address.
const (
	maxConnections = 512 // fewer where the process may open few files
	addressShare   = 4   // one address has at most this part of them
)

// How long a client may take: for the header of a request, for all of it, to
// read the answer, and until the next request.
const (
	headerPatience = 5 * time.Second
	readPatience   = 30 * time.Second
	writePatience  = 5 * time.Minute
	idlePatience   = 30 * time.Second
)

// limitConnections bounds a listener's connections and counts them.
func limitConnections(l net.Listener, registry prometheus.Registerer) *connlimit.Listener {
	places := connlimit.Places(maxConnections)
	limited := connlimit.Listen(l, places, max(places/addressShare, 1))
	const refused, help = "nfstats_http_connections_refused_total", "Connections closed at once, because all of the " +
		"client's address, or all of the server, were at work, by the limit that was reached."
	counter := func(name, help string, labels prometheus.Labels, value func(connlimit.Counts) uint64) {
		registry.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return float64(value(limited.Counts())) }))
	}
	counter(refused, help, prometheus.Labels{"limit": "address"},
		func(c connlimit.Counts) uint64 { return c.RefusedAddress })
	counter(refused, help, prometheus.Labels{"limit": "total"}, func(c connlimit.Counts) uint64 { return c.RefusedTotal })
	counter("nfstats_http_connections_closed_total", "Connections that waited for their clients and were closed "+
		"to make room for new ones.", nil, func(c connlimit.Counts) uint64 { return c.Closed })
	registry.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Name: "nfstats_http_connections", Help: "Open connections of clients."},
		func() float64 { return float64(limited.Counts().Open) }))
	return limited
}

// newHTTPServer returns what serves the listener's connections.
func (s *Server) newHTTPServer() *http.Server {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerPatience,
		ReadTimeout:       readPatience,
		WriteTimeout:      writePatience,
		IdleTimeout:       idlePatience,
		ErrorLog:          log.New(newErrorWriter(s.deps.Logger), "", 0),
	}
	s.listener.Watch(server)
	return server
}

// errorWriter logs what net/http complains about, most of which clients cause: a
// line a minute of a kind.
type errorWriter struct {
	*loglimit.Limiter[string]
	logger *zap.Logger
}

func newErrorWriter(logger *zap.Logger) *errorWriter {
	return &errorWriter{logger: logger, Limiter: loglimit.New[string](func(leftOut int) {
		logger.Warn("too many kinds of errors of connections to name all of them", zap.Int("left_out", leftOut))
	})}
}

// Write logs a line. What is the same up to the client's address is of one kind.
func (e *errorWriter) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	kind, _, _ := strings.Cut(text, " from ")
	if leftOut, ok := e.Due(kind); ok {
		e.logger.Warn(text, zap.Int("left_out", leftOut))
	}
	return len(line), nil
}
