package file

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// followed is one file that is followed.
type followed struct {
	inode inode
	// path is where it was seen, and what its events say; at is where it lies now.
	path, at string
	file     *os.File
	// pos is what was read and taken, lines only; scanned how many octets behind
	// it hold no end of a line.
	pos, scanned int64
	// id is what is known of the content, of at most pos octets. stored is the
	// identity under which the log has a mark, if any.
	id, stored identity
	// size and modified are as they were last seen.
	size     int64
	modified time.Time
	// partial is since when the line that begins at pos is without an end, at
	// this size; zero where there is none.
	partial time.Time
	// gone is since when no followed path leads here.
	gone   time.Time
	seen   uint64 // the number of the scan that saw it last
	queued bool
	// ignored: its content is compressed.
	ignored bool
}

var (
	errTruncated  = errors.New("the file was truncated")
	errCompressed = errors.New("the file is compressed")
	errUnmounted  = errors.New("the folder is of another file system than the file was: something is mounted, or no more")
)

// open opens the file where it lies now. It is an error if another file lies there.
func (f *followed) open() error {
	file, err := os.Open(f.at)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && (!info.Mode().IsRegular() || inodeOf(info) != f.inode) {
		err = fs.ErrNotExist
	}
	if err != nil {
		file.Close()
		return err
	}
	f.file = file
	return nil
}

// check looks whether the file is still what it was, and how long it is.
func (f *followed) check() error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if size != f.size {
		f.partial = time.Time{}
	}
	f.size, f.modified = size, info.ModTime()
	if size < f.pos {
		return errTruncated
	}
	if f.id.length > 0 {
		now, err := identify(f.file, f.inode, f.id.length)
		if errors.Is(err, io.ErrUnexpectedEOF) || err == nil && now != f.id {
			return errTruncated
		}
		if err != nil {
			return err
		}
	}
	if f.pos == 0 && size > 0 {
		return f.checkContent()
	}
	return nil
}

// checkContent tells by its first octets whether a file is compressed.
func (f *followed) checkContent() error {
	var magic [6]byte
	n, err := f.file.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF {
		return err
	}
	for _, m := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "BZh", "\xfd7zXZ\x00", "\x04\x22\x4d\x18"} {
		if bytes.HasPrefix(magic[:n], []byte(m)) {
			return errCompressed
		}
	}
	return nil
}

// restart reads the file from its start, as another one.
func (f *followed) restart() {
	f.pos, f.scanned, f.id, f.partial, f.path = 0, 0, identity{}, time.Time{}, f.at
}

// learn brings the identity up to what was read, which it covers up to headSize.
func (f *followed) learn() error {
	length := int(min(f.pos, headSize))
	if length == f.id.length {
		return nil
	}
	id, err := identify(f.file, f.inode, length)
	if err == nil {
		f.id = id
	}
	return err
}

// atEnd tells whether all there is was read, but for a line without an end.
func (f *followed) atEnd() bool {
	return f.pos+f.scanned >= f.size || !f.partial.IsZero()
}

// away returns why a file to which no path leads may come back: its folder is not there
// or cannot be looked into. It returns nil where the file itself was renamed or deleted.
func (f *followed) away() error {
	if f.file != nil {
		if info, err := f.file.Stat(); err == nil && isDeleted(info) {
			return nil
		}
	}
	path := cmp.Or(f.at, f.path)
	switch now, err := os.Stat(path); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && inodeOf(now).device == f.inode.device:
		return nil // another has its place, perhaps behind a link
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	if _, err := folder.Readdirnames(1); err != nil && err != io.EOF {
		return err
	}
	info, err := folder.Stat()
	if err != nil {
		return err
	}
	// A union of file systems gives a file another device than its folder.
	if inodeOf(info).device != f.inode.device && findInode(folder.Name(), f.inode) == "" {
		return errUnmounted
	}
	return nil
}

// compressed tells by its name whether a file is a compressed one.
func compressed(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".gz", ".zst", ".bz2", ".xz", ".lz4", ".zip":
		return true
	}
	return false
}

// findInode looks in a folder for the file with the inode; "" where it is not.
func findInode(dir string, want inode) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || compressed(e.Name()) {
			continue
		}
		if info, err := e.Info(); err == nil && inodeOf(info) == want {
			return filepath.Join(dir, e.Name())
		}
	}
	return ""
}
