package tcp

import (
	"sync"
	"sync/atomic"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
)

const (
	// maxFrames is the most messages in one submit: with very short messages a
	// buffer takes several, and the memory for frames stays bounded.
	maxFrames = 16 << 10
	// largeSize is the size from which on buffers count against the budget.
	largeSize = 128 << 10
	// largeBudget bounds the buffers of one input that are made large for speed.
	// Beyond it connections work with smaller ones. A buffer that must be large
	// to hold the message that is arriving is always given, so that the bound of
	// an input's memory is max_connections × max_message_size + largeBudget; in
	// practice it is 4 KiB for each connection that is silent.
	largeBudget = 128 << 20
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
	large  atomic.Int64 // octets of large buffers handed out
}

func newBuffers(maxMessageSize int) *buffers {
	b := &buffers{sizes: []int{4 << 10, 32 << 10, largeSize, 512 << 10, 2 << 20}}
	need := syslog.NewFramer(0, maxMessageSize).MinBuffer()
	if last := b.sizes[len(b.sizes)-1]; need > last {
		b.sizes = append(b.sizes, need)
	}
	for b.sizes[b.needed] < need {
		b.needed++
	}
	b.pools = make([]sync.Pool, len(b.sizes))
	return b
}

func (b *buffers) get(class int) *buffer {
	if size := b.sizes[class]; size >= largeSize {
		b.large.Add(int64(size))
	}
	if buf, ok := b.pools[class].Get().(*buffer); ok {
		return buf
	}
	return &buffer{class: class, data: make([]byte, b.sizes[class])}
}

func (b *buffers) put(buf *buffer) {
	if len(buf.data) >= largeSize {
		b.large.Add(-int64(len(buf.data)))
	}
	b.pools[buf.class].Put(buf)
}

// larger returns the class above, or the same where there is none or the budget
// is used up. Up to what a message needs there is always one.
func (b *buffers) larger(class int, must bool) int {
	next := class + 1
	if next == len(b.sizes) {
		return class
	}
	if b.sizes[next] >= largeSize && !must && b.large.Load()+int64(b.sizes[next]) > largeBudget {
		return class
	}
	return next
}
