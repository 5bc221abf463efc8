package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/syslane/syslane/internal/vfs"
)

// Cursors with spans have version 2: version 1, and the spans behind it.
const (
	cursorSpansVersion = 2
	spanSize           = 16
)

func (s *cursorState) encode(id [16]byte) []byte {
	le := binary.LittleEndian
	b := make([]byte, cursorSize, cursorSize+MaxSpans*spanSize+4)
	copy(b, cursorMagic)
	le.PutUint16(b[8:], formatVersion)
	copy(b[16:], id[:])
	le.PutUint64(b[32:], s.start)
	le.PutUint64(b[40:], s.position)
	le.PutUint64(b[48:], s.rewound)
	le.PutUint64(b[56:], s.counts.Delivered)
	le.PutUint64(b[64:], s.counts.DeadLettered)
	le.PutUint64(b[72:], s.counts.Dropped)
	le.PutUint64(b[80:], uint64(s.updated))
	le.PutUint64(b[88:], s.counts.Skipped)
	if s.ahead.n > 0 {
		le.PutUint16(b[8:], cursorSpansVersion)
		le.PutUint32(b[96:], uint32(s.ahead.n))
	}
	le.PutUint32(b[cursorSize-4:], checksum(b[:cursorSize-4]))
	if s.ahead.n > 0 {
		for _, sp := range s.ahead.list() {
			b = le.AppendUint64(le.AppendUint64(b, sp.From), sp.To)
		}
		b = le.AppendUint32(b, checksum(b))
	}
	return b
}

func (s *cursorState) decode(b []byte, id [16]byte) error {
	le := binary.LittleEndian
	if len(b) < cursorSize || string(b[:8]) != cursorMagic || checksum(b[:cursorSize-4]) != le.Uint32(b[cursorSize-4:]) {
		return ErrCorrupt
	}
	version := le.Uint16(b[8:])
	if version != formatVersion && version != cursorSpansVersion {
		return fmt.Errorf("cursor of version %d: %w", version, ErrVersion)
	}
	if string(b[16:32]) != string(id[:]) {
		return fmt.Errorf("cursor of another log: %w", ErrCorrupt)
	}
	*s = cursorState{
		start: le.Uint64(b[32:]), position: le.Uint64(b[40:]), rewound: le.Uint64(b[48:]), updated: int64(le.Uint64(b[80:])),
		counts: Counts{
			Delivered: le.Uint64(b[56:]), DeadLettered: le.Uint64(b[64:]), Dropped: le.Uint64(b[72:]), Skipped: le.Uint64(b[88:]),
		},
	}
	if s.start == 0 || s.position == 0 || s.start > maxPosition || s.position > maxPosition {
		return ErrCorrupt
	}
	if version == formatVersion {
		if len(b) != cursorSize {
			return ErrCorrupt
		}
		return nil
	}
	return s.decodeSpans(b, le.Uint32(b[96:]))
}

// decodeSpans reads what stands behind version 1.
func (s *cursorState) decodeSpans(b []byte, n uint32) error {
	le := binary.LittleEndian
	if n == 0 || n > MaxSpans || len(b) != cursorSize+int(n)*spanSize+4 || checksum(b[:len(b)-4]) != le.Uint32(b[len(b)-4:]) {
		return ErrCorrupt
	}
	before := s.position
	for i := range n {
		at := b[cursorSize+int(i)*spanSize:]
		sp := Span{le.Uint64(at), le.Uint64(at[8:])}
		if sp.From <= before || sp.To <= sp.From || sp.To > maxPosition {
			return ErrCorrupt
		}
		s.ahead.of[i], before = sp, sp.To
	}
	s.ahead.n = int(n)
	return nil
}

// writeCursor replaces the file of a cursor and keeps the one before as .prev.
func (l *Log) writeCursor(name string, s cursorState) error {
	fsys, path := l.cfg.FS, l.cursorPath(name)
	tmp, err := vfs.WriteTemp(fsys, path, s.encode(l.id), filePerm)
	if err != nil {
		return err
	}
	if err := fsys.Rename(path, path+prevSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := fsys.Rename(tmp, path); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(path))
}

// readCursor reads a cursor of a folder, or the copy before where it is damaged.
// damaged says that the file itself could not be used. The error is ErrCorrupt or
// fs.ErrNotExist where neither can be used; any other says nothing of what they hold.
func readCursor(fsys vfs.FS, path string, id [16]byte) (s cursorState, damaged bool, err error) {
	for _, p := range []string{path, path + prevSuffix} {
		var b []byte
		if b, err = vfs.ReadFile(fsys, p, 4<<10); err == nil {
			err = s.decode(b, id)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, ErrCorrupt), errors.Is(err, vfs.ErrTooLarge), errors.Is(err, syscall.EIO):
			damaged, err = true, ErrCorrupt
		default:
			return s, damaged, err
		}
	}
	return s, damaged, err
}

