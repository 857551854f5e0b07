package httpui

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/loglimit"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/httpui/connlimit"
	"github.com/nfstats/nfstats/snmp"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/archives"
)

// Config says where and how the pages are served.
type Config struct {
	Listen       string   // TCP host:port
	AllowedHosts []string // host names besides localhost
	Version      string   // of the program, shown on the page
	Access       Access

	Whois      string // host:port of the registry; "": none is asked
	ReverseDNS bool   // ask the DNS for names of addresses

	// PEM files for TLS; "": without. They are read again when they change.
	Certificate, Key string
}

// flows answers the pages' questions; *store.Store in the program.
type flows interface {
	Exporters(ctx context.Context, from, to time.Time) ([]store.Exporter, error)
	Extent(ctx context.Context) (store.Extent, error)
	Series(ctx context.Context, selection store.Selection, by string, top, points int) (*store.Series, error)
	Shares(ctx context.Context, selection store.Selection, by string, top int) (*store.Shares, error)
	Paths(ctx context.Context, selection store.Selection, dims []string, top int) (*store.Paths, error)
	Flows(ctx context.Context, selection store.Selection, order store.Order, limit, offset int) (*store.FlowsPage, error)
	FlowsCSV(ctx context.Context, selection store.Selection, order store.Order, w io.Writer) error
	System(ctx context.Context) (*store.System, error)
	Complete(ctx context.Context, what, text string) ([]store.Completion, error)
}

// Dependencies are what the server asks.
type Dependencies struct {
	Flows     flows
	Live      func(ctx context.Context) ([]netflow.ExporterStatus, error) // what the collector knows
	Templates func(ctx context.Context, exporter netip.Addr) ([]netflow.TemplateStatus, error)
	Inventory inventory
	Poller    *snmp.Poller
	Seen      func(exporter netip.Addr, ifIndex uint32) (seen store.Seen, role string) // what flows tell of an interface, and our guess what it is for

	// Lost returns the share of what an exporter sent in an interval that did not arrive, 0 to 1.
	Lost func(exporter netip.Addr, from, to time.Time) float64

	Retention    retention                       // may be nil
	Imports      *archives.Jobs                  // may be nil
	RatesChanged func(ctx context.Context) error // brings sampling rates that operators set to the decoders

	Addresses func() []netip.AddrPort            // where flows are received
	Problems  func(ctx context.Context) []string // why the daemon is not ready; none: it is
	Warnings  func() []string                    // what an operator should look at though it is; may be nil
	Journal   func() JournalStatus               // what waits for ClickHouse; may be nil
	SQL       Statements
	Registry  *prometheus.Registry
	Logger    *zap.Logger
	LogLevel  zap.AtomicLevel // of all of the program's log
}

// Server serves the pages.
type Server struct {
	config     Config
	deps       Dependencies
	metrics    *metrics
	gate       *gate
	registry   *registryClient
	statements chan struct{} // bounds those that run at one time
	started    time.Time
	handler    http.Handler
	patterns   []string // of the routes
	listener   *connlimit.Listener
	tls        *tls.Config // nil: plain HTTP

	failures   *loglimit.Limiter[failure] // logins that failed
	complained atomic.Int64               // Unix seconds: the last time that the status could not tell what is stored
}

// shutdownPatience bounds how long running requests may take at a stop.
const shutdownPatience = 5 * time.Second

// New makes a server; Listen opens its port and Run serves.
func New(config Config, deps Dependencies) (*Server, error) {
	s := &Server{config: config, deps: deps, started: time.Now(), registry: newRegistryClient(config.Whois, config.ReverseDNS), statements: make(chan struct{}, maxStatements)}
	static, err := fs.Sub(embedded, "static")
	if err != nil {
		return nil, fmt.Errorf("read the embedded pages: %w", err)
	}
	files, err := newAssets(static)
	if err != nil {
		return nil, err
	}
	page, err := renderPage(static, "index.html", files.prefix, config.Version)
	if err != nil {
		return nil, err
	}
	loginPage, err := renderPage(static, "login.html", files.prefix, config.Version)
	if err != nil {
		return nil, err
	}
	if s.gate, err = newGate(config.Access); err != nil {
		return nil, err
	}
	s.metrics = newMetrics(deps.Registry)
	s.failures = loglimit.New[failure](func(leftOut int) {
		deps.Logger.Warn("too many logins fail to name all of them", zap.Int("left_out", leftOut))
	})
	s.handler = s.routes(files, page, loginPage)
	return s, nil
}

// views are the paths of the page; static/js/views/index.js knows what they show.
var views = []string{"{$}", "time", "common", "as", "interface", "addresses", "exporters", "interfaces", "trust", "sql", "system", "settings"}

// A router remembers the patterns of its routes.
type router struct {
	*http.ServeMux
	patterns []string
}

// HandleFunc adds a route.
func (r *router) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	r.patterns = append(r.patterns, pattern)
	r.ServeMux.HandleFunc(pattern, handler)
}

