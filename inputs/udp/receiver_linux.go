package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// perCall is how many datagrams one system call takes at most.
const perCall = 64

// receiver takes datagrams out of a socket, perCall at a time (recvmmsg). It is
// written against the system call: the wrappers of golang.org/x/net allocate an
// address for every datagram.
type receiver struct {
	raw     syscall.RawConn
	size    int
	space   []byte // perCall × size octets; only as much of it is ever touched as datagrams fill
	headers [perCall]mmsghdr
	vectors [perCall]unix.Iovec
	names   [perCall]unix.RawSockaddrInet6

	// attempt is tryReceive, made once so that a call allocates nothing; it leaves
	// its result in n and errno.
	attempt func(fd uintptr) bool
	n       int
	errno   syscall.Errno
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	length uint32
}

// newReceiver returns a receiver that takes up to size octets of a datagram.
func newReceiver(conn *net.UDPConn, size int) (*receiver, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &receiver{raw: raw, size: size, space: make([]byte, perCall*size)}
	r.attempt = r.tryReceive
	for i := range r.headers {
		r.vectors[i].Base = &r.space[i*size]
		r.vectors[i].SetLen(size)
		h := &r.headers[i]
		h.Iov = &r.vectors[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
	}
	return r, nil
}

// wait waits for datagrams and returns how many it took. The deadline of the
// connection ends it.
func (r *receiver) wait() (int, error) {
	if err := r.raw.Read(r.attempt); err != nil {
		return 0, err
	}
	return r.result()
}

// poll returns how many datagrams it took, 0 where there are none.
func (r *receiver) poll() (int, error) {
	if err := r.raw.Control(func(fd uintptr) { r.attempt(fd) }); err != nil {
		return 0, err
	}
	if r.errno == syscall.EAGAIN {
		return 0, nil
	}
	return r.result()
}

func (r *receiver) result() (int, error) {
	if r.errno != 0 {
		return 0, os.NewSyscallError("recvmmsg", r.errno)
	}
	return r.n, nil
}

// tryReceive is called by the runtime with the file descriptor held; false makes
// it wait until there is something to read.
func (r *receiver) tryReceive(fd uintptr) bool {
	for i := range r.headers {
		r.headers[i].Namelen = uint32(unsafe.Sizeof(r.names[i]))
	}
	for {
		// MSG_TRUNC makes the length that of the datagram, not of what was kept.
		n, _, errno := syscall.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[0])), perCall,
			unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
		runtime.KeepAlive(r)
		if errno == syscall.EINTR {
			continue
		}
		r.n, r.errno = int(n), errno
		return errno != syscall.EAGAIN
	}
}

// datagram returns the octets kept of datagram i of the last call, its whole size
// and its sender. The octets are valid until the next call.
func (r *receiver) datagram(i int) (data []byte, size int, source netip.AddrPort) {
	size = int(r.headers[i].length)
	at := i * r.size
	data = r.space[at : at+min(size, r.size)]
	name := &r.names[i]
	switch name.Family {
	case unix.AF_INET:
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		source = netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), networkOrder(&v4.Port))
	case unix.AF_INET6:
		source = netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), networkOrder(&name.Port))
	}
	return data, size, source
}

func networkOrder(port *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(port))[:])
}

// sharePort lets several sockets bind one port (SO_REUSEPORT).
func sharePort(_, _ string, raw syscall.RawConn) error {
	var errno error
	err := raw.Control(func(fd uintptr) {
		errno = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	if err == nil {
		err = os.NewSyscallError("setsockopt SO_REUSEPORT", errno)
	}
	return err
}

// setReceiveBuffer asks for a receive buffer and returns what was granted. The
// kernel counts its own overhead and so keeps, and reports, twice the size.
func setReceiveBuffer(conn *net.UDPConn, size int) (granted int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var optErr error
	err = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			if optErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size); optErr != nil {
				return
			}
		}
		granted, optErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	if err == nil {
		err = os.NewSyscallError("setsockopt SO_RCVBUF", optErr)
	}
	return granted / 2, err
}

// soMemInfo and memInfoDrops are SO_MEMINFO and SK_MEMINFO_DROPS of linux/sock_diag.h.
const (
	soMemInfo    = 55
	memInfoDrops = 8
)

// newDropCounter returns the counter of what the kernel drops at the socket. It
// asks for the socket's own counter (SO_MEMINFO), the same that SO_RXQ_OVFL sends
// along with datagrams; but that one lags: drops show only once another datagram
// has come through.
func newDropCounter(conn *net.UDPConn) *dropCounter {
	raw, err := conn.SyscallConn()
	if err != nil {
		return &dropCounter{ask: func() (uint32, bool) { return 0, false }}
	}
	return &dropCounter{ask: func() (drops uint32, ok bool) {
		var info [memInfoDrops + 1]uint32
		size := uint32(unsafe.Sizeof(info))
		err := raw.Control(func(fd uintptr) {
			_, _, errno := syscall.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, soMemInfo,
				uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
			ok = errno == 0 && size == uint32(unsafe.Sizeof(info))
		})
		return info[memInfoDrops], ok && err == nil
	}}
}
