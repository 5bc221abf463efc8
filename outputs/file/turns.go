package file

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// beginTurn waits until no other process writes or renames the files of an output: what
// a second one, of Config.Beside, wrote to a file while it is renamed and compressed would
// be in none. The turn ends when lock is closed. The file at path is what they lock; it is
// made where there is none, or somebody has deleted it.
func beginTurn(path string) (lock io.Closer, err error) {
	for {
		f, err := openLock(path)
		if err != nil {
			return nil, err
		}
		for {
			if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if err != nil {
			f.Close()
			return nil, &os.PathError{Op: "lock", Path: path, Err: err}
		}
		locked, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		if named, err := os.Stat(path); err == nil && os.SameFile(named, locked) {
			return f, nil
		}
		f.Close() // deleted while this waited: others lock another
	}
}

func openLock(path string) (*os.File, error) {
	f, err := os.Open(path)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	f, err = os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return os.Open(path)
	}
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o644); err != nil { // whatever the umask: the other process may be another user's
		f.Close()
		return nil, err
	}
	return f, nil
}
