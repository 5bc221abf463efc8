package syslog

import (
	"net"

	"golang.org/x/sys/unix"
)

// unacknowledged returns how many octets written to the connection the peer's TCP
// has not acknowledged yet, those not yet sent included (SIOCOUTQ of tcp(7)).
func unacknowledged(c *net.TCPConn) (n int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	if cerr := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); cerr != nil {
		return 0, cerr
	}
	return n, err
}
