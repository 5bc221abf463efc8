package udp

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/syslane/syslane/internal/receive"
)

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
// kernel counts its own overhead and so keeps, and reports, twice the size. A socket
// that systemd has passed may have more than this process could ask for: that stays.
func setReceiveBuffer(conn *receive.Unpolled, size int, passed bool) (granted int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var optErr error
	err = raw.Control(func(fd uintptr) {
		forced := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) == nil
		if !forced && !passed {
			optErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size)
		}
		if optErr == nil {
			granted, optErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		}
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
func newDropCounter(conn syscall.Conn) *dropCounter {
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
