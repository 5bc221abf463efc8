package pipeline

import (
	"math/bits"
	"sync"
)

// buffers keeps buffers for records between submits, by their size: were any of them
// used for any batch, each would grow in time to the size of the largest batch, and
// what waits for the disk would take many times the memory of its records.
type buffers struct {
	classes [maxClass + 1]sync.Pool
}

// The sizes of buffers are 4 KiB, 6 KiB, 8 KiB, 12 KiB and so on up to 4 MiB: a rare
// huge batch must not hold its memory for ever.
const (
	minShift = 12
	maxShift = 22
	maxClass = 2 * (maxShift - minShift)
)

func classSize(class int) int { return (2 + class%2) << (minShift - 1 + class/2) }

// classOf returns the smallest class of buffers of at least n octets; beyond maxClass
// there are no classes.
func classOf(n int) int {
	if n <= 1<<minShift {
		return 0
	}
	shift := bits.Len(uint(n-1)) - 1 // 1<<shift < n <= 2<<shift
	if n <= 3<<(shift-1) {
		return 2*(shift-minShift) + 1
	}
	return 2 * (shift + 1 - minShift)
}

// sizeFor is how many octets the buffer has that get returns for n.
func sizeFor(n int) int {
	if class := classOf(n); class <= maxClass {
		return classSize(class)
	}
	return n
}

// get returns an empty buffer for n octets.
func (b *buffers) get(n int) *[]byte {
	if class := classOf(n); class <= maxClass {
		if buf, ok := b.classes[class].Get().(*[]byte); ok {
			return buf
		}
	}
	buf := make([]byte, 0, sizeFor(n))
	return &buf
}

// put takes a buffer back, which may have grown.
func (b *buffers) put(buf *[]byte) {
	size := cap(*buf)
	if size < classSize(0) {
		return
	}
	class := classOf(size)
	if class > maxClass {
		return
	}
	if classSize(class) > size {
		class-- // it serves those that want less
	}
	*buf = (*buf)[:0]
	b.classes[class].Put(buf)
}
