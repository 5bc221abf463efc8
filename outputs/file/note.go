package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/outputs"
)

// note is what is kept beside the files, in ".syslane-<output>" of the folder
// before the first field of the path. It is durable before the batch that it speaks
// of is begun.
//
// After a crash the log delivers from its cursor on. If that stands at or before
// First, the batch comes again, finished or not: then each file is cut to the
// length that it had, and of what comes the events before First are passed over,
// which are in the files. If it stands behind First the batch was finished.
//
// A log that was restored from a backup has given positions twice. Then another event
// stands at First than ID, and the note says nothing of what comes.
type note struct {
	// Stream is the log and output that the positions belong to.
	Stream string `json:"stream"`
	// First is the position of the first event of the batch.
	First uint64 `json:"first"`
	// ID is that event's; without it the position is believed.
	ID string `json:"id,omitempty"`
	// Writing are the files of the batch.
	Writing []tail `json:"writing"`
}

// tail is a file about to be written to.
type tail struct {
	Path string `json:"path"`
	// Inode tells that it is still the same file.
	Inode uint64 `json:"inode"`
	// Size is its length before the batch, Added what the batch adds.
	Size  int64 `json:"size"`
	Added int64 `json:"added"`
}

// agrees tells whether the log holds the event that the note speaks of, where that can
// be told.
func (n *note) agrees(ctx context.Context, b *outputs.Batch) (bool, error) {
	id, err := syslog.ParseID(n.ID)
	if err != nil || b.HasEvent == nil {
		return true, nil
	}
	return b.HasEvent(ctx, id, n.First, n.First+1)
}

// notebook keeps the note.
type notebook struct {
	path string
	note note
	// beside says that the note at path is another process's, and this one not kept.
	beside bool
}

// openNotebook reads the note, if there is one.
func openNotebook(path string) (*notebook, error) {
	n := &notebook{path: path}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the note on how far the files are: %w", vfs.Denied(err))
	}
	if err := json.Unmarshal(b, &n.note); err != nil {
		return nil, fmt.Errorf("read the note on how far the files are: %s: %w; remove it, and the last lines may be written twice", path, err)
	}
	return n, nil
}

// write makes the note durable: as a new file, so that a crash leaves the old one
// or the new one.
func (n *notebook) write() error {
	if n.beside {
		return n.finished()
	}
	b, err := json.Marshal(&n.note)
	if err != nil {
		return err
	}
	spare := n.path + ".new"
	f, err := os.OpenFile(spare, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(spare, n.path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(n.path))
}

// finished returns an error where the process whose note is at path has not finished a
// batch: what is written behind it now would be cut off with it.
func (n *notebook) finished() error {
	other, err := openNotebook(n.path)
	if err != nil {
		return err
	}
	for _, t := range other.note.Writing {
		info, err := os.Stat(t.Path)
		if err == nil && inode(info) == t.Inode && info.Size() >= t.Size && info.Size() < t.Size+t.Added {
			return fmt.Errorf("%s: a batch is not finished, and written again by the relay or collector: start that where it does not run", t.Path)
		}
	}
	return nil
}

// undo cuts off what the batch has added.
func (n *notebook) undo() (cut int64, err error) {
	for _, t := range n.note.Writing {
		f, err := os.OpenFile(t.Path, os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return cut, err
		}
		err = func() error {
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				return err
			}
			// Longer than the batch makes it, or another file: somebody else wrote.
			if inode(info) != t.Inode || info.Size() <= t.Size || info.Size() > t.Size+t.Added {
				return nil
			}
			cut += info.Size() - t.Size
			return errors.Join(f.Truncate(t.Size), f.Sync())
		}()
		if err != nil {
			return cut, fmt.Errorf("cut off what was not finished: %w", err)
		}
	}
	n.note.Writing = nil
	return cut, nil
}

func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
