package unixsock

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// clear makes way for a new socket: it removes the socket file of a program that
// is no more. Whatever else has the name stays, and is an error.
func clear(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		target, _ := os.Readlink(path)
		return fmt.Errorf("%s is a symbolic link to %s: another syslog service takes messages there; with journald, listen on /run/systemd/journal/syslog, to which it forwards", path, target)
	case mode&fs.ModeSocket == 0:
		return fmt.Errorf("%s exists and is no socket: name another path, or move it away", path)
	}
	for _, network := range []string{"unixgram", "unix"} {
		c, err := net.Dial(network, path)
		if err == nil {
			c.Close()
			return fmt.Errorf("%s: another program listens there: stop it, or name another path", path)
		}
		switch {
		case errors.Is(err, syscall.EPROTOTYPE):
			continue // the other type
		case errors.Is(err, syscall.ECONNREFUSED):
			return os.Remove(path)
		case errors.Is(err, fs.ErrNotExist):
			return nil
		}
		return fmt.Errorf("%s: cannot tell whether another program listens there: %w", path, err)
	}
	return fmt.Errorf("%s: another program listens there: stop it, or name another path", path)
}

// socketFile is the file of a socket that this input has made.
type socketFile struct {
	path string
	info fs.FileInfo
}

// settle gives the file of a socket just bound its permissions.
func settle(path string, mode fs.FileMode) (*socketFile, error) {
	if err := os.Chmod(path, mode); err != nil {
		return nil, err
	}
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
