package pipeline

import (
	"context"
	"sync"

	"github.com/syslane/syslane/inputs"
)

// turns let one submit at a time work on what has a key. What nobody works on, nor waits
// for, takes no memory: the keys are chosen by senders.
type turns[K comparable] struct {
	mu sync.Mutex
	of map[K]*turn
}

type turn struct {
	// token holds one: who put it there may submit.
	token chan struct{}
	// users hold the token or wait for it; guarded by turns.mu.
	users int
}

// take waits for the turn on a key, until ctx or closing ends.
func (t *turns[K]) take(ctx, closing context.Context, key K) error {
	t.mu.Lock()
	on := t.of[key]
	if on == nil {
		on = &turn{token: make(chan struct{}, 1)}
		if t.of == nil {
			t.of = make(map[K]*turn)
		}
		t.of[key] = on
	}
	on.users++
	t.mu.Unlock()
	select {
	case on.token <- struct{}{}:
		return nil // also where ctx has ended: it is not waited for
	default:
	}
	select {
	case on.token <- struct{}{}:
		return nil
	case <-ctx.Done():
	case <-closing.Done():
	}
	t.leave(key)
	if closing.Err() != nil {
		return inputs.ErrClosed
	}
	return context.Cause(ctx)
}

// end gives up the turn on a key.
func (t *turns[K]) end(key K) {
	t.mu.Lock()
	on := t.of[key]
	t.mu.Unlock()
	<-on.token
	t.leave(key)
}

// leave gives up the use of a turn whose token the caller does not hold.
func (t *turns[K]) leave(key K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	on := t.of[key]
	if on.users--; on.users == 0 {
		delete(t.of, key)
	}
}
