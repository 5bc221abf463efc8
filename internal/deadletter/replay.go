package deadletter

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

// What Replay hands over at once: at most so many entries, and not more once they
// have so many octets.
const (
	replayEntries = 1000
	replayOctets  = 1 << 20
)

// Replayed says what became of entries.
type Replayed struct {
	// Taken are gone from the dead letter, Refused were refused again and are in
	// it with their new reason.
	Taken, Refused int
	// Damaged lines are in files whose names end in .bad.
	Damaged int
}

// Replay hands the entries of an output over, the oldest first, and removes a file
// once f has taken all of it: f must return without an error only when the entries
// are durable elsewhere, but for those that it returns, which stay. After an error
// or a crash f sees again what it saw of the file under way. It may run beside the
// process that has the Store open; entries appended meanwhile are left for the
// next time.
func Replay(fsys vfs.FS, dir, output string, f func([]Entry) (refused []Entry, err error)) (Replayed, error) {
	var sum Replayed
	// The Store sees after each write whether its file is still there, and writes
	// to a new one what went into a file that was taken away.
	err := fsys.Rename(filepath.Join(dir, fileName(output)), takenPath(dir, output))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sum, fmt.Errorf("take the dead letter of output %q: %w", output, vfs.Denied(err))
	}
	files, err := listFull(fsys, dir, output)
	if err != nil {
		return sum, fmt.Errorf("list the dead letter of output %q: %w", output, err)
	}
	for _, name := range files {
		if err := replayFile(fsys, dir, name, output, f, &sum); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return sum, fmt.Errorf("replay %s: %w", filepath.Join(dir, name), err)
		}
	}
	return sum, nil
}

// takenPath is a name for a file of entries that no Store writes to. Replays at
// the same time take different ones.
func takenPath(dir, output string) string {
	return filepath.Join(dir, fmt.Sprintf("%s%016x%s", takenPrefix(output), time.Now().UnixNano(), suffix))
}

func takenPrefix(output string) string { return escapeName(output) + "~r" }

// replayFile hands over the entries of one file, some at a time, keeps those that
// are refused in a new one, and removes it.
func replayFile(fsys vfs.FS, dir, name, output string, f func([]Entry) ([]Entry, error), sum *Replayed) error {
	path := filepath.Join(dir, name)
	var batch []Entry
	var kept []byte
	octets := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		refused, err := f(batch)
		if err != nil {
			return err
		}
		for i := range refused {
			if kept, err = appendLine(kept, &refused[i]); err != nil {
				return err
			}
		}
		sum.Taken += len(batch) - len(refused)
		sum.Refused += len(refused)
		batch, octets = nil, 0
		return nil
	}
	damaged, err := eachInFile(fsys, path, func(e Entry) error {
		batch = append(batch, e)
		if octets += len(e.Event); len(batch) < replayEntries && octets < replayOctets {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return err
	}
	if len(kept) > 0 {
		if err := vfs.WriteFileAtomic(fsys, takenPath(dir, output), kept, 0o640); err != nil {
			return fmt.Errorf("keep what was refused again: %w", err)
		}
	}
	sum.Damaged += damaged
	if damaged > 0 {
		// Nobody can replay these lines, but somebody may still read them.
		err = fsys.Rename(path, path+".bad")
	} else {
		err = fsys.Remove(path)
	}
	if err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// listFull returns the names of an output's files that do not grow, the oldest
// first: those that were full, then those that a replay took or left.
func listFull(fsys vfs.FS, dir, output string) ([]string, error) {
	sealed, err := listSealed(fsys, dir, output)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range sealed {
		names = append(names, sealedName(output, n))
	}
	all, err := fsys.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range all {
		if strings.HasPrefix(name, takenPrefix(output)) && strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	return names, nil
}
