package unixsock

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/syslane/syslane/internal/activation"
)

// ErrTaken is what Look returns where a program listens.
var ErrTaken = errors.New("another program listens there")

// clear makes way for a new socket: it removes the socket file of a program that
// is no more. Whatever else has the name stays, and is an error.
func clear(path string) error {
	stale, err := Look(path)
	if err != nil || !stale {
		return err
	}
	return os.Remove(path)
}

// Look tells why no socket can be bound to path; ErrTaken where that is because a
// program listens there. stale says that the socket file of a program that is no more
// must go first. Nothing is changed.
func Look(path string) (stale bool, err error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		target, _ := os.Readlink(path)
		return false, fmt.Errorf("%s is a symbolic link to %s: another syslog service takes messages there; with journald, listen on /run/systemd/journal/syslog, to which it forwards", path, target)
	case mode&fs.ModeSocket == 0:
		return false, fmt.Errorf("%s exists and is no socket: name another path, or move it away", path)
	}
	for _, network := range []string{"unixgram", "unix"} {
		c, err := net.Dial(network, path)
		if err == nil {
			c.Close()
			return false, fmt.Errorf("%s: %w: stop it, or name another path", path, ErrTaken)
		}
		switch {
		case errors.Is(err, syscall.EPROTOTYPE):
			continue // the other type
		case errors.Is(err, syscall.ECONNREFUSED):
			return true, nil
		case errors.Is(err, fs.ErrNotExist):
			return false, nil
		}
		return false, fmt.Errorf("%s: cannot tell whether another program listens there: %w", path, err)
	}
	return false, fmt.Errorf("%s: %w: stop it, or name another path", path, ErrTaken)
}

// asideSuffix is that of the file of a socket whose place one of the other type takes.
const asideSuffix = ".before"

// setAside renames the file of a kept socket, so that another can be bound in its place
// and the file come back if that is not to be. It returns the name, "" where there is none.
func setAside(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 || !activation.Kept(path) {
		return "", nil
	}
	return path + asideSuffix, os.Rename(path, path+asideSuffix)
}

// socketFile is the file of a socket that this input, or one before it, has made.
type socketFile struct {
	path string
	info fs.FileInfo
}

// settle gives the file of a socket just bound its permissions.
func settle(path string, mode fs.FileMode) (*socketFile, error) {
	if err := os.Chmod(path, mode); err != nil {
		return nil, err
	}
	return findFile(path)
}

func findFile(path string) (*socketFile, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	return &socketFile{path, info}, nil
}

// remove removes the file unless another program has put its own there. A nil
// file is systemd's, and stays.
func (f *socketFile) remove() {
	if f == nil {
		return
	}
	if info, err := os.Lstat(f.path); err == nil && os.SameFile(info, f.info) {
		os.Remove(f.path)
	}
}
