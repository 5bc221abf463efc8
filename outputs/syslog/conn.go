package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The ways in which a connection ends.
var (
	errPeerClosed = errors.New("the peer closed the connection")
	errReset      = errors.New("the peer reset the connection")
	errStuck      = errors.New("the peer takes nothing")
)

// conn is a connection to a server, over TCP or TLS.
type conn struct {
	// net is what to write to, tcp what is below TLS.
	net net.Conn
	tcp *counted
	// ended is closed when nothing more can be read, by which a peer that closes
	// shows; why says what happened.
	ended   chan struct{}
	why     error
	reading sync.WaitGroup
	stuck   atomic.Bool
}

// counted counts the octets handed to the kernel.
type counted struct {
	*net.TCPConn
	sent atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// dial connects to target.
func dial(ctx context.Context, cfg *Config, target string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	c := &conn{tcp: &counted{TCPConn: nc.(*net.TCPConn)}, ended: make(chan struct{})}
	c.net = c.tcp
	if cfg.Protocol == TLS {
		host, _, _ := net.SplitHostPort(target)
		tc := tls.Client(c.tcp, cfg.TLS.Config(host))
		if err := tc.HandshakeContext(ctx); err != nil {
			nc.Close()
			return nil, fmt.Errorf("tls handshake: %w", err)
		}
		c.net = tc
	}
	c.reading.Go(c.read)
	return c, nil
}

// read reads until the connection ends. A syslog server has nothing to say; what
// it says all the same is thrown away.
func (c *conn) read() {
	defer close(c.ended)
	_, err := io.Copy(io.Discard, c.net)
	switch {
	case err == nil:
		c.why = errPeerClosed
	case errors.Is(err, syscall.ECONNRESET):
		c.why = errReset
	default:
		c.why = err
	}
}

// failed returns why the connection cannot be used, or nil.
func (c *conn) failed() error {
	select {
	case <-c.ended:
		return c.why
	default:
		return nil
	}
}

// acknowledged returns how many of the octets sent since the connection began the
// peer's TCP has acknowledged. Where the system does not tell it is all of them.
func (c *conn) acknowledged() int64 {
	sent := c.tcp.sent.Load()
	n, err := unacknowledged(c.tcp.TCPConn)
	if err != nil {
		return sent
	}
	return sent - int64(n)
}

// guard ends the connection if for as long as patience nothing of what was sent
// is acknowledged, or when ctx ends; it calls heard when something is. The caller calls
// the function it returns when it is done.
func (c *conn) guard(ctx context.Context, patience time.Duration, heard func()) (done func()) {
	interrupt := func() { c.tcp.SetDeadline(time.Unix(1, 0)) }
	stop := context.AfterFunc(ctx, interrupt)
	quit := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(patience / 8)
		defer tick.Stop()
		moved, last := time.Now(), c.acknowledged()
		for {
			select {
			case <-tick.C:
			case <-quit:
				return
			}
			if now := c.acknowledged(); now != last {
				moved, last = time.Now(), now
				heard()
			} else if time.Since(moved) >= patience {
				c.stuck.Store(true)
				interrupt()
				return
			}
		}
	})
	return func() { stop(); close(quit); watching.Wait() }
}

// The pauses between two looks at what is acknowledged.
const (
	firstLook = 50 * time.Microsecond
	laterLook = 5 * time.Millisecond
)

// settle waits until the peer's TCP has acknowledged all that was sent.
func (c *conn) settle() error {
	for pause := firstLook; ; pause = min(2*pause, laterLook) {
		if err := c.failed(); err != nil && !errors.Is(err, errPeerClosed) {
			return err
		}
		n, err := unacknowledged(c.tcp.TCPConn)
		if err != nil || n == 0 {
			return nil
		}
		// A peer that has closed answers what comes after that with a reset, or
		// not at all.
		if err := c.failed(); err != nil {
			return err
		}
		time.Sleep(pause)
	}
}

func (c *conn) remote() netip.Addr {
	if a, ok := c.tcp.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// close ends the connection in order: with close_notify (RFC 5425 §4.4) and FIN.
func (c *conn) close() {
	c.net.SetDeadline(time.Now().Add(time.Second))
	c.net.Close()
	c.reading.Wait()
}

// abandon ends the connection with a reset. After an ordinary close the kernel
// would go on sending what it holds, all of which is sent again elsewhere.
// What the peer's kernel has received before its process can still read (on Linux).
func (c *conn) abandon() {
	c.tcp.SetLinger(0)
	c.tcp.Close()
	c.reading.Wait()
}
