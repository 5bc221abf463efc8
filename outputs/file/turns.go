package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// turnTime is how long a process waits for its turn until it says so.
const turnTime = 5 * time.Second

// turns lets one process at a time write and rename the files of an output: what a
// second one, of Config.Beside, wrote to a file while it is renamed and compressed would
// be in none. They lock the file at path. It is made, by the first, where there is none
// or somebody has deleted it; while there is none nobody else writes.
type turns struct {
	path   string
	perm   os.FileMode
	beside bool
	// warn is called, once, where the file system knows no locks: the output goes on
	// without.
	warn   func(error)
	unable sync.Once
	// givenUp is closed when the attempt has ended that was given up last.
	givenUp chan struct{}
}

// noTurn is the turn of one who needs none.
type noTurn struct{}

func (noTurn) Close() error { return nil }

// announce makes the file, before anything is written: a second process that finds none
// takes it that nobody else writes. Where that fails the first turn says why.
func (t *turns) announce() {
	if t.beside {
		return
	}
	if f, err := t.open(); err == nil {
		f.Close()
	}
}

// begin waits for a turn, which ends when turn is closed.
func (t *turns) begin(ctx context.Context) (turn io.Closer, err error) {
	late := time.NewTimer(turnTime)
	defer late.Stop()
	for {
		if t.givenUp != nil {
			select {
			case <-t.givenUp:
				t.givenUp = nil
			case <-late.C:
				return nil, t.busy()
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		f, err := t.open()
		switch {
		case t.beside && errors.Is(err, os.ErrNotExist):
			return noTurn{}, nil
		case err != nil:
			return nil, err
		}
		locked := make(chan error, 1)
		if err := flock(f, unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
			go func() { locked <- flock(f, unix.LOCK_EX) }() // in its turn, which nobody finds who looks now and then
		} else {
			locked <- err
		}
		select {
		case err = <-locked:
		case <-late.C:
			t.giveUp(f, locked)
			return nil, t.busy()
		case <-ctx.Done():
			t.giveUp(f, locked)
			return nil, ctx.Err()
		}
		switch {
		case err == nil && t.isThere(f):
			return f, nil
		case err == nil: // it was deleted meanwhile: others lock another
			f.Close()
		case t.beside:
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", t.path, err)
		default:
			f.Close()
			t.unable.Do(func() { t.warn(err) })
			return noTurn{}, nil
		}
	}
}

// giveUp leaves an attempt to lock f, which ends when who holds it lets it go.
func (t *turns) giveUp(f *os.File, locked <-chan error) {
	ended := make(chan struct{})
	t.givenUp = ended
	go func() {
		defer close(ended)
		<-locked
		f.Close()
	}()
}

func (t *turns) busy() error {
	return fmt.Errorf("another process has had %s locked for %v: \"fuser %s\" says which; end it", t.path, turnTime, t.path)
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// open opens the file. Some file systems lock only what is open for writing.
func (t *turns) open() (*os.File, error) {
	if t.beside {
		return os.OpenFile(t.path, os.O_RDWR, 0)
	}
	return os.OpenFile(t.path, os.O_RDWR|os.O_CREATE, t.perm)
}

// isThere tells whether the path stands for the file still.
func (t *turns) isThere(f *os.File) bool {
	locked, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(t.path)
	return err == nil && os.SameFile(named, locked)
}