// listCursors returns the names of the cursors in a folder, sorted.
func listCursors(fsys vfs.FS, dir string) ([]string, error) {
	files, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, file := range files {
		if name, ok := parseCursorFileName(strings.TrimSuffix(file, prevSuffix)); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, err
}

// loadCursors reads all cursors and returns the latest position one of them has
// passed. One that is damaged, and the copy before too, starts again at the tail:
// it delivers again rather than lose.
func (l *Log) loadCursors() (past uint64, err error) {
	dir := filepath.Join(l.cfg.Dir, cursorsDir)
	files, err := l.cfg.FS.List(dir)
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		if strings.HasSuffix(file, tempSuffix) {
			if err := l.cfg.FS.Remove(filepath.Join(dir, file)); err != nil {
				return 0, err
			}
		}
	}
	names, err := listCursors(l.cfg.FS, dir)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		c, err := l.loadCursor(name)
		if err != nil {
			return 0, fmt.Errorf("read cursor %s: %w", name, err)
		}
		l.cursors[name] = c
		past = max(past, c.state.end())
	}
	return past, nil
}

func (l *Log) loadCursor(name string) (*Cursor, error) {
	path := l.cursorPath(name)
	c := &Cursor{l: l, name: name}
	s, damaged, err := readCursor(l.cfg.FS, path, l.id)
	if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if damaged {
		l.stats.damagedCursors.Add(1)
		if aerr := l.setAside(path); aerr != nil && !errors.Is(aerr, fs.ErrNotExist) {
			return nil, aerr
		}
	}
	if err != nil {
		tail := l.tailLocked()
		s = cursorState{start: tail, position: tail, updated: l.cfg.Now().UnixNano()}
		l.cfg.Logger.Error().Str("cursor", name).Uint64("position", tail).
			Msg("cursor is damaged and has no copy: it starts again at the oldest record")
	}
	if damaged || err != nil {
		if err := l.writeCursor(name, s); err != nil {
			return nil, err
		}
	}
	c.state, c.durable = s, s.position
	c.passed.Store(s.position)
	return c, nil
}

// syncCursors writes all cursors that moved.
func (l *Log) syncCursors() error {
	l.cursorsMu.Lock()
	var dirty []*Cursor
	for _, c := range l.cursors {
		if c.dirty {
			dirty = append(dirty, c)
		}
	}
	l.cursorsMu.Unlock()
	var errs []error
	for _, c := range dirty {
		errs = append(errs, l.syncCursor(c))
	}
	return errors.Join(errs...)
}

// syncCursor writes one cursor if it moved. The lock of the state is not held
// meanwhile: deliveries go on.
func (l *Log) syncCursor(c *Cursor) error {
	l.cursorFilesMu.Lock()
	defer l.cursorFilesMu.Unlock()
	l.cursorsMu.Lock()
	s, version, dirty := c.state, c.version, c.dirty && !c.dropped
	l.cursorsMu.Unlock()
	if !dirty {
		return nil
	}
	if err := l.writeCursor(c.name, s); err != nil {
		return fmt.Errorf("write cursor %s: %w", c.name, err)
	}
	l.cursorsMu.Lock()
	defer l.cursorsMu.Unlock()
	c.durable = min(s.position, c.state.position) // a Rewind may have come between
	if c.version == version {
		c.dirty = false
	}
	return nil
}

// Cursors returns the status of all cursors, by name, also of those that this run
// has not opened.
func (l *Log) Cursors() []CursorStatus {
	head := l.Head()
	l.cursorsMu.Lock()
	defer l.cursorsMu.Unlock()
	all := make([]CursorStatus, 0, len(l.cursors))
	for _, c := range l.cursors {
		st := c.state.status(c.name, head)
		st.Open = c.opened
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b CursorStatus) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// DropCursor forgets a cursor and frees what only it kept. Its *Cursor must no
// longer be used.
func (l *Log) DropCursor(name string) error {
	l.cursorFilesMu.Lock()
	defer l.cursorFilesMu.Unlock()
	l.cursorsMu.Lock()
	c := l.cursors[name]
	if c != nil {
		c.dropped = true
		delete(l.cursors, name)
	}
	l.cursorsMu.Unlock()
	if c == nil {
		return fmt.Errorf("drop cursor %q: there is none of that name", name)
	}
	path := l.cursorPath(name)
	// The copy first: a crash between must not bring it back.
	for _, p := range []string{path + prevSuffix, path} {
		if err := l.cfg.FS.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("drop cursor %s: %w", name, err)
		}
	}
	l.kickMaintenance()
	return l.cfg.FS.SyncDir(filepath.Dir(path))
}
