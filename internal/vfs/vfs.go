// Package vfs is the small file system that the log needs, so that its tests can
// lose power at every operation. OS is the real one; Mem keeps everything in
// memory, remembers what was synced, and can say what a disk would hold after
// power loss.
package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// ErrLocked is the error of Lock on a file that another process, or another Lock
// of this one, holds.
var ErrLocked = errors.New("locked by another process")

// FS is a file system. Names are paths as the operating system writes them.
// Implementations may be used from many goroutines at once.
//
// What was written is durable after Sync or Datasync of the file, and the name
// under which it was created or to which it was renamed after SyncDir of the
// folder; nothing is durable before.
type FS interface {
	// Create makes a file for reading and writing; it is an error that satisfies
	// fs.ErrExist if there is one of that name.
	Create(name string, perm fs.FileMode) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// OpenWrite opens a file that exists for reading and writing.
	OpenWrite(name string) (File, error)
	// MkdirAll makes a folder and those above it.
	MkdirAll(dir string, perm fs.FileMode) error
	// List returns the names, without their path, of what a folder holds, sorted.
	List(dir string) ([]string, error)
	// Stat returns the size of a file, or an error that satisfies fs.ErrNotExist.
	Stat(name string) (Info, error)
	// Rename gives a file another name, and atomically replaces one of that name.
	Rename(from, to string) error
	// Remove unlinks a file. Open files stay readable.
	Remove(name string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
	// Lock creates the file where it is missing and takes an exclusive lock on
	// it, which ends with Close or with the process. It does not wait: ErrLocked.
	Lock(name string, perm fs.FileMode) (io.Closer, error)
	// DiskFree returns the octets that an unprivileged user can still write to
	// the file system that holds dir.
	DiskFree(dir string) (uint64, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the content and all metadata durable.
	Sync() error
	// Datasync makes the content durable, and of the metadata what is needed to
	// read it back.
	Datasync() error
	// Truncate sets the size.
	Truncate(size int64) error
	// Size returns the size in octets.
	Size() (int64, error)
}

// Info is what Stat tells.
type Info struct {
	// Size in octets.
	Size int64
	// Dir says that it is a folder.
	Dir bool
}

// WriteFileAtomic writes data to name so that after a crash at any point name
// holds either what it held before or all of data: a temporary file beside it,
// fsync, rename, fsync of the folder. The temporary file is name + ".tmp".
func WriteFileAtomic(fsys FS, name string, data []byte, perm fs.FileMode) error {
	tmp, err := WriteTemp(fsys, name, data, perm)
	if err != nil {
		return err
	}
	if err := fsys.Rename(tmp, name); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// MkdirAllSync is MkdirAll whose folders are durable when it returns. A folder
// that was there before may lie in one that this user cannot open; then it is
// taken as durable.
func MkdirAllSync(fsys FS, dir string, perm fs.FileMode) error {
	if err := fsys.MkdirAll(dir, perm); err != nil {
		return err
	}
	for {
		if err := fsys.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		dir = up
	}
}

// TempSuffix is the end of the name of a file that is being written.
const TempSuffix = ".tmp"

// WriteTemp writes and syncs the temporary file of WriteFileAtomic and returns
// its name; the caller renames it. Nothing is left behind on an error.
func WriteTemp(fsys FS, name string, data []byte, perm fs.FileMode) (string, error) {
	tmp := name + TempSuffix
	if err := fsys.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	f, err := fsys.Create(tmp, perm)
	if err != nil {
		return "", err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", errors.Join(err, fsys.Remove(tmp))
	}
	return tmp, nil
}

// denied is an error of permissions that says what to do.
type denied struct{ error }

func (d denied) Error() string {
	return d.error.Error() + "; run this as the owner of the folder, which for the service is: runuser -u syslane -- …; give that user the files that root has made there (chown)"
}

func (d denied) Unwrap() error { return d.error }

// Denied adds what to do to an error that is one of permissions and does not say it yet,
// and returns others as they are.
func Denied(err error) error {
	if !errors.Is(err, fs.ErrPermission) || errors.As(err, new(denied)) {
		return err
	}
	return denied{err}
}

// ErrTooLarge is that a file is larger than what writes it ever makes it.
var ErrTooLarge = errors.New("too large")

// ReadFile reads a whole file of at most limit octets. ErrTooLarge where it has more.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("read %s: %d octets are %w, at most %d are expected", name, size, ErrTooLarge, limit)
	}
	buf := make([]byte, size)
	n, err := f.ReadAt(buf, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return buf[:n], err
}
