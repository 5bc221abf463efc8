package dedupe

import (
	"context"
	"errors"
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

// ErrFirstLost is returned for a batch whose messages repeat one that could not be
// stored: none of them may be acknowledged.
var ErrFirstLost = errors.New("the message that these repeat could not be stored")

// Batch is what one submit adds to windows. It is used by one goroutine.
type Batch struct {
	// Describe returns what the messages of a window are, of which e is one, for the
	// batch to store it; false where there is no room for more, so that e has to pass.
	// It must not call the table. nil describes nothing.
	Describe func(e *syslog.Event) (description []byte, ok bool)

	now    time.Time
	key    []byte
	opened []opened
	// opens says that the last message opened a window.
	opens bool
	// Repeats are what the batch adds to each window.
	Repeats []Repeat
	// place finds a window in Repeats.
	place map[*Window]int
	// waits are the batches with the first messages of windows.
	waits []*Batch

	done chan struct{}
	// stored is set before done is closed.
	stored bool
}

type opened struct {
	table  *Table
	window *Window
}

// Repeat is what a batch adds to a window.
type Repeat struct {
	Window *Window
	// Count is how many messages it adds, First and Last their least and greatest
	// times, in nanoseconds since 1970.
	Count       uint64
	First, Last int64
	// Description is what the batch must also store: it is not known yet to be. nil
	// where it is.
	Description []byte

	table *Table
}

// NewBatch returns an empty batch at a time.
func NewBatch(now time.Time) *Batch { return &Batch{now: now, done: make(chan struct{})} }

// of returns what the batch adds to a window so far, nil where that is nothing.
func (b *Batch) of(w *Window) *Repeat {
	if n := len(b.Repeats); n > 0 && b.Repeats[n-1].Window == w {
		return &b.Repeats[n-1]
	}
	if i, ok := b.place[w]; ok {
		return &b.Repeats[i]
	}
	return nil
}

// begin keeps the first that the batch adds to a window.
func (b *Batch) begin(r Repeat) *Repeat {
	if b.place == nil {
		b.place = make(map[*Window]int)
	}
	b.place[r.Window] = len(b.Repeats)
	b.Repeats = append(b.Repeats, r)
	return &b.Repeats[len(b.Repeats)-1]
}

func (r *Repeat) add(at int64) *Repeat {
	r.Count++
	r.First, r.Last = min(r.First, at), max(r.Last, at)
	return r
}

// Undo closes the window that the last message opened, if it did: it is not stored after
// all.
func (b *Batch) Undo() {
	if !b.opens {
		return
	}
	b.opens = false
	last := b.opened[len(b.opened)-1]
	b.opened = b.opened[:len(b.opened)-1]
	last.table.mu.Lock()
	defer last.table.mu.Unlock()
	last.window.first = nil
	last.table.close(last.window)
}

// await remembers that a first message is in another batch.
func (b *Batch) await(first *Batch) {
	for _, w := range b.waits {
		if w == first {
			return
		}
	}
	b.waits = append(b.waits, first)
}

// Done says whether the batch was stored. It is called once, when that is known;
// others then wait no longer for the first messages in it.
func (b *Batch) Done(stored bool) {
	b.stored = stored
	for _, o := range b.opened {
		o.table.mu.Lock()
		if o.window.first = nil; !stored {
			o.table.close(o.window)
		}
		o.table.mu.Unlock()
	}
	for i := range b.Repeats {
		r := &b.Repeats[i]
		t, w := r.table, r.Window
		t.mu.Lock()
		t.busy--
		w.described = w.described || stored && r.Description != nil
		if w.busy--; w.busy == 0 && w.gone {
			t.closed = append(t.closed, w)
		}
		t.mu.Unlock()
	}
	close(b.done)
}

// Wait returns once the messages that those of b repeat are durable. It is called
// after b itself is done, so that two batches never wait for each other.
func (b *Batch) Wait(ctx context.Context) error {
	for _, first := range b.waits {
		select {
		case <-first.done:
			if !first.stored {
				return ErrFirstLost
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
