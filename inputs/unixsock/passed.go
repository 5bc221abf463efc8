package unixsock

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// firstPassed is the first file descriptor that systemd passes (SD_LISTEN_FDS_START).
const firstPassed = 3

// passed returns the socket bound to path that systemd has passed to this process
// (LISTEN_PID and LISTEN_FDS of sd_listen_fds(3)); nil where there is none. The file is a duplicate: the descriptor itself stays open for as
// long as the process lives, so that an input can be opened again.
func passed(path string, stream bool) (*os.File, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 {
		return nil, nil
	}
	for fd := firstPassed; fd < firstPassed+n; fd++ {
		name, err := syscall.Getsockname(fd)
		if err != nil {
			continue // no socket
		}
		if a, ok := name.(*syscall.SockaddrUnix); !ok || !samePath(a.Name, path) {
			continue
		}
		kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
		if err != nil {
			return nil, os.NewSyscallError("getsockopt SO_TYPE", err)
		}
		if want := socketType(stream); kind != want {
			return nil, fmt.Errorf("the socket %s that systemd passed is %s, the input wants %s: set stream = %t",
				path, typeName(kind), typeName(want), !stream)
		}
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
		}
		return os.NewFile(uintptr(dup), path), nil
	}
	return nil, nil
}

// samePath tells whether two names are one, also where /dev/log is a symbolic link.
func samePath(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	target, err := filepath.EvalSymlinks(b)
	return err == nil && filepath.Clean(a) == target
}

func socketType(stream bool) int {
	if stream {
		return syscall.SOCK_STREAM
	}
	return syscall.SOCK_DGRAM
}

func typeName(kind int) string {
	switch kind {
	case syscall.SOCK_STREAM:
		return "a stream socket"
	case syscall.SOCK_DGRAM:
		return "a datagram socket"
	}
	return fmt.Sprintf("of type %d", kind)
}
