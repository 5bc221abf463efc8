// Package sink is where subjects send to: receivers that cost next to nothing, so
// that what is measured is the subject, and that count, or check, what arrives.
package sink

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Sink takes messages at an address until it is closed.
type Sink interface {
	// Addr is where it listens.
	Addr() string
	// Tally is what has arrived.
	Tally() *Tally
	Close() error
}

// Tally counts what arrives at a sink.
type Tally struct {
	messages, octets atomic.Int64
	first, last      atomic.Int64 // Unix nanoseconds; 0: nothing yet
	// numbers looks at the messages; nil where they are only counted.
	numbers *Numbers
}

// add counts messages and octets that have just arrived.
func (t *Tally) add(messages, octets int) {
	now := time.Now().UnixNano()
	t.first.CompareAndSwap(0, now)
	t.octets.Add(int64(octets))
	if messages > 0 {
		t.last.Store(now)
		t.messages.Add(int64(messages))
	}
}

// Messages is how many have arrived.
func (t *Tally) Messages() int { return int(t.messages.Load()) }

// Octets is how many octets have arrived, frames and all.
func (t *Tally) Octets() int64 { return t.octets.Load() }

// First and Last are when the first octet and the last message arrived.
func (t *Tally) First() time.Time { return time.Unix(0, t.first.Load()) }

// Last is when the last message arrived.
func (t *Tally) Last() time.Time { return time.Unix(0, t.last.Load()) }

// rest is how long nothing has arrived before nothing more is expected.
const rest = 10 * time.Second

// Wait waits until want messages have arrived, or nothing has for long.
func (t *Tally) Wait(ctx context.Context, want int) error {
	return t.wait(ctx, want, 2*time.Millisecond)
}

// WaitClosely is Wait for one message, whose sender waits for it.
func (t *Tally) WaitClosely(ctx context.Context, want int) error {
	return t.wait(ctx, want, 100*time.Microsecond)
}

func (t *Tally) wait(ctx context.Context, want int, look time.Duration) error {
	seen, since := -1, time.Now()
	for t.Messages() < want {
		if n := t.Messages(); n != seen {
			seen, since = n, time.Now()
		}
		if time.Since(since) > rest {
			return fmt.Errorf("only %d of %d messages arrived, and nothing for %v", seen, want, rest)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d messages had arrived: %w", seen, want, ctx.Err())
		case <-time.After(look):
		}
	}
	return nil
}
