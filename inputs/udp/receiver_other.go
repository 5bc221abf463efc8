//go:build !linux

package udp

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// receiver takes datagrams out of a socket one by one, where the system has no
// call that takes many.
type receiver struct {
	conn   *net.UDPConn
	space  []byte
	size   int
	source netip.AddrPort
}

func newReceiver(conn *net.UDPConn, size int) (*receiver, error) {
	return &receiver{conn: conn, space: make([]byte, size+1)}, nil
}

func (r *receiver) wait() (int, error) {
	n, _, _, source, err := r.conn.ReadMsgUDPAddrPort(r.space, nil)
	if err != nil {
		return 0, err
	}
	r.size, r.source = n, netip.AddrPortFrom(source.Addr().Unmap().WithZone(""), source.Port())
	return 1, nil
}

func (r *receiver) poll() (int, error) {
	r.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	return r.wait()
}

func (r *receiver) datagram(int) (data []byte, size int, source netip.AddrPort) {
	return r.space[:min(r.size, len(r.space)-1)], r.size, r.source
}

func sharePort(_, _ string, _ syscall.RawConn) error {
	return errors.New("several sockets on one port are supported on Linux only; set sockets = 1")
}

func setReceiveBuffer(conn *net.UDPConn, size int) (granted int, err error) {
	return size, conn.SetReadBuffer(size)
}

// newDropCounter counts nothing: the system does not tell.
func newDropCounter(*net.UDPConn) *dropCounter {
	return &dropCounter{ask: func() (uint32, bool) { return 0, false }}
}
