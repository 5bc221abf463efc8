package relp_test

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"

	"github.com/syslane/syslane/e2e/peers"
)

// vanish ends a connection as if the peer's host were cut off while it closes: the
// kernel forgets it, and tells nobody.
func (p *peer) vanish() {
	p.t.Helper()
	raw, err := p.Conn.(*net.TCPConn).SyscallConn()
	if err == nil {
		var repair error
		err = raw.Control(func(fd uintptr) { repair = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR, 1) })
		err = errors.Join(err, repair)
	}
	if err != nil {
		peers.LeaveOut(p.t, "a connection cannot be made to vanish: "+err.Error())
	}
	p.Close()
}
