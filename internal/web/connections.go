package web

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/syslane/syslane/internal/receive"
)

// Limits of connections. All of this machine, and all behind a reverse proxy, come from one
// address: it may have many, and leaves as many to others.
const (
	maxConnections           = 512
	maxConnectionsPerAddress = maxConnections / 2
	// firstWait is how long a new connection is left to send a request before another may
	// have its place.
	firstWait = time.Second
)

// connections is the listener of a server. Where it has as many connections as it may, in
// all or of one address, a new one takes the place of the one that waits longest for a
// request; where all have one that is answered it is refused. So who holds connections and
// asks nothing keeps nobody out.
type connections struct {
	net.Listener
	limits *receive.Limits
	// refused is told of each that is refused.
	refused func(reason, phrase string, peer netip.AddrPort)

	mu      sync.Mutex
	waiting []*connection // for a request, the longest first
}

// connection is one of them.
type connection struct {
	net.Conn
	of    *connections
	from  netip.Addr
	once  sync.Once
	error error // of closing it

	// Guarded by of.mu. Before kept, which is for its first request, it makes no room.
	kept   time.Time
	closed bool
}

// Accept implements net.Listener.
func (l *connections) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.enter(nc); c != nil {
			return c, nil
		}
		nc.Close()
	}
}

// enter finds a place for a connection; nil where there is none.
func (l *connections) enter(nc net.Conn) *connection {
	peer, _ := netip.ParseAddrPort(nc.RemoteAddr().String())
	from := peer.Addr().Unmap()
	for !l.limits.EnterFrom(from) {
		if !l.endWaiting(func(c *connection) bool { return c.from == from }) {
			l.refused("connections_per_address", "HTTP connection refused: its address has as many as it may", peer)
			return nil
		}
	}
	for !l.limits.Enter() {
		if !l.endWaiting(func(*connection) bool { return true }) {
			l.limits.LeaveFrom(from)
			l.refused("connections", "HTTP connection refused: there are as many as there may be", peer)
			return nil
		}
	}
	c := &connection{Conn: nc, of: l, from: from, kept: time.Now().Add(firstWait)}
	l.wait(c)
	return c
}

// endWaiting ends the connection that waits longest of those that may be. false: there is
// none.
func (l *connections) endWaiting(may func(*connection) bool) bool {
	l.mu.Lock()
	now := time.Now()
	var longest *connection
	if i := slices.IndexFunc(l.waiting, func(c *connection) bool { return may(c) && c.kept.Before(now) }); i >= 0 {
		longest = l.waiting[i]
		longest.leave()
	}
	l.mu.Unlock()
	if longest == nil {
		return false
	}
	longest.Close()
	return true
}

// state is told by the server what its connections do.
func (l *connections) state(nc net.Conn, state http.ConnState) {
	if over, ok := nc.(*tls.Conn); ok {
		nc = over.NetConn()
	}
	c, ok := nc.(*connection)
	switch {
	case !ok:
	case state == http.StateIdle:
		l.wait(c)
	case state == http.StateActive:
		l.mu.Lock()
		c.leave()
		c.kept = time.Time{}
		l.mu.Unlock()
	}
}

// wait puts a connection behind those that wait for a request.
func (l *connections) wait(c *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.closed {
		l.waiting = append(l.waiting, c)
	}
}

// leave takes it from among those that wait. of.mu is held.
func (c *connection) leave() {
	if i := slices.Index(c.of.waiting, c); i >= 0 {
		c.of.waiting = slices.Delete(c.of.waiting, i, i+1)
	}
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.once.Do(func() {
		c.of.mu.Lock()
		c.closed = true
		c.leave()
		c.of.mu.Unlock()
		c.error = c.Conn.Close()
		c.of.limits.Leave()
		c.of.limits.LeaveFrom(c.from)
	})
	return c.error
}
