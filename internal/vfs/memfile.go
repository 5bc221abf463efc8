package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// memFile is an open file of a Mem.
type memFile struct {
	m     *Mem
	n     *node
	name  string
	write bool
}

// ReadAt is io.ReaderAt.
func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.m.before(OpRead, f.name); err != nil {
		return 0, err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.n.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt is io.WriterAt.
func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	if !f.write {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrPermission}
	}
	err := f.m.before(OpWrite, f.name)
	var short *ShortWrite
	if errors.As(err, &short) {
		b = b[:min(short.N, len(b))]
	} else if err != nil {
		return 0, err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if more := off + int64(len(b)) - int64(len(f.n.data)); f.m.capacity > 0 && more > 0 {
		if room := f.m.capacity - f.m.root.octets(); more > room {
			// As real ones do: what fits is written.
			b = b[:max(0, int64(len(b))-(more-max(room, 0)))]
			err = &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
		}
	}
	if len(b) > 0 {
		f.n.changeFile(fileOp{off, bytes.Clone(b)})
	}
	return len(b), err
}

// Truncate is File.Truncate.
func (f *memFile) Truncate(size int64) error {
	if err := f.m.before(OpTruncate, f.name); err != nil {
		return err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.n.changeFile(fileOp{off: size})
	return nil
}

// Sync is File.Sync. What is written after it has begun is not durable by it.
func (f *memFile) Sync() error {
	f.m.mu.Lock()
	end := f.n.settled + len(f.n.ops)
	f.m.mu.Unlock()
	err := f.m.before(OpSync, f.name)
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	for ; f.n.settled < end; f.n.settled++ {
		if err == nil {
			f.n.synced = f.n.ops[0].apply(f.n.synced)
		}
		f.n.ops = f.n.ops[1:]
	}
	return err
}

// Datasync is File.Datasync.
func (f *memFile) Datasync() error { return f.Sync() }

// Size is File.Size.
func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return int64(len(f.n.data)), nil
}

// Close is io.Closer.
func (f *memFile) Close() error { return nil }
