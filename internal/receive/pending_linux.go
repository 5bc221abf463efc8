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

// Receipt tells what the peer's kernel has confirmed to have received.
func (c *Conn) Receipt() Receipt {
	var r Receipt
	c.socket.raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			r = Receipt{Octets: info.Bytes_acked, Waiting: info.Unacked > 0 || info.Notsent_bytes > 0, Unanswered: int(info.Probes)}
		}
	})
	return r
}

// Probe has the peer's kernel asked within a second, and each second until it is
// told to be off, whether the connection is alive, but not while octets wait to be
// confirmed. Where the kernel says that it is not, or nine times nothing, it ends.
func (c *Conn) Probe(on bool) {
	k := c.keepAlive
	if on {
		k = net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: k.Count}
	}
	c.socket.SetKeepAliveConfig(k)
}
