package inputs

import (
	"context"
	"errors"
	"sync"
)

const (
	// maxGatherOctets and maxGatherMessages say when a batch is full and the next
	// is begun.
	maxGatherOctets   = 1 << 20
	maxGatherMessages = 8 << 10
	// maxSpare is how many empty batches are kept for the next use. More are
	// needed only after the sink has made a pause.
	maxSpare = 2
)

// Gather stands between a goroutine that takes messages from a socket and one that
// submits them: what arrives while a submit waits for the disk makes the next
// batch. When there is no room for more the one that receives waits.
type Gather struct {
	// Waiting is how many full batches may wait beside the one that is gathered
	// and the one that is submitted; set before the first use. It is for senders
	// that cannot be held back: with others, what waits here is better off there.
	Waiting int

	mu    sync.Mutex // guards what follows; held from Begin to Done
	more  sync.Cond  // signals a change of any of these
	batch *Batch
	full  []*Batch // oldest first
	spare []*Batch
	ended bool // nothing more is gathered, or nothing more is submitted
}

// NewGather returns an empty Gather.
func NewGather() *Gather {
	g := &Gather{batch: &Batch{}}
	g.more.L = &g.mu
	return g
}

// Begin waits for room, but where nothing is submitted any more, and returns the batch
// to which the caller appends what it has received before it calls Done.
func (g *Gather) Begin() *Batch {
	g.mu.Lock()
	for !g.ended && (len(g.batch.Data) >= maxGatherOctets || len(g.batch.Frames) >= maxGatherMessages) {
		if len(g.full) < g.Waiting {
			g.full = append(g.full, g.batch)
			g.batch = g.empty()
			g.more.Broadcast() // however much follows at once
			break
		}
		g.more.Broadcast()
		g.more.Wait()
	}
	return g.batch
}

// Done gives the batch back that Begin returned. more says that Begin is called again
// at once, whether or not more comes: what was gathered need not be submitted before.
// Done returns false where nothing is submitted any more: the rest is for another Submit.
func (g *Gather) Done(more bool) bool {
	defer g.mu.Unlock()
	if !more {
		g.more.Broadcast()
	}
	return !g.ended
}

// End says that nothing more comes. What was gathered is still submitted.
func (g *Gather) End() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	g.more.Broadcast()
}

// Submit hands what is gathered to the sink, as messages of the named input, until
// End was called and all is submitted. It returns an error where the sink takes
// nothing more, or failed after the end of ctx; what was gathered by then goes to the
// sink all the same, which counts what it does not take, and what was being gathered
// does so in a second call, after the last Done. Other failures of the sink lose the
// batch, and are told to lost.
func (g *Gather) Submit(ctx context.Context, sink Sink, input string, lost func(error)) error {
	var failed error
	for batch := g.take(nil); batch != nil; batch = g.take(batch) {
		batch.Input = input
		err := sink.Submit(ctx, batch)
		switch {
		case err == nil:
		case errors.Is(err, ErrClosed), ctx.Err() != nil:
			failed = err
			g.End()
		default:
			lost(err)
		}
	}
	return failed
}

// take waits for messages and returns the oldest batch of them, or nil where no
// more come. done, which was taken before, is used again.
func (g *Gather) take(done *Batch) *Batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	if done != nil && len(g.spare) < maxSpare {
		done.Reset()
		g.spare = append(g.spare, done)
	}
	for len(g.full) == 0 && len(g.batch.Frames) == 0 && !g.ended {
		g.more.Wait()
	}
	var batch *Batch
	switch {
	case len(g.full) > 0:
		batch = g.full[0]
		copy(g.full, g.full[1:])
		g.full[len(g.full)-1] = nil
		g.full = g.full[:len(g.full)-1]
	case len(g.batch.Frames) > 0:
		batch = g.batch
		g.batch = g.empty()
	}
	g.more.Broadcast()
	return batch
}

// empty returns an empty batch. mu is held.
func (g *Gather) empty() *Batch {
	n := len(g.spare)
	if n == 0 {
		return &Batch{}
	}
	batch := g.spare[n-1]
	g.spare = g.spare[:n-1]
	return batch
}
