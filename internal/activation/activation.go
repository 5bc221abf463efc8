// Package activation finds the sockets that systemd has passed to this process
// (sd_listen_fds(3)): what is bound by a .socket unit outlives the service, so that
// a restart refuses no connection and loses no datagram, and a port below 1024
// needs no capability.
//
// A socket is known by its address, not by its name: the configuration says where an
// input listens whether or not systemd has the socket. The descriptors themselves
// stay open for as long as the process lives; whoever takes a socket gets a
// duplicate, so that an input can be opened again. Sockets that this process has bound
// itself can be passed on in the same way (Keep).
package activation

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// firstPassed is the first file descriptor that systemd passes (SD_LISTEN_FDS_START).
const firstPassed = 3

// taken are the descriptors that somebody has found.
var taken sync.Map

// Unix returns the socket bound to path; nil where none was passed. A socket of the
// other type is an error where it is systemd's. ours says that it is one that was
// kept: whoever takes it also has its file.
func Unix(path string, stream bool) (f *os.File, ours bool, err error) {
	for _, s := range find(func(s socket) bool {
		a, ok := s.name.(*syscall.SockaddrUnix)
		return ok && samePath(a.Name, path)
	}) {
		if want := socketType(stream); s.kind != want {
			if s.kept {
				continue // another is bound in its place
			}
			return nil, false, fmt.Errorf("the socket %s that systemd passed is %s, the input wants %s: set stream = %t",
				path, typeName(s.kind), typeName(want), !stream)
		}
		f, err := s.take()
		return f, s.kept, err
	}
	return nil, false, nil
}

// TCP returns the listener bound to address, host:port; nil where none was passed.
func TCP(address string) (*net.TCPListener, error) {
	files, _, err := inet(address, syscall.SOCK_STREAM)
	if len(files) == 0 || err != nil {
		return nil, err
	}
	defer closeAll(files)
	l, err := net.FileListener(files[0])
	if err != nil {
		return nil, fmt.Errorf("socket %s that systemd passed: %w", address, err)
	}
	return l.(*net.TCPListener), nil
}

// UDP returns the sockets bound to address, host:port: none where none was passed,
// several where the .socket unit has several with ReusePort=yes. ours says that they
// are some that were kept.
func UDP(address string) (conns []*net.UDPConn, ours bool, err error) {
	files, ours, err := inet(address, syscall.SOCK_DGRAM)
	defer closeAll(files)
	for _, f := range files {
		c, err := net.FilePacketConn(f)
		if err != nil {
			for _, c := range conns {
				c.Close()
			}
			return nil, ours, fmt.Errorf("socket %s that was passed: %w", address, err)
		}
		conns = append(conns, c.(*net.UDPConn))
	}
	return conns, ours, err
}

// Untaken names the sockets that were passed and that nobody has asked for: what
// arrives there is heard by none.
func Untaken() []string {
	var names []string
	for _, s := range passed() {
		if _, ok := taken.Load(s.fd); !ok {
			names = append(names, s.String())
		}
	}
	return names
}

// socket is one that was passed.
type socket struct {
	fd, kind int
	name     syscall.Sockaddr
	kept     bool // by Keep
}

func passed() []socket {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 {
		return nil
	}
	var all []socket
	for fd := firstPassed; fd < firstPassed+n; fd++ {
		syscall.CloseOnExec(fd) // a program that an alert runs has no business with it
		name, err := syscall.Getsockname(fd)
		if err != nil {
			continue // no socket
		}
		kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
		if err == nil {
			all = append(all, socket{fd: fd, kind: kind, name: name})
		}
	}
	return all
}

// take returns a duplicate.
func (s socket) take() (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	}
	if !s.kept {
		taken.Store(s.fd, true)
	}
	return os.NewFile(uintptr(dup), s.String()), nil
}

// address is that of a TCP or UDP socket, the zero AddrPort of another.
func (s socket) address() netip.AddrPort {
	switch a := s.name.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// String names the socket as a .socket unit does.
func (s socket) String() string {
	where := s.address().String()
	if a, ok := s.name.(*syscall.SockaddrUnix); ok {
		where = a.Name
	}
	switch s.kind {
	case syscall.SOCK_STREAM:
		return "ListenStream=" + where
	case syscall.SOCK_DGRAM:
		return "ListenDatagram=" + where
	}
	return where
}

// inet returns the sockets bound to address, host:port.
func inet(address string, kind int) (files []*os.File, ours bool, err error) {
	if len(find(func(s socket) bool { return s.kind == kind })) == 0 {
		return nil, false, nil
	}
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, false, err
	}
	want := a.AddrPort()
	for _, s := range find(func(s socket) bool { return s.kind == kind && listensOn(s.address(), want) }) {
		f, err := s.take()
		if err != nil {
			closeAll(files)
			return nil, false, err
		}
		files, ours = append(files, f), s.kept
	}
	return files, ours, nil
}

// listensOn tells whether a socket bound to has is what want asks for. Without a
// host want has no address, and asks for every one.
func listensOn(has, want netip.AddrPort) bool {
	if !has.IsValid() || has.Port() != want.Port() {
		return false
	}
	if !want.Addr().IsValid() {
		return has.Addr().IsUnspecified()
	}
	return has.Addr() == want.Addr().Unmap().WithZone("")
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
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
