package dedupe

import (
	"context"
	"errors"
	"time"
)

// ErrFirstLost is returned for a batch whose messages repeat one that could not be
// stored: none of them may be acknowledged.
var ErrFirstLost = errors.New("the message that these repeat could not be stored")

// Batch is what one submit adds to windows. It is used by one goroutine.
type Batch struct {
	now    time.Time
	key    []byte
	opened []opened
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
	// Describe says that the batch must also store what the messages are: it is not
	// known yet to be stored.
	Describe bool
	// Description is for the caller, to keep it until it is stored.
	Description []byte

	table *Table
}

// NewBatch returns an empty batch at a time.
func NewBatch(now time.Time) *Batch { return &Batch{now: now, done: make(chan struct{})} }

// repeat adds one message at a time to a window.
func (b *Batch) repeat(w *Window, at int64) *Repeat {
	if n := len(b.Repeats); n > 0 && b.Repeats[n-1].Window == w {
		return b.Repeats[n-1].add(at)
	}
	if i, ok := b.place[w]; ok {
		return b.Repeats[i].add(at)
	}
	if b.place == nil {
		b.place = make(map[*Window]int)
	}
	b.place[w] = len(b.Repeats)
	b.Repeats = append(b.Repeats, Repeat{Window: w, Count: 1, First: at, Last: at})
	return &b.Repeats[len(b.Repeats)-1]
}

func (r *Repeat) add(at int64) *Repeat {
	r.Count++
	r.First, r.Last = min(r.First, at), max(r.Last, at)
	return r
}

// Undo closes the window that the last message opened: it is not stored after all.
func (b *Batch) Undo() {
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
		w.described = w.described || stored && r.Describe
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
