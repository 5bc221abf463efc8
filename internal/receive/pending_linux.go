package receive

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Pending tells what waits of the connection. It may be called while another
// goroutine reads, or closes it: then it has ended.
func (c *Conn) Pending() Pending {
	p := Pending{Ended: true}
	c.socket.raw.Control(func(uintptr) { p = PendingOf([]*Conn{c})[0] })
	return p
}

// PendingOf tells what waits of each of many connections, with one system call. It
// may be called while others read, but none of the connections may be closed
// meanwhile.
func PendingOf(conns []*Conn) []Pending {
	const gone = unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR | unix.POLLNVAL
	fds := make([]unix.PollFd, len(conns))
	for i, c := range conns {
		fds[i] = unix.PollFd{Fd: int32(c.socket.fd), Events: unix.POLLIN | unix.POLLRDHUP}
	}
	for {
		if _, err := unix.Poll(fds, 0); err != unix.EINTR {
			break
		}
	}
	all := make([]Pending, len(conns))
	for i, fd := range fds {
		all[i] = Pending{Octets: fd.Revents&unix.POLLIN != 0, Ended: fd.Revents&gone != 0}
	}
	return all
}

// Progress tells how far the two directions have come.
func (c *Conn) Progress() Progress {
	var p Progress
	c.socket.raw.Control(func(uintptr) {
		fd := int(c.socket.fd)
		// Where octets arrive or are confirmed between one call and the next, too much
		// counts as written and too little as read.
		unconfirmed, _ := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		unread, _ := unix.IoctlGetInt(fd, unix.SIOCINQ)
		p = Progress{
			Confirmed: info.Bytes_acked, Written: info.Bytes_acked + uint64(unconfirmed),
			Waiting: info.Unacked > 0 || info.Notsent_bytes > 0, Unanswered: int(info.Probes),
			Arrived: info.Bytes_received, Read: info.Bytes_received - min(uint64(unread), info.Bytes_received),
		}
	})
	return p
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
