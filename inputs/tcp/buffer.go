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
	// connections hold needs, for speed alone. Beyond it connections work with the
	// smallest, and beyond half of it with the common ones, so that the memory of an
	// input is at most max_connections × max_message_size, and this.
	largeBudget = 12 << 20
	// common is the size in which reads are hardly dearer than in larger ones.
	common = 32 << 10
)

// buffer holds what a connection has received, and the batch made of it.
type buffer struct {
	class  int
	data   []byte
	frames []inputs.Frame
}

// buffers hands out buffers of some sizes. A connection begins with the smallest and
// takes a larger one when it fills what it has. It gives that back while it waits, for
// more to come or for the disk; over TLS it keeps it until it is silent.
type buffers struct {
	sizes  []int
	needed int // the class that holds any message
	pools  []sync.Pool
	large  atomic.Int64 // octets handed out in buffers larger than the smallest
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
	if class > 0 {
		b.large.Add(int64(b.sizes[class]))
	}
	if buf, ok := b.pools[class].Get().(*buffer); ok {
		return buf
	}
	return &buffer{class: class, data: make([]byte, b.sizes[class])}
}

func (b *buffers) put(buf *buffer) {
	if buf.class > 0 {
		b.large.Add(-int64(len(buf.data)))
	}
	b.pools[buf.class].Put(buf)
}

// larger returns the class above, or the same where there is none.
func (b *buffers) larger(class int) int { return min(class+1, len(b.sizes)-1) }

// smallest returns the class that has room behind what is held of a message.
func (b *buffers) smallest(held int) int {
	class := 0
	for class < b.needed && b.sizes[class] <= held {
		class++
	}
	return class
}

// affordable returns the class that is wanted, or the largest below that the budget
// allows; at least that which a message needs.
func (b *buffers) affordable(wanted, needed int) int {
	for ; wanted > needed; wanted-- {
		budget := int64(largeBudget)
		if b.sizes[wanted] > common {
			budget /= 2
		}
		if b.large.Load()+int64(b.sizes[wanted]) <= budget {
			break
		}
	}
	return max(wanted, needed)
}
