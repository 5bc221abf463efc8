package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Mem is a file system in memory for tests. It knows what has been synced, so
// that CrashClone can tell what a disk would hold had the power gone at this
// moment, and fails where a hook says so.
type Mem struct {
	mu sync.Mutex
	// Guarded by mu:
	root     *node
	locks    map[string]bool
	hook     func(Op) error
	count    uint64
	capacity int64 // 0: none
}

// NewMem returns an empty file system.
func NewMem() *Mem { return &Mem{root: newDir(), locks: make(map[string]bool)} }

// Kind is what an operation does.
type Kind int

// The kinds of operations that a hook is told of.
const (
	OpCreate Kind = iota
	OpOpen
	OpRead
	OpWrite
	OpTruncate
	OpSync // Sync and Datasync
	OpMkdir
	OpList
	OpRename
	OpRemove
	OpSyncDir
)

// Changes reports whether an operation of this kind changes what is on the disk,
// or what is durable of it.
func (k Kind) Changes() bool { return k != OpOpen && k != OpRead && k != OpList }

func (k Kind) String() string {
	return [...]string{"create", "open", "read", "write", "truncate", "sync", "mkdir", "list", "rename", "remove", "syncdir"}[k]
}

// Op is an operation that is about to happen.
type Op struct {
	Kind Kind
	Name string
	// N counts all operations, from 1.
	N uint64
}

// SetHook makes hook be called before each operation, in the goroutine that asks
// for it. An error of it is that of the operation, which then does not happen,
// with two exceptions: a write whose error is a *ShortWrite happens in part, and
// after a Sync that fails, what was written before never becomes durable, though it
// can be read until power is lost, as with Linux. hook may call CrashClone. nil
// removes it.
func (m *Mem) SetHook(hook func(Op) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = hook
}

// ShortWrite is the error of a write that happens in part.
type ShortWrite struct {
	N   int
	Err error
}

func (e *ShortWrite) Error() string { return fmt.Sprintf("short write of %d: %v", e.N, e.Err) }
func (e *ShortWrite) Unwrap() error { return e.Err }

// SetCapacity makes writes fail with ENOSPC that would make all files together
// larger; 0 means no limit. DiskFree goes by it.
func (m *Mem) SetCapacity(octets int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = octets
}

// before calls the hook.
func (m *Mem) before(kind Kind, name string) error {
	m.mu.Lock()
	m.count++
	op, hook := Op{kind, name, m.count}, m.hook
	m.mu.Unlock()
	if hook == nil {
		return nil
	}
	if err := hook(op); err != nil {
		return &fs.PathError{Op: kind.String(), Path: name, Err: err}
	}
	return nil
}

// lookup returns the node of a path, nil where there is none. m.mu is held.
func (m *Mem) lookup(name string) *node {
	n := m.root
	for part := range strings.SplitSeq(filepath.Clean(name), string(filepath.Separator)) {
		if part == "" || part == "." {
			continue
		}
		if n == nil || !n.dir {
			return nil
		}
		n = n.entries[part]
	}
	return n
}

// parent returns the folder of a path. m.mu is held.
func (m *Mem) parent(op, name string) (*node, string, error) {
	dir := m.lookup(filepath.Dir(name))
	if dir == nil || !dir.dir {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return dir, filepath.Base(name), nil
}

// Create is FS.Create.
func (m *Mem) Create(name string, _ fs.FileMode) (File, error) {
	if err := m.before(OpCreate, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("create", name)
	if err != nil {
		return nil, err
	}
	if dir.entries[base] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	n := &node{}
	dir.changeDir(dirOp{to: base, node: n})
	return &memFile{m: m, n: n, name: name, write: true}, nil
}

// Open is FS.Open.
func (m *Mem) Open(name string) (File, error) { return m.open(name, false) }

// OpenWrite is FS.OpenWrite.
func (m *Mem) OpenWrite(name string) (File, error) { return m.open(name, true) }

func (m *Mem) open(name string, write bool) (File, error) {
	if err := m.before(OpOpen, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.lookup(name)
	if n == nil || n.dir {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memFile{m: m, n: n, name: name, write: write}, nil
}

// MkdirAll is FS.MkdirAll.
func (m *Mem) MkdirAll(name string, _ fs.FileMode) error {
	if err := m.before(OpMkdir, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root
	for part := range strings.SplitSeq(filepath.Clean(name), string(filepath.Separator)) {
		if part == "" || part == "." {
			continue
		}
		next := n.entries[part]
		if next == nil {
			next = newDir()
			n.changeDir(dirOp{to: part, node: next})
		}
		if !next.dir {
			return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
		}
		n = next
	}
	return nil
}

// List is FS.List.
func (m *Mem) List(name string) ([]string, error) {
	if err := m.before(OpList, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.lookup(name)
	if n == nil || !n.dir {
		return nil, &fs.PathError{Op: "list", Path: name, Err: fs.ErrNotExist}
	}
	return slices.Sorted(maps.Keys(n.entries)), nil
}

// Stat is FS.Stat.
func (m *Mem) Stat(name string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.lookup(name)
	if n == nil {
		return Info{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return Info{Size: int64(len(n.data)), Dir: n.dir}, nil
}

// Rename is FS.Rename, within one folder.
func (m *Mem) Rename(from, to string) error {
	if err := m.before(OpRename, from); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("rename", from)
	if err != nil {
		return err
	}
	if filepath.Dir(from) != filepath.Dir(to) {
		return &fs.PathError{Op: "rename", Path: to, Err: syscall.EXDEV}
	}
	n := dir.entries[base]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	dir.changeDir(dirOp{from: base, to: filepath.Base(to), node: n})
	return nil
}

// Remove is FS.Remove.
func (m *Mem) Remove(name string) error {
	// A name that is not there changes nothing, so it is no place to lose power.
	m.mu.Lock()
	missing := m.lookup(name) == nil
	m.mu.Unlock()
	if missing {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if err := m.before(OpRemove, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	dir.changeDir(dirOp{from: base})
	return nil
}

// SyncDir is FS.SyncDir.
func (m *Mem) SyncDir(name string) error {
	err := m.before(OpSyncDir, name)
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.lookup(name)
	if n == nil || !n.dir {
		return &fs.PathError{Op: "syncdir", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		return err
	}
	for _, op := range n.dirOps {
		op.apply(n.durable)
	}
	n.dirOps = nil
	return nil
}

// Lock is FS.Lock.
func (m *Mem) Lock(name string, _ fs.FileMode) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] {
		return nil, fmt.Errorf("lock %s: %w", name, ErrLocked)
	}
	dir, base, err := m.parent("lock", name)
	if err != nil {
		return nil, err
	}
	if dir.entries[base] == nil {
		dir.changeDir(dirOp{to: base, node: &node{}})
	}
	m.locks[name] = true
	return memLock{m, name}, nil
}

type memLock struct {
	m    *Mem
	name string
}

func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.locks, l.name)
	return nil
}

// DiskFree is FS.DiskFree: what SetCapacity leaves, else a terabyte.
func (m *Mem) DiskFree(string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.capacity == 0 {
		return 1 << 40, nil
	}
	return uint64(max(m.capacity-m.root.octets(), 0)), nil
}
