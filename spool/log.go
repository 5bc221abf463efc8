package spool

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/syslane/syslane/internal/vfs"
)

// Log is an open log. Its methods may be used from many goroutines at once.
type Log struct {
	cfg  Config
	id   [16]byte
	salt uint32
	lock io.Closer
	comp *compressor

	in intake

	mu sync.RWMutex
	// Guarded by mu:
	segments []*segment    // by position; the last is being written, if any
	head     uint64        // position after the last record readers may see
	grown    chan struct{} // closed, and made anew, when head moves
	// notesFrom is where Notes has to start: the first position of the newest
	// segment with a readable checkpoint. It is not deleted.
	notesFrom uint64
	ageing    ageing
	closed    bool

	// swap is held for reading while a segment is looked up and its file opened,
	// and for writing while the file or the name is replaced or removed, so that
	// nobody opens one thinking it another. Taken before mu.
	swap sync.RWMutex

	cursorFilesMu sync.Mutex // held while the file of a cursor is replaced
	cursorsMu     sync.Mutex // guards cursors and what is in them; taken after mu
	cursors       map[string]*Cursor

	given  Config                 // cfg without defaults
	limits atomic.Pointer[limits] // instead of those in cfg
	// dropsOldest says that the oldest may be, or may have been, dropped.
	dropsOldest atomic.Bool

	ring    ring
	bytes   atomic.Int64 // of all segments
	failing atomic.Bool  // the last group could not be written
	quota   quota
	stats   counters

	orphans     []orphan      // segments that could not be removed; of maintenance
	kick        chan struct{} // of maintenance; one signal is enough
	full        chan struct{} // of the rewriter; one signal is enough
	stop        chan struct{} // ends maintenance, and readers that wait
	writerDone  chan struct{}
	maintenance sync.WaitGroup
	closeErr    error // of the writer; read after writerDone
}

// ID returns the identity of the log: random octets made with it.
func (l *Log) ID() [16]byte { return l.id }

// Head returns the position that the next record gets; what is before it is
// visible to readers. The first record of a log has position 1.
func (l *Log) Head() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.head
}

// Tail returns the oldest position that is kept; Head where nothing is.
func (l *Log) Tail() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tailLocked()
}

func (l *Log) tailLocked() uint64 {
	if len(l.segments) == 0 {
		return l.head
	}
	return min(l.segments[0].first, l.head)
}

// Close stops taking batches, writes those that were taken, syncs the log and
// then the cursors, and gives the folder free. Appends that wait for room, and
// readers that wait for data, return ErrClosed. Cursors cannot be moved after.
func (l *Log) Close() error {
	l.in.mu.Lock()
	if l.in.closed {
		l.in.mu.Unlock()
		return ErrClosed
	}
	l.in.closed = true
	l.in.broadcast()
	l.in.mu.Unlock()
	l.in.signal()
	<-l.writerDone
	l.in.uncork.Stop()
	close(l.stop)
	l.maintenance.Wait()
	err := errors.Join(l.closeErr, l.syncCursors())
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.comp.close()
	return errors.Join(err, l.lock.Close())
}

// lockFolder takes the lock of the folder.
func lockFolder(fsys vfs.FS, path string) (io.Closer, error) {
	c, err := fsys.Lock(path, filePerm)
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("%w: %s is held; stop that process, or choose another folder", ErrLocked, path)
	}
	return c, err
}
