package relp

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/receive"
)

// Input is a RELP server. It implements inputs.Input.
type Input struct {
	cfg      Config
	log      zerolog.Logger
	listener *receive.Listener
	metrics  *metrics
	repeats  *receive.Repeats
	sessions *sessions
	memory   *memory
}

// New checks the configuration and returns an input. It binds no port.
func New(cfg Config) (*Input, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	listener, err := receive.New(receive.Config{
		Name: cfg.Name, Listen: cfg.Listen, TLS: cfg.TLS,
		MaxConnections: cfg.MaxConnections, MaxConnectionsPerAddress: cfg.MaxConnectionsPerAddress,
		HandshakeTimeout: cfg.HandshakeTimeout, KeepAlive: cfg.KeepAlive,
		Logger: cfg.Logger, Registerer: cfg.Registerer,
	})
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Name, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("input %q: register metrics: %w", cfg.Name, err)
	}
	log := cfg.Logger.With().Str("input", cfg.Name).Logger()
	return &Input{cfg: cfg, log: log, listener: listener, metrics: m, repeats: receive.NewRepeats(log), sessions: newSessions(), memory: newMemory()}, nil
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

// Inherit implements inputs.Heir: a session may go on here that began there.
func (in *Input) Inherit(from inputs.Input) {
	if before, ok := from.(*Input); ok {
		in.sessions = before.sessions
	}
}

// Run serves until ctx ends. Then every connection submits what it has read,
// acknowledges it, is told "serverclose", and is closed.
func (in *Input) Run(ctx context.Context, sink inputs.Sink) error {
	// Submits outlive ctx, so that what was read is kept and acknowledged, but
	// not for ever.
	submitting, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(in.cfg.ShutdownTimeout, giveUp)
		context.AfterFunc(submitting, func() { timer.Stop() })
	})
	defer stop()
	err := in.listener.ServeInOrder(ctx, func(rc *receive.Conn) func(context.Context) {
		c := newConn(in, rc, sink)
		in.sessions.enter(c)
		return func(ctx context.Context) { c.serve(ctx, submitting) }
	})
	in.repeats.Flush()
	return err
}
