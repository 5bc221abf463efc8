package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/receive"
)

// Input is a server for systemd-journal-upload. It implements inputs.Input.
type Input struct {
	cfg      Config
	log      zerolog.Logger
	listener *receive.Listener
	metrics  *metrics
	framing  *receive.FramingMetrics
	repeats  *receive.Repeats
	memory   memory
}

// New checks the configuration and returns an input. It binds no port.
func New(cfg Config) (*Input, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	listener, err := receive.New(receive.Config{
		Name: cfg.Name, Listen: cfg.Listen, TLS: cfg.TLS,
		MaxConnections: cfg.MaxConnections, MaxConnectionsPerAddress: cfg.MaxConnectionsPerAddress,
		Proxies: cfg.Proxies, HandshakeTimeout: cfg.HandshakeTimeout, KeepAlive: cfg.KeepAlive,
		Logger: cfg.Logger, Registerer: cfg.Registerer,
	})
	if err != nil {
		return nil, err
	}
	in := &Input{cfg: cfg, log: cfg.Logger.With().Str("input", cfg.Name).Logger(), listener: listener}
	in.repeats = receive.NewRepeats(in.log)
	var errs [2]error
	in.metrics, errs[0] = newMetrics(cfg.Name, cfg.Registerer)
	in.framing, errs[1] = receive.NewFramingMetrics(cfg.Name, cfg.Registerer)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("input %q: register metrics: %w", cfg.Name, err)
	}
	return in, nil
}

// Name returns the configured name.
func (in *Input) Name() string { return in.cfg.Name }

// Listen binds the port. Run does it where it has not been done.
func (in *Input) Listen() error { return in.listener.Listen() }

// Addr returns the address that Listen has bound; nil before.
func (in *Input) Addr() net.Addr { return in.listener.Addr() }

// Sockets implements inputs.Successor.
func (in *Input) Sockets() []syscall.Conn { return in.listener.Sockets() }

// Retire implements inputs.Successor.
func (in *Input) Retire() { in.listener.Retire() }

// Run serves until ctx ends. Then uploads are read no further: what was read of
// them is submitted, and their clients are answered 503 and repeat them. sink
// must be an inputs.SequenceSink.
func (in *Input) Run(ctx context.Context, sink inputs.Sink) error {
	sequenceSink, ok := sink.(inputs.SequenceSink)
	if !ok {
		return fmt.Errorf("input %q: the sink cannot tell entries that are sent again", in.cfg.Name)
	}
	// Submits outlive ctx, so that what was read is kept, but not for ever.
	submitting, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	handler := &server{in: in, sink: sequenceSink, reading: reading, submitting: submitting}
	server := in.httpServer(handler)
	accepted := &accepted{addr: in.Addr, conns: make(chan net.Conn), closed: make(chan struct{}), over: make(chan struct{})}

	var parts sync.WaitGroup
	parts.Go(func() { server.Serve(accepted) }) // returns when the server is closed
	parts.Go(func() {
		<-reading.Done()
		timeout, cancel := context.WithTimeout(submitting, in.cfg.ShutdownTimeout)
		defer cancel()
		// Connections that are idle are closed now, the others after their answer.
		server.Shutdown(timeout)
		giveUp()
		server.Close()
		close(accepted.over)
	})
	err := in.listener.Serve(reading, accepted.serve)
	stop()
	parts.Wait()
	handler.uploads.Wait()
	in.repeats.Flush()
	return err
}

func (in *Input) httpServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: in.cfg.HeaderTimeout,
		IdleTimeout:       in.cfg.IdleTimeout,
		MaxHeaderBytes:    maxHeaderSize,
		ErrorLog:          stdlog.New(httpLog{in.log}, "", 0),
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, nc)
		},
	}
}

// httpLog takes what net/http has to say: of single connections, and of a fault
// of ours that it has caught.
type httpLog struct{ log zerolog.Logger }

func (l httpLog) Write(p []byte) (int, error) {
	level := zerolog.DebugLevel
	if bytes.Contains(p, []byte("panic serving")) {
		level = zerolog.ErrorLevel
	}
	l.log.WithLevel(level).Bytes("text", bytes.TrimSpace(p)).Msg("http connection")
	return len(p), nil
}

type connKey struct{}

// conn is a connection as net/http has it. One request at a time is served on it.
type conn struct {
	*receive.Conn
	journals journals
	once     sync.Once
	closed   chan struct{}
}

// Close closes the connection, and tells who waits for it.
func (c *conn) Close() error {
	defer c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// accepted is the net.Listener by which net/http gets the connections that a
// receive.Listener has accepted.
type accepted struct {
	addr   func() net.Addr
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
	// over is closed when net/http has closed all connections that it knows of.
	over chan struct{}
}

// serve hands a connection over and waits for its end.
func (a *accepted) serve(ctx context.Context, rc *receive.Conn) {
	sender := rc.Identity
	if sender == "" {
		sender = rc.Source.Addr().String()
	}
	// Who waits for octets that are not yet there is woken at the end.
	wake := context.AfterFunc(ctx, func() { rc.SetReadDeadline(time.Unix(1, 0)) })
	defer wake()
	c := &conn{Conn: rc, closed: make(chan struct{}), journals: journals{sender: sender, known: make(map[journalID]*journal)}}
	select {
	case a.conns <- c:
		select {
		case <-c.closed:
		case <-a.over:
		}
	case <-a.closed:
	case <-ctx.Done():
	}
}

// Accept implements net.Listener.
func (a *accepted) Accept() (net.Conn, error) {
	select {
	case c := <-a.conns:
		return c, nil
	case <-a.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (a *accepted) Close() error {
	a.once.Do(func() { close(a.closed) })
	return nil
}

// Addr implements net.Listener.
func (a *accepted) Addr() net.Addr { return a.addr() }
