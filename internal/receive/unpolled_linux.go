package receive

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Unpolled is a UDP socket that the runtime's poller does not watch. That one is told
// of every datagram that comes, and wakes a thread for it, also while the reader
// sleeps so that many come together: then this costs more than to receive them. Here
// nothing is woken but a reader that waits. It is a syscall.Conn for one reader.
type Unpolled struct {
	addr  net.Addr
	woken atomic.Bool
	wake  int // an eventfd

	mu sync.RWMutex // held for reading while fd is used
	fd int          // -1 once it is closed
}

// NewUnpolled takes the socket of conn over, and closes conn in any case.
func NewUnpolled(conn *net.UDPConn) (*Unpolled, error) {
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	u := &Unpolled{addr: conn.LocalAddr(), fd: -1}
	var dupErr error
	if err := raw.Control(func(fd uintptr) { u.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if dupErr != nil {
		return nil, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", dupErr)
	}
	if u.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(u.fd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	return u, nil
}

// LocalAddr is the address that the socket is bound to.
func (u *Unpolled) LocalAddr() net.Addr { return u.addr }

// Wake makes the Read that waits, and each later one, return os.ErrDeadlineExceeded.
func (u *Unpolled) Wake() {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.fd >= 0 && u.woken.CompareAndSwap(false, true) {
		unix.Write(u.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// Close closes the socket, when the Read that waits has returned.
func (u *Unpolled) Close() error {
	u.Wake()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fd < 0 {
		return net.ErrClosed
	}
	unix.Close(u.wake)
	err := unix.Close(u.fd)
	u.fd = -1
	return os.NewSyscallError("close", err)
}

// SyscallConn implements syscall.Conn.
func (u *Unpolled) SyscallConn() (syscall.RawConn, error) { return u, nil }

// Control implements syscall.RawConn.
func (u *Unpolled) Control(f func(fd uintptr)) error {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.fd < 0 {
		return net.ErrClosed
	}
	f(uintptr(u.fd))
	return nil
}

// Read implements syscall.RawConn: it calls f each time that there may be something
// to read, until f returns true.
func (u *Unpolled) Read(f func(fd uintptr) (done bool)) error {
	u.mu.RLock()
	defer u.mu.RUnlock()
	for {
		switch {
		case u.fd < 0:
			return net.ErrClosed
		case u.woken.Load():
			return os.ErrDeadlineExceeded
		case f(uintptr(u.fd)):
			return nil
		}
		fds := [2]unix.PollFd{{Fd: int32(u.fd), Events: unix.POLLIN}, {Fd: int32(u.wake), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds[:], -1); err != nil && err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
}

// Write implements syscall.RawConn; nothing is written to the socket.
func (u *Unpolled) Write(func(fd uintptr) (done bool)) error { return syscall.EINVAL }
