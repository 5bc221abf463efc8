package file

import (
	"context"
	"errors"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// watcher gathers which paths have changed. It never holds inotify up: the kernel's
// queue would overflow while the log takes nothing.
type watcher struct {
	notify *fsnotify.Watcher
	// changed holds a token while there is something to take.
	changed chan struct{}

	mu      sync.Mutex // guards what follows
	written map[string]bool
	scan    bool // files have come or gone, or events were lost
	failure error
}

func newWatcher() (*watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &watcher{notify: notify, changed: make(chan struct{}, 1), written: make(map[string]bool)}, nil
}

// run takes events until ctx ends.
func (w *watcher) run(ctx context.Context) {
	defer w.notify.Close()
	for {
		select {
		case e, ok := <-w.notify.Events:
			if !ok {
				return
			}
			w.note(e)
		case err, ok := <-w.notify.Errors:
			if !ok {
				return
			}
			w.fail(err)
		case <-ctx.Done():
			return
		}
	}
}

func (w *watcher) note(e fsnotify.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Has(fsnotify.Write) {
		w.written[e.Name] = true
	}
	if e.Has(fsnotify.Create) || e.Has(fsnotify.Rename) || e.Has(fsnotify.Remove) {
		w.scan = true
	}
	w.wake()
}

func (w *watcher) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scan = true
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		w.failure = err
	}
	w.wake()
}

func (w *watcher) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// take returns what has changed since the last call. The map is the caller's until
// the next call.
func (w *watcher) take(spare map[string]bool) (written map[string]bool, scan bool, failure error) {
	clear(spare)
	w.mu.Lock()
	defer w.mu.Unlock()
	written, scan, failure = w.written, w.scan, w.failure
	w.written, w.scan, w.failure = spare, false, nil
	return written, scan, failure
}
