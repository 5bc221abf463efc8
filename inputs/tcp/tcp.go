package tcp

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

// Input receives syslog over TCP or TLS. It implements inputs.Input.
type Input struct {
	cfg      Config
	log      zerolog.Logger
	listener *receive.Listener
	framing  *receive.FramingMetrics
	buffers  *buffers
	repeats  *receive.Repeats
}

// New checks the configuration and returns an input. It binds no port.
func New(cfg Config) (*Input, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	listener, err := receive.New(receive.Config{
		Name: cfg.Name, Listen: cfg.Listen, TLS: cfg.TLS,
		MaxConnections: cfg.MaxConnections, MaxConnectionsPerAddress: cfg.MaxConnectionsPerAddress,
		Proxies:          cfg.Proxies,
		HandshakeTimeout: cfg.HandshakeTimeout, KeepAlive: cfg.KeepAlive,
		Logger: cfg.Logger, Registerer: cfg.Registerer,
	})
	if err != nil {
		return nil, err
	}
	m, err := receive.NewFramingMetrics(cfg.Name, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("input %q: register metrics: %w", cfg.Name, err)
	}
	log := cfg.Logger.With().Str("input", cfg.Name).Logger()
	return &Input{cfg: cfg, log: log, listener: listener, framing: m,
		buffers: newBuffers(cfg.MaxMessageSize), repeats: receive.NewRepeats(log)}, nil
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

// Run serves connections until ctx ends. Then it accepts no more, tells the peers
// that it reads no more (by closing its side), takes what is still on the way,
// submits it and closes.
func (in *Input) Run(ctx context.Context, sink inputs.Sink) error {
	// Submits outlive ctx, so that what was read is kept, but not for ever.
	submitting, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(in.cfg.ShutdownTimeout, giveUp)
		context.AfterFunc(submitting, func() { timer.Stop() })
	})
	defer stop()
	queue := inputs.Queue(sink)
	err := in.listener.Serve(ctx, func(ctx context.Context, c *receive.Conn) {
		in.serve(ctx, submitting, c, queue)
	})
	in.repeats.Flush()
	return err
}
