package receive

import "golang.org/x/sys/unix"

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
