// Package deadletter keeps events that an output has refused for good, with the
// reason, until somebody looks at them: in plain files, one JSON object a line.
//
//	<dir>/<output>.ndjson                 grows
//	<dir>/<output>~000000000001.ndjson    full ones, the oldest has the smallest number
//	<dir>/<output>~r18ab….ndjson          those that a replay took, or left for the next
//
//	{"time":"2026-08-07T06:05:04Z","output":"elasticsearch","position":4711,"id":"…",
//	 "status":400,"reason":"document_parsing_exception: …","original":"<13>…","event":"base64"}
//
// original is the message as it was received (original_base64 where it is not
// UTF-8), event the whole event as it stands in the log, from which it can be
// replayed. Invariants, each with a test:
//
//   - an entry is durable when Append returns nil;
//   - a line that a crash left unfinished is cut off when the file is opened, and
//     none is ever glued to another;
//   - the files of one output never take more than TotalSize and one FileSize: the
//     oldest of those that do not grow is removed, logged with its number of entries,
//     and counted; one that cannot be read is kept beyond that, and logged;
//   - a damaged line is passed over and counted, never fatal.
//
// After a crash between Append and the move of the delivery's cursor the same
// event is refused and appended again: readers must expect an entry twice.
package deadletter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/vfs"
)

// Config says where the entries are kept.
type Config struct {
	// Dir is the folder of all outputs' files; it is made where it is missing.
	Dir string
	// Output is the configured name of the output.
	Output string
	// FileSize is the size in octets from which on a file counts as full.
	// Default 64 MiB.
	FileSize int64
	// TotalSize bounds what the full files take together, with those that a replay took
	// or left, in octets. Default 1 GiB.
	TotalSize int64
	// FS is the file system; default the real one.
	FS     vfs.FS
	Logger zerolog.Logger
}

// Store is the dead letter of one output. It is safe for concurrent use within
// one process; a second process may read the files and replay them, not open the
// store.
type Store struct {
	cfg Config

	mu sync.Mutex // guards what follows
	f  vfs.File
	// size is the end of the last line known to be durable; what lies behind it
	// is the rest of a failed write if torn is set.
	size    int64
	torn    bool
	removed uint64
	buf     []byte
}

// Open opens or creates the dead letter of an output.
func Open(cfg Config) (*Store, error) {
	if cfg.FS == nil {
		cfg.FS = vfs.OS
	}
	if cfg.FileSize <= 0 {
		cfg.FileSize = 64 << 20
	}
	if cfg.TotalSize <= 0 {
		cfg.TotalSize = 1 << 30
	}
	cfg.Logger = cfg.Logger.With().Str("output", cfg.Output).Logger()
	if err := cfg.FS.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of the dead letter: %w", err)
	}
	if err := cfg.FS.SyncDir(filepath.Dir(cfg.Dir)); err != nil {
		return nil, fmt.Errorf("make the folder of the dead letter durable: %w", err)
	}
	s := &Store{cfg: cfg}
	f, size, err := s.open()
	if err != nil {
		return nil, fmt.Errorf("open the dead letter of output %q: %w", cfg.Output, vfs.Denied(err))
	}
	s.f, s.size = f, size
	return s, nil
}

func (s *Store) path() string { return filepath.Join(s.cfg.Dir, fileName(s.cfg.Output)) }

// open opens the growing file and cuts off what a crash left of a line.
func (s *Store) open() (_ vfs.File, end int64, err error) {
	f, err := s.cfg.FS.OpenWrite(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		f, err = s.cfg.FS.Create(s.path(), 0o640)
	}
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	// Also where the file was there: the process before may have died between
	// its Create and its SyncDir.
	if err := s.cfg.FS.SyncDir(s.cfg.Dir); err != nil {
		return nil, 0, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, 0, err
	}
	if end, err = lastLineEnd(f, size); err != nil || end == size {
		return f, end, err
	}
	if err := f.Truncate(end); err != nil {
		return nil, 0, err
	}
	return f, end, f.Sync()
}

// lastLineEnd returns the offset behind the last line feed of the first size
// octets of f.
func lastLineEnd(f io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for size > 0 {
		n := min(int64(len(buf)), size)
		if _, err := f.ReadAt(buf[:n], size-n); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return size - n + int64(i) + 1, nil
		}
		size -= n
	}
	return 0, nil
}

// Append returns nil once all entries are durable. After an error some of them
// may be kept; appending them again is safe.
func (s *Store) Append(entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		return fmt.Errorf("append to the dead letter of output %q: %w", s.cfg.Output, fs.ErrClosed)
	}
	for len(entries) > 0 {
		if s.size >= s.cfg.FileSize {
			if err := s.seal(); err != nil {
				return fmt.Errorf("start a new file of the dead letter of output %q: %w", s.cfg.Output, err)
			}
		}
		s.buf = s.buf[:0]
		n := 0
		for n < len(entries) && (n == 0 || s.size+int64(len(s.buf))+base64Len(len(entries[n].Event)) <= s.cfg.FileSize) {
			var err error
			if s.buf, err = appendLine(s.buf, &entries[n]); err != nil {
				return err
			}
			n++
		}
		if err := s.write(s.buf); err != nil {
			return fmt.Errorf("append to the dead letter of output %q: %w", s.cfg.Output, err)
		}
		if gone, err := s.renew(); err != nil {
			return fmt.Errorf("append to the dead letter of output %q: %w", s.cfg.Output, err)
		} else if gone {
			continue // the same entries once more: the replay may have read past them
		}
		entries = entries[n:]
	}
	if cap(s.buf) > 1<<20 {
		s.buf = nil
	}
	return nil
}

