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
	// atOnce is how many connections that wait for their turn have one: more than there
	// are processors, for some wait for the log.
	atOnce = largeBudget / 4 / largest
)

// buffer holds what a connection has received, and the batch made of it.
type buffer struct {
	class  int
	data   []byte
	frames []inputs.Frame
}

// buffers hands out buffers of some sizes. A connection has the smallest while it waits,
// for more to come or for the disk, and waits for its turn with one of the largest to
// read. One that cannot know before it reads whether anything is there, over TLS or
// compressed, begins with the smallest instead, takes a larger one when it fills what
// it has, if that can be afforded, and over TLS keeps it until it is silent.
type buffers struct {
	sizes  []int
	needed int // the class that holds any message
	whole  int // the class of the largest, which takes all that a socket has
	pools  []sync.Pool
	large  atomic.Int64 // octets handed out in buffers larger than the smallest
	turns  turns
}

func newBuffers(maxMessageSize int) *buffers {
	const page = 4 << 10
	need := (syslog.NewFramer(0, maxMessageSize).MinBuffer() + page - 1) &^ (page - 1)
	b := &buffers{sizes: []int{page, common, need, largest}, turns: make(turns, atOnce)}
	slices.Sort(b.sizes)
	b.sizes = slices.Compact(b.sizes)
	b.needed, b.whole = slices.Index(b.sizes, need), slices.Index(b.sizes, largest)
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

// turns are tokens of those connections that read and parse, with a large buffer. With
// many connections few work at once, each on all that its socket has, rather than all on
// a little: that costs fewer calls and fewer batches, and what is worked on stays in the
// processors' caches. They go to those that wait in the order in which these came.
type turns chan struct{}

// take waits for a turn. false: given up before.
func (t turns) take(givenUp <-chan struct{}) bool {
	select {
	case t <- struct{}{}:
		return true
	case <-givenUp:
		return false
	}
}

// end gives the turn to the next.
func (t turns) end() { <-t }
