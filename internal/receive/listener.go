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
	limits   *Limits
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
		limits: NewLimits(cfg.MaxConnections, cfg.MaxConnectionsPerAddress)}, nil
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
// returns. Serve or ServeInOrder is called once.
func (l *Listener) Serve(ctx context.Context, handle func(context.Context, *Conn)) error {
	return l.ServeInOrder(ctx, func(c *Conn) func(context.Context) {
		return func(ctx context.Context) { handle(ctx, c) }
	})
}

// ServeInOrder is Serve where it matters which connection was there first: open is
// called for one after the other as they arrive, must not wait, and returns what
// handles the connection, which is called in any case. Those whose peer makes itself
// known with a handshake or a PROXY header come when it has.
func (l *Listener) ServeInOrder(ctx context.Context, open func(*Conn) (handle func(context.Context))) error {
	if err := l.Listen(); err != nil {
		return err
	}
	l.log.Info().Stringer("listen", l.Addr()).Bool("tls", l.cfg.TLS != nil).Bool("passed", l.passed).Msg("listening for connections")
	stop := context.AfterFunc(ctx, func() { l.listener.Close() })
	defer stop()
	var conns sync.WaitGroup
	err := l.accept(ctx, func(nc net.Conn) {
		a := arrival{Listener: l, nc: nc}
		there := a.enter()
		known := there && a.isKnown()
		if known && a.enterFrom() {
			a.handle = open(a.conn)
		}
		conns.Go(func() {
			defer a.leave()
			if there && !known && a.introduce(ctx) {
				a.handle = open(a.conn)
			}
			if a.handle != nil {
				a.serve(ctx)
			}
		})
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

// arrival is a connection on its way from its arrival to its end.
type arrival struct {
	*Listener
	nc   net.Conn
	conn *Conn
	// handle is what serves it; nil before it is open, and where it is refused.
	handle func(context.Context)
	// entered and enteredFrom say what it counts for.
	entered, enteredFrom bool
}

// enter tells whether there is room for the connection.
func (a *arrival) enter() bool {
	tcp, ok := a.nc.(*net.TCPConn)
	if !ok {
		return false
	}
	if a.passed { // its connections have the keep-alive of Go's default
		tcp.SetKeepAliveConfig(a.cfg.keepAlive())
	}
	if !a.limits.Enter() {
		a.refuse("connections", "connection refused: max_connections is reached", addrPort(a.nc))
		return false
	}
	a.entered = true
	a.metrics.connections.Inc()
	c, err := newConn(tcp, a.cfg.keepAlive())
	if err != nil {
		a.repeats.Warn("connection cannot be prepared", a.nc.RemoteAddr().String(), err)
		return false
	}
	a.conn = c
	return true
}

// isKnown tells whether the peer has nothing to show.
func (a *arrival) isKnown() bool {
	return a.cfg.TLS == nil && !a.cfg.trusts(addrPort(a.nc).Addr())
}

// enterFrom tells whether there is room for another connection of the address.
func (a *arrival) enterFrom() bool {
	address := a.conn.Source.Addr()
	if !a.limits.EnterFrom(address) {
		a.refuse("connections_per_address", "connection refused: max_connections_per_address is reached", a.conn.Source)
		return false
	}
	a.enteredFrom = true
	return true
}

// introduce has the peer make itself known.
func (a *arrival) introduce(ctx context.Context) bool {
	c, deadline := a.conn, time.Now().Add(a.cfg.HandshakeTimeout)
	if a.cfg.trusts(c.Source.Addr()) {
		stop := context.AfterFunc(ctx, func() { a.nc.Close() })
		err := c.readProxyHeader(deadline)
		stop()
		if err != nil {
			if ctx.Err() == nil && err != errProbe {
				a.metrics.refused.WithLabelValues(a.cfg.Name, "proxy_header").Inc()
				a.repeats.Warn("connection closed: no good PROXY header from a trusted load balancer", c.Source.String(), err)
			}
			return false
		}
	}
	if !a.enterFrom() || a.cfg.TLS == nil {
		return a.enteredFrom
	}
	handshaking, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	err := c.handshake(handshaking, a.cfg.TLS)
	if err != nil && ctx.Err() == nil {
		a.metrics.handshakeFailures.WithLabelValues(a.cfg.Name, handshakeFailure(err)).Inc()
		a.repeats.Warn("TLS handshake failed", c.Source.String(), err)
	}
	return err == nil
}

// serve has the open connection handled.
func (a *arrival) serve(ctx context.Context) {
	c := a.conn
	a.log.Debug().Stringer("peer", c.Source).Str("identity", c.Identity).Msg("connection open")
	a.handle(ctx)
	c.Close()
	a.log.Debug().Stringer("peer", c.Source).Msg("connection closed")
}

// leave closes the connection and takes back what it counts for.
func (a *arrival) leave() {
	a.nc.Close()
	if a.enteredFrom {
		a.limits.LeaveFrom(a.conn.Source.Addr())
	}
	if a.entered {
		a.limits.Leave()
		a.metrics.connections.Dec()
	}
}

func (l *Listener) refuse(reason, phrase string, peer netip.AddrPort) {
	l.metrics.refused.WithLabelValues(l.cfg.Name, reason).Inc()
	l.repeats.Warn(phrase, peer.String(), nil)
}

// Limits counts the connections that are open, in all and from each address. It is safe
// for concurrent use.
type Limits struct {
	max, maxPerAddress int // negative: any number

	mu   sync.Mutex // guards what follows
	open int
	from map[netip.Addr]int
}

// NewLimits allows max connections in all, and maxPerAddress from one address; negative is
// any number.
func NewLimits(max, maxPerAddress int) *Limits {
	return &Limits{max: max, maxPerAddress: maxPerAddress, from: make(map[netip.Addr]int)}
}

// Enter counts a connection. false: there is no room for it, and it does not count.
func (l *Limits) Enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max >= 0 && l.open >= l.max {
		return false
	}
	l.open++
	return true
}

// Leave takes back what Enter has counted.
func (l *Limits) Leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
}

// EnterFrom is Enter for the connections of one address.
func (l *Limits) EnterFrom(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.maxPerAddress >= 0 && l.from[a] >= l.maxPerAddress {
		return false
	}
	l.from[a]++
	return true
}

// LeaveFrom takes back what EnterFrom has counted.
func (l *Limits) LeaveFrom(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from[a]--; l.from[a] == 0 {
		delete(l.from, a)
	}
}
