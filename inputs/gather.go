package inputs

import (
	"context"
	"errors"
	"sync"
)

const (
	// maxGatherOctets and maxGatherMessages bound the batch that is gathered while
	// another is submitted, and with it the memory of a Gather: two of these.
	maxGatherOctets   = 4 << 20
	maxGatherMessages = 16 << 10
)

// Gather stands between a goroutine that takes messages from a socket and one that
// submits them: what arrives while a submit waits for the disk makes the next
// batch. When that is full too, the one that receives waits.
type Gather struct {
	mu    sync.Mutex // guards what follows; held from Begin to Done
	more  sync.Cond  // signals a change of batch or ended
	batch *Batch
	ended bool // nothing more is gathered, or nothing more is submitted
}

// NewGather returns an empty Gather.
func NewGather() *Gather {
	g := &Gather{batch: &Batch{}}
	g.more.L = &g.mu
	return g
}

// Begin waits for room and returns the batch to which the caller appends what it
// has received before it calls Done. It returns nil where nothing is submitted any
// more; Done must not be called then.
func (g *Gather) Begin() *Batch {
	g.mu.Lock()
	for !g.ended && (len(g.batch.Data) >= maxGatherOctets || len(g.batch.Frames) >= maxGatherMessages) {
		g.more.Wait()
	}
	if g.ended {
		g.mu.Unlock()
		return nil
	}
	return g.batch
}

// Done gives the batch back that Begin returned.
func (g *Gather) Done() {
	g.more.Signal()
	g.mu.Unlock()
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
// nothing more or ctx has ended; nothing is gathered then any more. Other failures
// of the sink lose the batch, and are told to lost.
func (g *Gather) Submit(ctx context.Context, sink Sink, input string, lost func(error)) error {
	defer g.End()
	spare := &Batch{}
	for {
		g.mu.Lock()
		for len(g.batch.Frames) == 0 && !g.ended {
			g.more.Wait()
		}
		if len(g.batch.Frames) == 0 {
			g.mu.Unlock()
			return nil
		}
		batch := g.batch
		spare.Reset()
		g.batch = spare
		g.more.Broadcast()
		g.mu.Unlock()

		batch.Input = input
		err := sink.Submit(ctx, batch)
		switch {
		case errors.Is(err, ErrClosed):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			lost(err)
		}
		spare = batch
	}
}
