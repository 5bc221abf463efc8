package activation

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// kept are the sockets that this process passes to itself, from an input to the one
// that takes its place.
var kept struct {
	sync.Mutex
	sockets []socket
}

// Keep holds the socket of conn for whoever asks for its address next, so that no
// connection is refused and no datagram lost while one input takes the place of
// another. release ends that: it is called once the place is taken, or is not to be.
// A socket that systemd has passed need not be kept, and is not.
func Keep(conn syscall.Conn) (release func(), err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := socket{fd: -1, kept: true}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if s.name, failed = syscall.Getsockname(int(fd)); failed != nil {
			return
		}
		if s.kind, failed = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TYPE); failed != nil {
			return
		}
		s.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = os.NewSyscallError("keep a socket", failed)
	}
	if err != nil {
		return nil, err
	}
	kept.Lock()
	kept.sockets = append(kept.sockets, s)
	kept.Unlock()
	return func() {
		kept.Lock()
		defer kept.Unlock()
		before := len(kept.sockets)
		kept.sockets = slices.DeleteFunc(kept.sockets, func(o socket) bool { return o.fd == s.fd })
		if len(kept.sockets) < before {
			syscall.Close(s.fd)
		}
	}, nil
}

// Kept tells whether a socket bound to path is kept, of whichever type.
func Kept(path string) bool {
	return len(find(func(s socket) bool {
		a, ok := s.name.(*syscall.SockaddrUnix)
		return ok && s.kept && filepath.Clean(a.Name) == filepath.Clean(path)
	})) > 0
}

// Same tells whether a and b are one socket, which the one has taken over from the other.
func Same(a, b syscall.Conn) bool {
	x, known := stat(a)
	y, alsoKnown := stat(b)
	return known && alsoKnown && x.Dev == y.Dev && x.Ino == y.Ino
}

func stat(conn syscall.Conn) (s unix.Stat_t, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return s, false
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.Fstat(int(fd), &s) })
	return s, err == nil && failed == nil
}

// find returns the sockets for which is holds: those of systemd, and those that are
// kept where it has passed none.
func find(is func(socket) bool) []socket {
	not := func(s socket) bool { return !is(s) }
	if all := slices.DeleteFunc(passed(), not); len(all) > 0 {
		return all
	}
	kept.Lock()
	defer kept.Unlock()
	return slices.DeleteFunc(slices.Clone(kept.sockets), not)
}
