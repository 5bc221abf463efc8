package file

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	// maxOpen bounds the files kept open; those used longest ago are closed. While a
	// batch is written there may be syncsAtOnce more.
	maxOpen = 256
	// idleTime is how long a file is kept open without being written to. It may have
	// been deleted, and takes its room on the disk until it is closed.
	idleTime = time.Minute
	// maxKept bounds the memory for lines that is kept from one batch to the next.
	maxKept = 32 << 20
)

// file is a file that is open, or about to be.
type file struct {
	path string
	f    *os.File
	size int64
	// inode tells whether it is the same file when it is opened again, begun when its
	// first line was written.
	inode uint64
	begun time.Time
	// last is what it was rotated to last.
	last rotatedFile
	// loose says that it was made and its folder is yet to be synced.
	loose bool
	// lines are those of the batch under way, used the batch that last had any, and
	// written when that was.
	lines   []byte
	used    uint64
	written time.Time
	// indexes are the events in lines, for a rejection.
	indexes []int
}

// open opens f where it is not open, or where its name now stands for another
// file, since somebody else has rotated it.
func (o *Output) open(f *file) error {
	if f.f != nil {
		named, err := os.Stat(f.path)
		own, ownErr := f.f.Stat()
		if err == nil && ownErr == nil && os.SameFile(named, own) {
			f.size = own.Size()
			return nil
		}
		f.close()
	}
	folder := filepath.Dir(f.path)
	if err := o.makeFolder(folder); err != nil {
		return err
	}
	opened, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND, 0)
	isNew := errors.Is(err, os.ErrNotExist)
	if isNew {
		opened, err = os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, o.cfg.Mode)
	}
	if err != nil {
		return err
	}
	f.loose = f.loose || isNew
	if f.loose {
		if err := syncFolder(folder); err != nil {
			opened.Close()
			return err
		}
		f.loose = false
	}
	info, err := opened.Stat()
	if err != nil {
		opened.Close()
		return err
	}
	if isNew || inode(info) != f.inode {
		f.begun = begun(opened, info) // not every file system tells it of a file that was written to since
	}
	f.f, f.size, f.inode = opened, info.Size(), inode(info)
	return nil
}

// neverCan tells whether f could not be opened for its name alone, which a message has
// chosen: it is too long, or something else has it that is no file, or none of ours. To
// wait for that would be to hold up all others.
func (o *Output) neverCan(f *file, err error) bool {
	switch {
	case errors.Is(err, syscall.ENAMETOOLONG):
		return true
	case len(o.template.parts) == 1:
		return false
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP):
		return true
	case !errors.Is(err, os.ErrPermission):
		return false
	}
	for path := f.path; path != o.template.base && len(path) > len(o.template.base); path = filepath.Dir(path) {
		if _, err := os.Lstat(path); err == nil {
			return true // what is there may not be written to
		}
	}
	return false // nothing can be made in the folder of all
}

// makeFolder makes a folder and those above it, durably.
func (o *Output) makeFolder(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(path, o.cfg.DirMode); err != nil {
		return err
	}
	for ; path != o.template.base && len(path) > len(o.template.base); path = filepath.Dir(path) {
		if err := syncFolder(filepath.Dir(path)); err != nil {
			return err
		}
	}
	return nil
}

// forget closes files after a failure: what is known of them is doubtful.
func (o *Output) forget(touched []*file) {
	for _, f := range touched {
		f.close()
	}
}

func (f *file) close() {
	if f.f != nil {
		f.f.Close()
		f.f = nil
	}
}

// letGo closes f where it is idle.
func (f *file) letGo() {
	if time.Since(f.written) >= idleTime {
		f.close()
		f.lines, f.indexes = nil, nil
	}
}

// stat tells of f, which prepare may have closed again.
func (f *file) stat() (os.FileInfo, error) {
	if f.f == nil {
		return os.Stat(f.path)
	}
	return f.f.Stat()
}

// evict closes the files that are idle and, where there are too many, forgets those used
// longest ago, but not the keep of them that were used last.
func (o *Output) evict(keep int) {
	order := make([]*file, 0, len(o.files))
	for _, f := range o.files {
		if f.used != o.batches {
			f.letGo()
		}
		order = append(order, f)
	}
	if len(order) <= maxOpen {
		return
	}
	slices.SortFunc(order, func(a, b *file) int { return cmp.Compare(b.used, a.used) })
	for _, f := range order[max(maxOpen/2, keep):] {
		f.close()
		delete(o.files, f.path)
	}
}

// trim gives the memory for lines back where it has grown with many files.
func (o *Output) trim() {
	kept := 0
	for _, f := range o.files {
		kept += cap(f.lines)
	}
	if kept <= maxKept {
		return
	}
	for _, f := range o.files {
		f.lines, f.indexes = nil, nil
	}
}

// rest closes all files that have become idle since the last Write.
func (o *Output) rest() {
	o.writing.Lock()
	defer o.writing.Unlock()
	for _, f := range o.files {
		f.letGo()
	}
}
