package receive

import (
	"encoding/binary"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/syslane/syslane/internal/syslog"
)

const (
	// perCall is how many datagrams one system call takes at most, and maxSpace how
	// many octets it has room for, where one datagram does not need more.
	perCall  = 128
	maxSpace = 8 << 20
	// skew keeps the beginnings of datagrams apart in the caches of the processor, which
	// hold few lines whose addresses differ by a power of two.
	cacheLine = 64
	skew      = 5 * cacheLine
	// controlLen is room for the credentials and for nothing else: a sender that
	// passes open files along (SCM_RIGHTS) has them closed by the kernel.
	controlLen = unix.SizeofCmsghdr + (unix.SizeofUcred+7)&^7
)

// Datagrams takes datagrams out of a socket, many at a time (recvmmsg). It is
// written against the system call: the wrappers of golang.org/x/net allocate an
// address for every datagram. It is for one goroutine.
type Datagrams struct {
	raw      syscall.RawConn
	size     int
	stride   int    // from one datagram to the next in space
	space    []byte // only as much of it is ever touched as datagrams fill
	headers  []mmsghdr
	vectors  []unix.Iovec
	names    []unix.RawSockaddrInet6
	controls [][controlLen]byte

	// attempt and poll are tryReceive, made once so that a call allocates nothing; it
	// leaves its result in n and errno.
	attempt func(fd uintptr) bool
	poll    func(fd uintptr)
	n       int
	errno   syscall.Errno
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	length uint32
}

// NewDatagrams returns what takes up to size octets of each datagram from conn.
func NewDatagrams(conn syscall.Conn, size int) (*Datagrams, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	n := min(max(maxSpace/size, 1), perCall)
	stride := (size+cacheLine-1)/cacheLine*cacheLine + skew
	r := &Datagrams{raw: raw, size: size, stride: stride, space: make([]byte, n*stride), headers: make([]mmsghdr, n),
		vectors: make([]unix.Iovec, n), names: make([]unix.RawSockaddrInet6, n), controls: make([][controlLen]byte, n)}
	r.attempt = r.tryReceive
	r.poll = func(fd uintptr) { r.tryReceive(fd) }
	for i := range r.headers {
		r.vectors[i].Base = &r.space[i*stride]
		r.vectors[i].SetLen(size)
		h := &r.headers[i]
		h.Iov = &r.vectors[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Control = &r.controls[i][0]
	}
	return r, nil
}

// Most is how many datagrams Wait returns at most. Fewer mean that no more are there.
func (r *Datagrams) Most() int { return len(r.headers) }

// Wait waits for datagrams and returns how many it took. The deadline of the
// connection ends it.
func (r *Datagrams) Wait() (int, error) {
	if err := r.raw.Read(r.attempt); err != nil {
		return 0, err
	}
	return r.result()
}

// Poll returns how many datagrams it took, 0 where there are none.
func (r *Datagrams) Poll() (int, error) {
	if err := r.raw.Control(r.poll); err != nil {
		return 0, err
	}
	if r.errno == syscall.EAGAIN {
		return 0, nil
	}
	return r.result()
}

func (r *Datagrams) result() (int, error) {
	if r.errno != 0 {
		return 0, os.NewSyscallError("recvmmsg", r.errno)
	}
	return r.n, nil
}

// tryReceive is called by the runtime with the file descriptor held; false makes
// it wait until there is something to read.
func (r *Datagrams) tryReceive(fd uintptr) bool {
	for i := range r.headers {
		r.names[i].Family = 0
		r.headers[i].Namelen = uint32(unsafe.Sizeof(r.names[i]))
		r.headers[i].SetControllen(controlLen)
	}
	for {
		// MSG_TRUNC makes the length that of the datagram, not of what was kept.
		n, _, errno := syscall.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[0])), uintptr(len(r.headers)),
			unix.MSG_DONTWAIT|unix.MSG_TRUNC|unix.MSG_CMSG_CLOEXEC, 0, 0)
		runtime.KeepAlive(r)
		if errno == syscall.EINTR {
			continue
		}
		r.n, r.errno = int(n), errno
		return errno != syscall.EAGAIN
	}
}

// Datagram returns the octets kept of datagram i of the last call, and its whole
// size. The octets are valid until the next call.
func (r *Datagrams) Datagram(i int) (data []byte, size int) {
	size = int(r.headers[i].length)
	at := i * r.stride
	return r.space[at : at+min(size, r.size)], size
}

// Source returns the address that sent datagram i; the zero AddrPort on a unix
// socket.
func (r *Datagrams) Source(i int) netip.AddrPort {
	name := &r.names[i]
	switch name.Family {
	case unix.AF_INET:
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), networkOrder(&v4.Port))
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), networkOrder(&name.Port))
	}
	return netip.AddrPort{}
}

func networkOrder(port *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(port))[:])
}

// Credentials returns those of the process that sent datagram i, known on a
// socket with PassCredentials.
func (r *Datagrams) Credentials(i int) syslog.Credentials {
	if int(r.headers[i].Controllen) < unix.SizeofCmsghdr+unix.SizeofUcred {
		return syslog.Credentials{}
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&r.controls[i]))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SCM_CREDENTIALS {
		return syslog.Credentials{}
	}
	return credentials((*unix.Ucred)(unsafe.Pointer(&r.controls[i][unix.SizeofCmsghdr])))
}

// credentials takes over what the kernel says. To a socket that asks late it says
// process 0 and the overflow ids of what was sent before: nothing is known.
func credentials(u *unix.Ucred) syslog.Credentials {
	const overflow = 65534 // /proc/sys/kernel/overflowuid
	if u.Pid == 0 && u.Uid == overflow && u.Gid == overflow {
		return syslog.Credentials{}
	}
	return syslog.Credentials{Known: true, PID: uint32(u.Pid), UID: u.Uid, GID: u.Gid}
}

// PassCredentials has the kernel send the sender's credentials along with each
// datagram (SO_PASSCRED).
func PassCredentials(conn syscall.Conn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var errno error
	if err := raw.Control(func(fd uintptr) {
		errno = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	}); err != nil {
		return err
	}
	return os.NewSyscallError("setsockopt SO_PASSCRED", errno)
}

// PeerCredentials returns those of the process that opened a stream connection
// to a unix socket, as they were then (SO_PEERCRED).
func PeerCredentials(conn syscall.Conn) (syslog.Credentials, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return syslog.Credentials{}, err
	}
	var u *unix.Ucred
	var errno error
	if err := raw.Control(func(fd uintptr) {
		u, errno = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return syslog.Credentials{}, err
	}
	if errno != nil {
		return syslog.Credentials{}, os.NewSyscallError("getsockopt SO_PEERCRED", errno)
	}
	return credentials(u), nil
}
