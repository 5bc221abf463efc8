// Package web serves a node's HTTP: health, metrics and, on a collector, search.
//
//	GET /              the page for browsers; for others what is here, as plain text
//	GET /healthz       200, or 503 and what is wrong
//	GET /readyz        200, or 503 and what is not ready
//	GET /metrics       Prometheus metrics
//	GET /api/v1/…      search, tail, histogram, top, fields, status, alerts
//
// Without a token only loopback addresses are served, and only to requests that
// name a loopback address or localhost as their host: otherwise any page that a
// user of this machine opens could read the log by DNS rebinding. What a browser sends
// for a page of another site is refused but for the page and health. With tokens,
// all but health and the page want one as "Authorization: Bearer TOKEN", metrics one of
// the role admin. Health answers everyone, but gives its reasons to admins only; the
// page holds nothing of the log, and asks for a token when it needs one.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"github.com/syslane/syslane/docs"
	"github.com/syslane/syslane/internal/activation"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/receive"
	"github.com/syslane/syslane/internal/web/page"
	"github.com/syslane/syslane/search"
)

// Limits of the server.
const (
	// DefaultMaxSearches is how many searches run at once; more are refused
	// with 429. Each can hold 32 MiB of results (what it counts of several fields:
	// 64 MiB) and a few blocks of the log, until its client has the answer.
	DefaultMaxSearches = 6
	// DefaultSearchTimeout ends a search that finds nothing for so long. One that
	// goes on finding may go on, for the whole log can be fetched.
	DefaultSearchTimeout = time.Minute

	maxHeaderOctets   = 16 << 10
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = time.Minute
	// writeTimeout is how long a client may take to accept a part of an answer.
	writeTimeout = 30 * time.Second
	// stopTimeout is how long requests may go on when the server is to stop.
	stopTimeout = 3 * time.Second
)

// Check tells whether one part of the node is well.
type Check struct {
	// Name is the part's, such as "log" or "output.elasticsearch".
	Name string
	// Probe returns what is wrong, nil for nothing. It does not block, and can
	// be called from many goroutines at once.
	Probe func() error
}

// Config is what a server is made of.
type Config struct {
	// Listen is the address, host:port. Port 0 chooses one; see Server.Addr.
	Listen string
	// Token, if there is one, is that of a client with the role admin.
	Token config.Secret
	// Clients are others who may ask. Where there is a token at all, all must bring
	// one.
	Clients []Client
	// TLS, if it is there, is spoken instead of plain HTTP.
	TLS *tls.Config
	// Gatherer is what /metrics shows; nil leaves /metrics out.
	Gatherer prometheus.Gatherer
	// Registerer takes the server's own metrics; nil keeps none.
	Registerer prometheus.Registerer
	// Health and Ready are what /healthz and /readyz ask.
	Health, Ready []Check
	// Searcher is what is searched; nil leaves the search out.
	Searcher search.Searcher
	// Status tells, as a value for JSON, how the node is; nil leaves it out.
	Status func() any
	// Alerts tells, as a value for JSON, how alerts are; nil leaves them out.
	Alerts func() any
	// MaxSearches and SearchTimeout bound searches; 0 means the default.
	MaxSearches   int
	SearchTimeout time.Duration
	Logger        zerolog.Logger
}

// CheckListen returns an error where listen is no address, or reaches beyond this
// machine while there is no token.
func CheckListen(listen string, token config.Secret) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf(`not an address; write host:port, as in "127.0.0.1:8514"`)
	}
	if token.Empty() && !loopback(host) {
		return errors.New(`anyone who reaches this address could read the log: set a token in [http], or listen on 127.0.0.1`)
	}
	return nil
}

