package relp

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// memory is what the connections of an input share of it: the works that are not in use,
// and a bound for what is, which counts together. A peer that sends without waiting for
// answers, on as many connections as it gets, has its connections hold little each once
// they hold much together.
type memory struct {
	works sync.Pool // of *work
	// queued counts the octets that were read and are not yet stored, buffers those of
	// the buffers that are read into.
	queued, buffers atomic.Int64
	// inflated is what batches of the link may take that are decompressed and not yet
	// stored.
	inflated *semaphore.Weighted
}

func newMemory() *memory { return &memory{inflated: semaphore.NewWeighted(maxInflated)} }

func (m *memory) work() *work {
	if w, ok := m.works.Get().(*work); ok {
		return w
	}
	return &work{}
}

// isShort tells whether a connection is to wait with little.
func (m *memory) isShort() bool { return m.queued.Load() >= maxQueued }

// frugal tells a reader whether to keep its buffer small.
func (m *memory) frugal() bool { return m.buffers.Load() >= maxBuffers }