// renew begins a new file where a replay took the growing one away.
func (s *Store) renew() (gone bool, err error) {
	if _, err := s.cfg.FS.Stat(s.path()); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	f, size, err := s.open()
	if err != nil {
		return false, err
	}
	old := s.f
	s.f, s.size, s.torn = f, size, false
	return true, errors.Join(old.Close(), s.makeRoom())
}

func (s *Store) write(lines []byte) error {
	if s.torn {
		if err := s.f.Truncate(s.size); err != nil {
			return err
		}
	}
	s.torn = true
	if _, err := s.f.WriteAt(lines, s.size); err != nil {
		return err
	}
	if err := s.f.Datasync(); err != nil {
		return err
	}
	s.torn = false
	s.size += int64(len(lines))
	return nil
}

// seal gives the growing file its number, makes room, and starts a new one.
func (s *Store) seal() error {
	if s.torn {
		if err := s.f.Truncate(s.size); err != nil {
			return err
		}
		s.torn = false
	}
	sealed, err := listSealed(s.cfg.FS, s.cfg.Dir, s.cfg.Output)
	if err != nil {
		return err
	}
	number := uint64(1)
	if len(sealed) > 0 {
		number = sealed[len(sealed)-1] + 1
	}
	err = s.cfg.FS.Rename(s.path(), s.sealedPath(number))
	if errors.Is(err, fs.ErrNotExist) {
		_, err = s.renew() // a replay was quicker
		return err
	}
	if err != nil {
		return err
	}
	f, size, err := s.open()
	if err != nil {
		// The open file still is the one that was renamed: give it its name back.
		return errors.Join(err, s.cfg.FS.Rename(s.sealedPath(number), s.path()))
	}
	old := s.f
	s.f, s.size = f, size
	if err := old.Close(); err != nil {
		s.cfg.Logger.Warn().Err(err).Msg("full file of the dead letter did not close cleanly")
	}
	return s.makeRoom()
}

func (s *Store) sealedPath(n uint64) string {
	return filepath.Join(s.cfg.Dir, sealedName(s.cfg.Output, n))
}

// makeRoom removes the oldest files that do not grow until the rest is within bounds.
func (s *Store) makeRoom() error {
	names, err := listFull(s.cfg.FS, s.cfg.Dir, s.cfg.Output)
	if err != nil {
		return err
	}
	type file struct {
		path  string
		size  int64
		first time.Time
	}
	var full []file
	total := int64(0)
	for _, name := range names {
		path := filepath.Join(s.cfg.Dir, name)
		info, err := s.cfg.FS.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a replay is done with it
		} else if err != nil {
			return err
		}
		full = append(full, file{path: path, size: info.Size})
		total += info.Size
	}
	if total <= s.cfg.TotalSize {
		return nil
	}
	// The names do not tell which is the oldest: a replay leaves what was refused
	// again in a new file, and takes the growing one before those that are full.
	readable := full[:0]
	for _, f := range full {
		if f.first, err = firstTime(s.cfg.FS, f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.cfg.Logger.Error().Err(vfs.Denied(err)).Str("file", f.path).
				Msg("file of the dead letter cannot be read: it is kept, and takes room beyond the bound")
			total -= f.size
			continue
		}
		readable = append(readable, f)
	}
	full = readable
	slices.SortStableFunc(full, func(a, b file) int { return a.first.Compare(b.first) })
	for i := 0; i < len(full)-1 && total > s.cfg.TotalSize; i++ {
		path := full[i].path
		count := uint64(0)
		damaged, err := eachInFile(s.cfg.FS, path, func(Entry) error { count++; return nil })
		if errors.Is(err, fs.ErrNotExist) {
			total -= full[i].size
			continue
		}
		if err := s.cfg.FS.Remove(path); err != nil {
			return err
		}
		total -= full[i].size
		count += uint64(damaged)
		s.removed += count
		s.cfg.Logger.Error().Str("file", path).Uint64("messages", count).
			Msg("dead letter is full: its oldest file was removed; replay or delete what is there")
	}
	return s.cfg.FS.SyncDir(s.cfg.Dir)
}

// Removed returns how many entries were removed since Open because the dead
// letter was full.
func (s *Store) Removed() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.removed
}

// Close closes the file. All that was appended is durable already.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		return nil
	}
	err := s.f.Close()
	s.f = nil
	return err
}
