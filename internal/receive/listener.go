package receive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/activation"
)

// Listener accepts connections and hands each to a goroutine of its own.
type Listener struct {
	cfg      Config
	log      zerolog.Logger
	metrics  *metrics
	repeats  *Repeats
	limits   limits
	listener net.Listener
	passed   bool // listener was not made here
	retired  atomic.Bool
}

// New checks the configuration and returns a Listener. It binds no port.
func New(cfg Config) (*Listener, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Name, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("input %q: register metrics: %w", cfg.Name, err)
	}
	log := cfg.Logger.With().Str("input", cfg.Name).Logger()
	return &Listener{cfg: cfg, log: log, metrics: m, repeats: NewRepeats(log),
		limits: limits{max: cfg.MaxConnections, maxPerAddress: cfg.MaxConnectionsPerAddress, from: make(map[netip.Addr]int)}}, nil
}

// Listen takes the socket that systemd has passed for the address, or binds the
// port. Serve does it where it has not been done.
func (l *Listener) Listen() error {
	if l.listener != nil {
		return nil
	}
	passed, err := activation.TCP(l.cfg.Listen)
	if err != nil {
		return fmt.Errorf("input %q: %w", l.cfg.Name, err)
	}
	if passed != nil {
		l.listener, l.passed = passed, true
		return nil
	}
	lc := net.ListenConfig{KeepAliveConfig: l.cfg.keepAlive()}
	if l.cfg.KeepAlive < 0 {
		lc.KeepAlive = -1
	}
	listener, err := lc.Listen(context.Background(), "tcp", l.cfg.Listen)
	if err != nil {
		return fmt.Errorf("input %q: %w", l.cfg.Name, err)
	}
	l.listener = listener
	return nil
}

// Addr returns the address that Listen has bound; nil before.
func (l *Listener) Addr() net.Addr {
	if l.listener == nil {
		return nil
	}
	return l.listener.Addr()
}

// Sockets returns the socket that Listen has taken (inputs.Successor).
func (l *Listener) Sockets() []syscall.Conn {
	if c, ok := l.listener.(syscall.Conn); ok {
		return []syscall.Conn{c}
	}
	return nil
}

// Retire ends the accepting of connections. Those that are open go on, and Serve
// returns when the last has ended, or after the end of ctx.
func (l *Listener) Retire() {
	l.retired.Store(true)
	if l.listener != nil {
		l.listener.Close()
	}
}

// Close gives up the port without serving it.
func (l *Listener) Close() error {
	if l.listener == nil {
		return nil
	}
	return l.listener.Close()
}

// Serve accepts connections until ctx ends and calls handle for each in a
// goroutine of its own, once the peer is known. It returns after every handle has
// returned; handle must do so when ctx ends. The connection is closed when handle
// returns. Serve is called once.
func (l *Listener) Serve(ctx context.Context, handle func(context.Context, *Conn)) error {
	if err := l.Listen(); err != nil {
		return err
	}
	l.log.Info().Stringer("listen", l.Addr()).Bool("tls", l.cfg.TLS != nil).Bool("passed", l.passed).Msg("listening for connections")
	stop := context.AfterFunc(ctx, func() { l.listener.Close() })
	defer stop()
	var conns sync.WaitGroup
	err := l.accept(ctx, func(nc net.Conn) {
		conns.Go(func() { l.serve(ctx, nc, handle) })
	})
	l.listener.Close()
	conns.Wait()
	l.repeats.Flush()
	return err
}

// accept takes connections until ctx ends. The failure of one ends nothing: where
// file descriptors run out it waits and tries again.
func (l *Listener) accept(ctx context.Context, start func(net.Conn)) error {
	var pause time.Duration
	for {
		nc, err := l.listener.Accept()
		if err == nil {
			pause = 0
			start(nc)
			continue
		}
		if ctx.Err() != nil || l.retired.Load() {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("input %q: %w", l.cfg.Name, err)
		}
		l.metrics.acceptFailures.Inc()
		l.repeats.Warn("connections cannot be accepted", "", err)
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// serve takes one connection from its arrival to its end.
func (l *Listener) serve(ctx context.Context, nc net.Conn, handle func(context.Context, *Conn)) {
	defer nc.Close()
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	if l.passed { // its connections have the keep-alive of Go's default
		tcp.SetKeepAliveConfig(l.cfg.keepAlive())
	}
	if !l.limits.enter() {
		l.refuse("connections", "connection refused: max_connections is reached", addrPort(nc))
		return
	}
	l.metrics.connections.Inc()
	defer l.metrics.connections.Dec()
	defer l.limits.leave()

	c, err := newConn(tcp, l.cfg.keepAlive())
	if err != nil {
		l.repeats.Warn("connection cannot be prepared", nc.RemoteAddr().String(), err)
		return
	}
	deadline := time.Now().Add(l.cfg.HandshakeTimeout)
	if l.cfg.trusts(c.Source.Addr()) {
		stop := context.AfterFunc(ctx, func() { nc.Close() })
		err := c.readProxyHeader(deadline)
		stop()
		if err != nil {
			if ctx.Err() == nil && err != errProbe {
				l.metrics.refused.WithLabelValues(l.cfg.Name, "proxy_header").Inc()
				l.repeats.Warn("connection closed: no good PROXY header from a trusted load balancer", c.Source.String(), err)
			}
			return
		}
	}
	address := c.Source.Addr()
	if !l.limits.enterFrom(address) {
		l.refuse("connections_per_address", "connection refused: max_connections_per_address is reached", c.Source)
		return
	}
	defer l.limits.leaveFrom(address)
	if l.cfg.TLS != nil {
		handshaking, cancel := context.WithDeadline(ctx, deadline)
		err := c.handshake(handshaking, l.cfg.TLS)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				l.metrics.handshakeFailures.WithLabelValues(l.cfg.Name, handshakeFailure(err)).Inc()
				l.repeats.Warn("TLS handshake failed", c.Source.String(), err)
			}
			return
		}
	}
	l.log.Debug().Stringer("peer", c.Source).Str("identity", c.Identity).Msg("connection open")
	handle(ctx, c)
	c.Close()
	l.log.Debug().Stringer("peer", c.Source).Msg("connection closed")
}

func (l *Listener) refuse(reason, phrase string, peer netip.AddrPort) {
	l.metrics.refused.WithLabelValues(l.cfg.Name, reason).Inc()
	l.repeats.Warn(phrase, peer.String(), nil)
}

// limits counts the connections that are open.
type limits struct {
	max, maxPerAddress int // negative: any number

	mu   sync.Mutex // guards what follows
	open int
	from map[netip.Addr]int
}

func (l *limits) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max >= 0 && l.open >= l.max {
		return false
	}
	l.open++
	return true
}

func (l *limits) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
}

func (l *limits) enterFrom(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.maxPerAddress >= 0 && l.from[a] >= l.maxPerAddress {
		return false
	}
	l.from[a]++
	return true
}

func (l *limits) leaveFrom(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from[a]--; l.from[a] == 0 {
		delete(l.from, a)
	}
}