// routes wires the handlers; what stands outermost comes last. What is added below
// /api/v1/ is described in openapi_test.go.
func (s *Server) routes(files *assets, page, loginPage []byte) http.Handler {
	mux := &router{ServeMux: http.NewServeMux()}
	mux.Handle("GET /assets/", files)
	for _, view := range views {
		mux.HandleFunc("GET /"+view, sendPage(page))
	}
	mux.HandleFunc("GET /login", sendPage(loginPage))
	mux.HandleFunc("POST /api/v1/login", s.login)
	mux.HandleFunc("POST /api/v1/logout", s.logout)
	mux.HandleFunc("/api/v1/session", s.api(s.session))
	mux.HandleFunc("POST /api/v1/sql", s.sql)
	mux.HandleFunc("/api/v1/series", s.api(s.series))
	mux.HandleFunc("/api/v1/shares", s.api(s.shares))
	mux.HandleFunc("/api/v1/paths", s.api(s.paths))
	mux.HandleFunc("/api/v1/flows", s.flows)
	mux.HandleFunc("/api/v1/complete", s.api(s.complete))
	mux.HandleFunc("/api/v1/whois", s.api(s.whois))
	mux.HandleFunc("/api/v1/rdns", s.api(s.reverseDNS))
	mux.HandleFunc("/api/v1/exporters", s.api(s.exporters))
	mux.HandleFunc("/api/v1/exporters/{address}/templates", s.api(s.templates))
	mux.HandleFunc("/api/v1/status", s.api(s.status))
	mux.HandleFunc("/api/v1/setup", s.api(s.setup))
	mux.HandleFunc("/api/v1/system", s.api(s.system))
	mux.HandleFunc("PUT /api/v1/system/log_level", s.change(s.changeLogLevel))
	mux.HandleFunc("GET /api/v1/system/retention", s.api(s.retention))
	mux.HandleFunc("PUT /api/v1/system/retention", s.change(s.changeRetention))
	mux.HandleFunc("/api/v1/interfaces", s.api(s.interfaces))
	mux.HandleFunc("PATCH /api/v1/interfaces/{exporter}/{ifIndex}", s.change(s.changeInterface))
	mux.HandleFunc("GET /api/v1/devices", s.api(s.devices))
	mux.HandleFunc("POST /api/v1/devices", s.change(s.addDevice))
	mux.HandleFunc("PATCH /api/v1/devices/{id}", s.change(s.changeDevice))
	mux.HandleFunc("DELETE /api/v1/devices/{id}", s.change(s.removeDevice))
	mux.HandleFunc("GET /api/v1/devices/{id}/discover", s.api(s.discovery))
	mux.HandleFunc("POST /api/v1/devices/{id}/discover", s.change(s.startDiscovery))
	mux.HandleFunc("GET /api/v1/imports", s.api(s.importing(s.imports)))
	mux.HandleFunc("POST /api/v1/imports", s.change(s.importing(s.startImport)))
	mux.HandleFunc("DELETE /api/v1/imports/{id}", s.change(s.importing(s.forgetImport)))
	mux.HandleFunc("GET /api/v1/imports/files", s.api(s.importing(s.importFiles)))
	mux.HandleFunc("GET /api/v1/imports/jobs", s.api(s.importing(s.importJobs)))
	mux.HandleFunc("DELETE /api/v1/imports/jobs/{id}", s.change(s.importing(s.cancelImport)))
	mux.HandleFunc("/api/v1/calibration", s.api(s.calibration))
	mux.HandleFunc("POST /api/v1/calibration/accept", s.change(s.acceptRate))
	mux.HandleFunc("GET /api/v1/openapi.json", s.openAPI)
	mux.HandleFunc("/api/", s.api(func(*http.Request) (any, error) { return nil, notFound("There is no such API.") }))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.deps.Registry, promhttp.HandlerOpts{}))
	s.patterns = mux.patterns

	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, http.StatusForbidden, "A page of another origin may not change anything here.")
	}))
	return withRequestID(s.withSecurityHeaders(s.observed(s.knownHosts(origins.Handler(s.guarded(mux.ServeMux))))))
}

func sendPage(page []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		w.Write(page)
	}
}

func renderPage(static fs.FS, name, prefix, version string) ([]byte, error) {
	page, err := template.ParseFS(static, name)
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, map[string]string{"Assets": prefix, "Version": version}); err != nil {
		return nil, fmt.Errorf("write the page: %w", err)
	}
	return out.Bytes(), nil
}

// Listen reads the certificate, if there is one, and opens the port.
func (s *Server) Listen(ctx context.Context) error {
	if s.config.Certificate != "" {
		c := &certificate{file: s.config.Certificate, key: s.config.Key, logger: s.deps.Logger}
		if err := c.load(); err != nil {
			return err
		}
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", s.config.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("serve the web UI on %s: another program has this port (http.listen; find it with: ss -tlnp)", s.config.Listen)
	} else if err != nil {
		return fmt.Errorf("serve the web UI on %s: %w", s.config.Listen, err)
	}
	s.listener = limitConnections(l, s.deps.Registry)
	return nil
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	server := s.newHTTPServer()
	served := make(chan error, 1)
	go func() {
		if s.tls != nil {
			server.TLSConfig = s.tls
			served <- server.ServeTLS(s.listener, "", "")
			return
		}
		served <- server.Serve(s.listener)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serve the web UI: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
	defer cancel()
	if server.Shutdown(stopping) != nil {
		server.Close()
	}
	<-served
	return nil
}
