package receive

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/syslane/syslane/internal/tlsconf"
)

// Conn is a connection whose peer is known.
type Conn struct {
	// Conn reads and writes what the peer sees as the stream: within TLS, behind
	// the PROXY header.
	net.Conn
	// Source is the address of the peer that sends the messages.
	Source netip.AddrPort
	// Identity is the peer's verified name or fingerprint (tlsconf.Identity), ""
	// without a client certificate.
	Identity string

	socket    *socket
	keepAlive net.KeepAliveConfig
}

// Pending is what the kernel knows of a connection that has not been read yet:
// whether octets wait, and whether the peer has ended it, in order or not.
type Pending struct{ Octets, Ended bool }

// Progress is how far the two directions of a connection have come, in octets from
// its beginning on.
type Progress struct {
	// Written are those written to it, Confirmed those of them that the peer's kernel
	// has confirmed; Waiting says that there are others.
	Written, Confirmed uint64
	Waiting            bool
	// Unanswered is how many probes in a row had no answer.
	Unanswered int
	// Arrived are those that have come from the peer, Read those of them that were read.
	Arrived, Read uint64
}

func newConn(tcp *net.TCPConn, keepAlive net.KeepAliveConfig) (*Conn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{TCPConn: tcp, raw: raw}
	if err := raw.Control(func(fd uintptr) { s.fd = fd }); err != nil {
		return nil, err
	}
	s.attempt, s.attemptBorrowed = s.tryRead, s.tryReadBorrowed
	return &Conn{Conn: s, Source: addrPort(tcp), socket: s, keepAlive: keepAlive}, nil
}

func addrPort(nc net.Conn) netip.AddrPort {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// handshake makes the TLS handshake; the end of ctx ends it.
func (c *Conn) handshake(ctx context.Context, config *tls.Config) error {
	tc := tls.Server(c.socket, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		return err
	}
	c.Conn, c.Identity = tc, tlsconf.Identity(tc.ConnectionState())
	return nil
}

// ReadAvailable reads like Read and then, without waiting for more, whatever has
// arrived besides and fits into p. A TLS connection gives a record of at most 16
// KiB in one Read, and a plain one gives all there is. It may return n > 0 with
// an error.
func (c *Conn) ReadAvailable(p []byte) (n int, err error) {
	n, err = c.Conn.Read(p)
	if c.Plain() {
		return n, err
	}
	c.socket.waitless = true
	defer func() { c.socket.waitless = false }()
	for err == nil && n < len(p) {
		var more int
		more, err = c.Conn.Read(p[n:])
		n += more
	}
	if errors.Is(err, errNothingYet) {
		err = nil
	}
	return n, err
}

// ReadBorrowed is ReadAvailable into what borrow returns. A plain connection on which
// nothing has arrived yet calls giveBack before it waits, and borrow again when
// something has: while it waits it needs no buffer.
func (c *Conn) ReadBorrowed(borrow func() []byte, giveBack func()) (n int, err error) {
	s := c.socket
	if !c.Plain() || len(s.ahead) > 0 {
		return c.ReadAvailable(borrow())
	}
	s.borrow, s.giveBack, s.n, s.err = borrow, giveBack, 0, nil
	if err := s.raw.Read(s.attemptBorrowed); err != nil {
		return 0, err
	}
	return s.n, s.err
}

// Plain reports that there is no TLS: ReadBorrowed gives back.
func (c *Conn) Plain() bool { return c.Conn == net.Conn(c.socket) }

// CloseWrite tells the peer that nothing more comes from here: senders that look
// stop sending. What the peer has sent can still be read.
func (c *Conn) CloseWrite() error {
	if tc, ok := c.Conn.(*tls.Conn); ok {
		if err := tc.CloseWrite(); err != nil {
			return err
		}
	}
	return c.socket.CloseWrite()
}

// socket is a TCP connection that can be told not to wait.
type socket struct {
	*net.TCPConn
	raw   syscall.RawConn
	fd    uintptr // the descriptor, until the connection is closed
	ahead []byte  // octets that were read already
	// waitless makes Read return errNothingYet instead of waiting. crypto/tls
	// takes that for a time-out, after which a connection can be read on.
	waitless bool

	// What an attempt at a read works with; attempt is tryRead and attemptBorrowed
	// tryReadBorrowed, made once, so that a read allocates nothing.
	attempt         func(fd uintptr) bool
	attemptBorrowed func(fd uintptr) bool
	borrow          func() []byte
	giveBack        func()
	p               []byte
	n               int
	err             error
}

func (s *socket) Read(p []byte) (int, error) {
	if len(s.ahead) > 0 {
		n := copy(p, s.ahead)
		if s.ahead = s.ahead[n:]; len(s.ahead) == 0 {
			s.ahead = nil
		}
		return n, nil
	}
	if !s.waitless {
		return s.TCPConn.Read(p)
	}
	s.p, s.n, s.err = p, 0, nil
	err := s.raw.Read(s.attempt)
	s.p = nil
	if err == nil {
		err = s.err
	}
	return s.n, err
}

// tryRead is called by the runtime with the file descriptor held. It is done
// after one attempt, whatever came of it.
func (s *socket) tryRead(fd uintptr) bool {
	for {
		n, err := syscall.Read(int(fd), s.p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			s.err = errNothingYet
		case err != nil:
			s.err = os.NewSyscallError("read", err)
		case n == 0 && len(s.p) > 0:
			s.err = io.EOF
		default:
			s.n = n
		}
		return true
	}
}

// tryReadBorrowed makes the runtime wait where nothing has arrived.
func (s *socket) tryReadBorrowed(fd uintptr) bool {
	s.p = s.borrow()
	s.tryRead(fd)
	s.p = nil
	if s.err == errNothingYet {
		s.err = nil
		s.giveBack()
		return false
	}
	return true
}

// errNothingYet is the time-out of a read that does not wait.
var errNothingYet net.Error = nothingYet{}

type nothingYet struct{}

func (nothingYet) Error() string   { return "nothing has arrived yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }
