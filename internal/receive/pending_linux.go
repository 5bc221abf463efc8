package receive

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Pending tells what the kernel knows of the connection that has not been read
// yet: whether octets wait, and whether the peer has ended it, in order or not.
// It may be called while another goroutine reads.
func (c *Conn) Pending() (octets, ended bool) {
	const gone = unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR
	fds := []unix.PollFd{{Events: unix.POLLIN | unix.POLLRDHUP}}
	err := c.socket.raw.Control(func(fd uintptr) {
		fds[0].Fd = int32(fd)
		for {
			if _, err := unix.Poll(fds, 0); err != unix.EINTR {
				return
			}
		}
	})
	return fds[0].Revents&unix.POLLIN != 0, err != nil || fds[0].Revents&gone != 0
}

// Unconfirmed tells whether octets were written that the peer's kernel has not
// confirmed to have received.
func (c *Conn) Unconfirmed() bool {
	octets := 0
	c.socket.raw.Control(func(fd uintptr) { octets, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	return octets > 0
}

// Probe has the peer's kernel asked within a second, and each second until it is
// told to be off, whether the connection is alive. Where it is not, and the kernel
// says so, the connection ends. Nothing is asked while octets are unconfirmed.
func (c *Conn) Probe(on bool) {
	k := c.keepAlive
	if on {
		k = net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: k.Count}
	}
	c.socket.SetKeepAliveConfig(k)
}
