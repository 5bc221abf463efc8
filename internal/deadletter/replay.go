package deadletter

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/syslane/syslane/internal/vfs"
)

// What Replay hands over at once: at most so many entries, and not more once they
// have so many octets.
const (
	replayEntries = 1000
	replayOctets  = 1 << 20
)

// Replay hands the entries over, the oldest first, and removes a file once f has
// taken all of it: f must return nil only when it has made the entries durable
// elsewhere. After an error or a crash f sees again what it saw of the file under
// way. Entries appended meanwhile are left for the next time.
func (s *Store) Replay(f func([]Entry) error) error {
	if err := s.sealAll(); err != nil {
		return fmt.Errorf("start a new file of the dead letter of output %q: %w", s.cfg.Output, err)
	}
	sealed, err := listSealed(s.cfg.FS, s.cfg.Dir, s.cfg.Output)
	if err != nil {
		return fmt.Errorf("list the dead letter of output %q: %w", s.cfg.Output, err)
	}
	for _, n := range sealed {
		path := s.sealedPath(n)
		damaged, err := replayFile(s.cfg.FS, path, f)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile, because the dead letter is full
		}
		if err != nil {
			return fmt.Errorf("replay %s: %w", path, err)
		}
		if damaged > 0 {
			// Nobody can replay these lines, but somebody may still read them.
			if err := s.cfg.FS.Rename(path, path+".bad"); err != nil {
				return fmt.Errorf("put %s aside: %w", path, err)
			}
			s.cfg.Logger.Error().Str("file", path+".bad").Int("lines", damaged).
				Msg("dead letter has damaged lines: the file is kept under another name")
		} else if err := s.cfg.FS.Remove(path); err != nil {
			return fmt.Errorf("remove %s, which was replayed: %w", path, err)
		}
	}
	return s.cfg.FS.SyncDir(s.cfg.Dir)
}

// sealAll makes the growing file a full one, so that all entries of now are in
// files that nothing is added to.
func (s *Store) sealAll() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		return fs.ErrClosed
	}
	if s.size == 0 {
		return nil
	}
	return s.seal()
}

// replayFile hands over the entries of one file, some at a time.
func replayFile(fsys vfs.FS, path string, f func([]Entry) error) (damaged int, err error) {
	var batch []Entry
	octets := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := f(batch)
		batch, octets = nil, 0
		return err
	}
	damaged, err = eachInFile(fsys, path, func(e Entry) error {
		batch = append(batch, e)
		if octets += len(e.Event); len(batch) < replayEntries && octets < replayOctets {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return damaged, err
}
