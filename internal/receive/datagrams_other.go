//go:build !linux

package receive

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

// Datagrams takes datagrams out of a socket one by one, where the system has no
// call that takes many. It is for one goroutine.
type Datagrams struct {
	conn   net.PacketConn
	space  []byte
	size   int
	source net.Addr
}

// NewDatagrams returns what takes up to size octets of each datagram from conn.
func NewDatagrams(conn syscall.Conn, size int) (*Datagrams, error) {
	packets, ok := conn.(net.PacketConn)
	if !ok {
		return nil, errors.New("the socket has no datagrams")
	}
	return &Datagrams{conn: packets, space: make([]byte, size+1)}, nil
}

// Most is how many datagrams Wait returns at most.
func (r *Datagrams) Most() int { return 1 }

// Wait waits for datagrams and returns how many it took. The deadline of the
// connection ends it.
func (r *Datagrams) Wait() (n int, err error) {
	if r.size, r.source, err = r.conn.ReadFrom(r.space); err != nil {
		return 0, err
	}
	return 1, nil
}

// Poll returns how many datagrams it took, 0 where there are none. It takes a deadline
// away that was set meanwhile: who sets one to end the reading has the reader know of
// the end before.
func (r *Datagrams) Poll() (int, error) {
	r.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	n, err := r.Wait()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		n, err = 0, nil
	}
	r.conn.SetReadDeadline(time.Time{})
	return n, err
}

// Datagram returns the octets kept of datagram i of the last call, and its whole
// size. The octets are valid until the next call.
func (r *Datagrams) Datagram(int) (data []byte, size int) {
	return r.space[:min(r.size, len(r.space)-1)], r.size
}

// Source returns the address that sent datagram i; the zero AddrPort on a unix
// socket.
func (r *Datagrams) Source(int) netip.AddrPort {
	if a, ok := r.source.(*net.UDPAddr); ok {
		source := a.AddrPort()
		return netip.AddrPortFrom(source.Addr().Unmap().WithZone(""), source.Port())
	}
	return netip.AddrPort{}
}

// Credentials are not known on this system.
func (r *Datagrams) Credentials(int) syslog.Credentials { return syslog.Credentials{} }

// PassCredentials does nothing: the system does not tell.
func PassCredentials(syscall.Conn) error { return nil }

// PeerCredentials are not known on this system.
func PeerCredentials(syscall.Conn) (syslog.Credentials, error) { return syslog.Credentials{}, nil }
