package tcp

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
)

const (
	// maxFrames is the most messages in one submit: with very short messages a
	// buffer takes several, and the memory for frames stays bounded.
	maxFrames = 16 << 10
	// largest is the largest buffer: what is made of it while it is parsed and
	// stored still fits into the cache of a processor.
	largest = 192 << 10
	// largeBudget bounds the buffers of one input that are larger than what their
	// connections hold needs, for speed alone. Beyond it connections work with smaller
	// ones, so that the memory of an input is at most max_connections ×
	// max_message_size, and this. A connection that is silent has 4 KiB.
	largeBudget = 16 << 20
	// common is the size up to which buffers are not counted as large.
	common = 32 << 10
)

// buffer holds what a connection has received, and the batch made of it.
type buffer struct {
	class  int
	data   []byte
	frames []inputs.Frame
}

// buffers hands out buffers of some sizes. A connection begins with the smallest,
// takes a larger one when it fills what it has, and goes back when it is silent.
type buffers struct {
	sizes  []int
	needed int // the class that holds any message
	pools  []sync.Pool
	large  atomic.Int64 // octets handed out in buffers larger than common
}

func newBuffers(maxMessageSize int) *buffers {
	const page = 4 << 10
	need := (syslog.NewFramer(0, maxMessageSize).MinBuffer() + page - 1) &^ (page - 1)
	b := &buffers{sizes: []int{page, common, need, largest}}
	slices.Sort(b.sizes)
	b.sizes = slices.Compact(b.sizes)
	b.needed = slices.Index(b.sizes, need)
	b.pools = make([]sync.Pool, len(b.sizes))
	return b
}

func (b *buffers) get(class int) *buffer {
	if b.sizes[class] > common {
		b.large.Add(int64(b.sizes[class]))
	}
	if buf, ok := b.pools[class].Get().(*buffer); ok {
		return buf
	}
	return &buffer{class: class, data: make([]byte, b.sizes[class])}
}

func (b *buffers) put(buf *buffer) {
	if len(buf.data) > common {
		b.large.Add(-int64(len(buf.data)))
	}
	b.pools[buf.class].Put(buf)
}

// larger returns the class above, or the same where there is none or, unless it must
// be larger for a message to fit, the budget is used up.
func (b *buffers) larger(class int, must bool) int {
	next := class + 1
	switch {
	case next == len(b.sizes):
		return class
	case must && next <= b.needed:
	case b.sizes[next] > common && b.large.Load()+int64(b.sizes[next]) > largeBudget:
		return class
	}
	return next
}
