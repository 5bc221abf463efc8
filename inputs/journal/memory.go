package journal

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/syslane/syslane/inputs"
)

// memory bounds what the uploads of an input hold together: many clients that send
// without end while nothing can be stored, or little that takes much to decompress.
type memory struct {
	batches sync.Pool // of *batch, that are not in use
	// queued counts the octets of entries that are not yet stored, windows those for
	// decompressing, of the uploads that take more than littleWindow.
	queued, windows atomic.Int64
}

func (m *memory) batch() *batch {
	if b, ok := m.batches.Get().(*batch); ok {
		return b
	}
	return &batch{sequences: make(map[inputs.SequenceID]struct{})}
}

// isShort tells whether an upload is to wait with little.
func (m *memory) isShort() bool { return m.queued.Load() >= maxQueued }

// errWindows is returned where the memory for decompressing is taken.
var errWindows = errors.New("other uploads take the memory that there is for decompressing: come again, or compress with a smaller window")

// inflation is the memory for decompressing that one upload has.
type inflation struct {
	memory *memory
	window int64
}

// enter takes what the window of a frame needs. The decoder keeps it for the frames that
// follow.
func (i *inflation) enter(window uint64) error {
	if window <= littleWindow || window > maxWindow || int64(window) <= i.window {
		return nil // what is beyond maxWindow the decoder refuses
	}
	more := int64(window) - i.window
	if i.memory.windows.Add(more) > maxWindows {
		i.memory.windows.Add(-more)
		return errWindows
	}
	i.window += more
	return nil
}

func (i *inflation) end() { i.memory.windows.Add(-i.window) }
