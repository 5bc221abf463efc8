package relp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
)

// Input is a RELP server. It implements inputs.Input.
type Input struct {
	cfg        Config
	log        zerolog.Logger
	metrics    *metrics
	complaints *complaints
	listener   net.Listener

	mu    sync.Mutex // guards conns
	conns int
}

// New checks the configuration and returns an input. It binds no port.
func New(cfg Config) (*Input, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Name, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("relp input %q: register metrics: %w", cfg.Name, err)
	}
	log := cfg.Logger.With().Str("input", cfg.Name).Logger()
	return &Input{cfg: cfg, log: log, metrics: m, complaints: newComplaints(log)}, nil
}

// Name returns the configured name.
func (in *Input) Name() string { return in.cfg.Name }

// Listen binds the port. Run does it where it has not been done.
func (in *Input) Listen() error {
	if in.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", in.cfg.Listen)
	if err != nil {
		return fmt.Errorf("relp input %q: %w", in.cfg.Name, err)
	}
	in.listener = l
	return nil
}

// Addr returns the address that Listen has bound; nil before.
func (in *Input) Addr() net.Addr {
	if in.listener == nil {
		return nil
	}
	return in.listener.Addr()
}

// Run serves until ctx ends. Then every connection finishes what it has read,
// acknowledges it, hints "serverclose" and is closed.
func (in *Input) Run(ctx context.Context, sink inputs.Sink) error {
	if err := in.Listen(); err != nil {
		return err
	}
	in.log.Info().Stringer("listen", in.Addr()).Bool("tls", in.cfg.TLS != nil).Msg("relp input listens")
	stopListening := context.AfterFunc(ctx, func() { in.listener.Close() })
	defer stopListening()

	// Submits outlive ctx, so that what was read is kept and acknowledged, but
	// not for ever.
	submitting, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	var conns sync.WaitGroup
	err := in.accept(ctx, func(nc net.Conn) {
		conns.Go(func() {
			defer in.leave()
			serve(ctx, submitting, in, nc, sink)
		})
	})
	in.listener.Close()
	timer := time.AfterFunc(in.cfg.ShutdownTimeout, giveUp)
	conns.Wait()
	timer.Stop()
	in.complaints.flush()
	return err
}

// accept takes connections until ctx ends. No error of a single accept ends it:
// when file descriptors run out the input waits and tries again.
func (in *Input) accept(ctx context.Context, start func(net.Conn)) error {
	var pause time.Duration
	for {
		nc, err := in.listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("relp input %q: %w", in.cfg.Name, err)
			}
			in.metrics.acceptFailures.Inc()
			in.complaints.warn("connections cannot be accepted", "", err)
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		if !in.enter() {
			in.metrics.refused.Inc()
			in.complaints.warn("connection refused: there are as many as max_connections allows", nc.RemoteAddr().String(), nil)
			nc.Close()
			continue
		}
		start(nc)
	}
}

func (in *Input) enter() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.conns >= in.cfg.MaxConnections {
		return false
	}
	in.conns++
	in.metrics.connections.Set(float64(in.conns))
	return true
}

func (in *Input) leave() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.conns--
	in.metrics.connections.Set(float64(in.conns))
}