// loopback tells whether host names this machine only.
func loopback(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

// Server serves HTTP on one address.
type Server struct {
	cfg         Config
	listener    net.Listener
	connections *connections
	repeats     *receive.Repeats
	server      *http.Server
	searches    chan struct{} // a slot for each search that may run
	tails       chan struct{} // and for each tail
	usage       usages
	parts       []string // of the API that are served
	metrics     metrics
	page        *page.Page
	stop        context.CancelCauseFunc
}

// New opens the address; requests wait until Run.
func New(cfg Config) (*Server, error) {
	if !cfg.Token.Empty() {
		cfg.Clients = append([]Client{{Name: "token", Token: cfg.Token, Role: RoleAdmin}}, cfg.Clients...)
	}
	if err := CheckClients(cfg.Clients); err != nil {
		return nil, fmt.Errorf("clients of HTTP: %w", err)
	}
	token := config.Secret{}
	if len(cfg.Clients) > 0 {
		token = cfg.Clients[0].Token
	}
	if err := CheckListen(cfg.Listen, token); err != nil {
		return nil, fmt.Errorf("listen on %q for HTTP: %w", cfg.Listen, err)
	}
	if cfg.MaxSearches <= 0 {
		cfg.MaxSearches = DefaultMaxSearches
	}
	if cfg.SearchTimeout <= 0 {
		cfg.SearchTimeout = DefaultSearchTimeout
	}
	pages, err := page.New()
	if err != nil {
		return nil, err
	}
	listener, err := listen(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	s := &Server{cfg: cfg, listener: listener, searches: make(chan struct{}, cfg.MaxSearches), tails: make(chan struct{}, maxTails), usage: usages{searches: max(1, cfg.MaxSearches*2/3)}, metrics: newMetrics(cfg.Registerer), page: pages, repeats: receive.NewRepeats(cfg.Logger)}
	s.connections = &connections{Listener: listener, limits: receive.NewLimits(maxConnections, maxConnectionsPerAddress), refused: s.refuseConnection}
	base, stop := context.WithCancelCause(context.Background())
	s.stop = stop
	s.server = &http.Server{
		Handler:           s.guard(s.routes()),
		ReadHeaderTimeout: readHeaderTimeout,
		WriteTimeout:      writeTimeout, // a search prolongs it as it sends
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderOctets,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnState:         s.connections.state,
		ErrorLog:          stdlog.New(logWriter{cfg.Logger}, "", 0),
	}
	return s, nil
}

// refuseConnection counts and tells that a connection was refused.
func (s *Server) refuseConnection(reason, phrase string, peer netip.AddrPort) {
	s.metrics.connections.WithLabelValues(reason).Inc()
	s.repeats.Warn(phrase, peer.String(), nil)
}

// listen takes the socket that systemd has passed for the address, or binds it.
func listen(address string) (net.Listener, error) {
	passed, err := activation.TCP(address)
	if passed != nil || err != nil {
		return passed, err
	}
	return net.Listen("tcp", address)
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Sockets returns the socket that the server listens on.
func (s *Server) Sockets() []syscall.Conn {
	if c, ok := s.listener.(syscall.Conn); ok {
		return []syscall.Conn{c}
	}
	return nil
}

// Close gives up the address of a server that Run is not called on.
func (s *Server) Close() error {
	s.stop(nil)
	return s.listener.Close()
}

// errStopping ends searches when the server stops.
var errStopping = errors.New("the server is stopping")

// Run serves until ctx ends. Then searches are ended, and other requests have a
// short time to finish.
func (s *Server) Run(ctx context.Context) error {
	var listener net.Listener = s.connections
	if s.cfg.TLS != nil {
		listener = tls.NewListener(listener, s.cfg.TLS)
	}
	defer s.repeats.Flush()
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(listener) }()
	select {
	case err := <-served:
		s.stop(errStopping)
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	s.stop(errStopping)
	grace, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := s.server.Shutdown(grace)
	if err != nil {
		err = s.server.Close()
	}
	<-served
	if err != nil {
		return fmt.Errorf("stop HTTP: %w", err)
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.Handle("GET "+page.Path, s.page)
	mux.HandleFunc("GET /healthz", s.checks(s.cfg.Health))
	mux.HandleFunc("GET /readyz", s.checks(s.cfg.Ready))
	if s.cfg.Gatherer != nil {
		handler := promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{ErrorLog: stdlog.New(logWriter{s.cfg.Logger}, "", 0)})
		mux.Handle("GET /metrics", s.allow(RoleAdmin, handler))
	}
	api := func(name string, h http.HandlerFunc) {
		s.parts = append(s.parts, name)
		mux.Handle("GET "+search.API+name, s.allow(RoleRead, h))
	}
	if s.cfg.Searcher != nil {
		api("search", s.search)
		api("histogram", s.histogram)
		api("top", s.top)
		api("fields", s.fields)
		s.lokiRoutes(func(pattern string, h http.HandlerFunc) {
			mux.Handle("GET "+lokiPath+pattern, s.allow(RoleRead, h))
		})
		if _, ok := s.cfg.Searcher.(search.Tailer); ok {
			api("tail", s.tail)
		}
	}
	api("openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(docs.OpenAPI)
	})
	if s.cfg.Status != nil {
		api("status", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.cfg.Status()) })
	}
	if s.cfg.Alerts != nil {
		api("alerts", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.cfg.Alerts()) })
	}
	return mux
}

// guard is in front of every handler.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		if r.ContentLength != 0 {
			// No request here has a body. The server would wait for it, and a
			// read timeout would end long searches too.
			http.NewResponseController(w).SetReadDeadline(time.Now())
			h.Set("Connection", "close")
			writeFailure(w, http.StatusRequestEntityTooLarge, search.Failure{Message: "requests have no body here"})
			return
		}
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !s.tokens() && !loopback(host) {
			writeFailure(w, http.StatusForbidden, search.Failure{
				Message: "without a token only requests to localhost or a loopback address are answered"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// logWriter takes what net/http and promhttp have to say.
type logWriter struct{ logger zerolog.Logger }

func (l logWriter) Write(p []byte) (int, error) {
	l.logger.Warn().Str("detail", strings.TrimSpace(string(p))).Msg("HTTP server")
	return len(p), nil
}
