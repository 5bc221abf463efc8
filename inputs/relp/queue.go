package relp

import (
	"slices"
	"sync"

	"github.com/syslane/syslane/inputs"
)

// kind tells what a work is.
type kind uint8

const (
	messages kind = iota // batch, answered 200 for each of txnrs
	events               // events, answered 200 for txnrs[0]
	reply                // nothing to submit, only the answer
)

// work is what one turn of the submitting side does, and what it then answers.
type work struct {
	kind   kind
	batch  inputs.Batch
	tail   inputs.TailPart
	events inputs.EventBatch
	// buf is the memory of events.Events.
	buf   []byte
	txnrs []uint32
	reply []byte
	// counted is what of it is counted in memory.queued, inflated its part of
	// memory.inflated.
	counted  int
	inflated int64
}

func (w *work) octets() int { return len(w.batch.Data) + len(w.events.Events) }

// queue carries work from the side of a connection that reads to the side that
// submits and answers. While the last work in it waits, further messages are
// added to that: under load batches grow, and one fsync serves more messages.
type queue struct {
	mu sync.Mutex
	// more is signalled when work was added or the queue closed, room when work
	// was taken or the submitting side gave up.
	more, room *sync.Cond
	waiting    []*work
	// submitting is the work that was taken and has not been released.
	submitting *work
	// released is how many works were taken and given back.
	released uint64
	// closed: the reading side adds no more. failed: the submitting side takes no more.
	closed, failed bool

	memory *memory
	// uncounted are octets that are yet to be counted in memory.queued: all connections
	// count there, and to do so for each message would cost.
	uncounted int
	// held is what is counted in memory.queued of messages that are not in a work.
	held int
}

func newQueue(m *memory) *queue {
	q := &queue{memory: m}
	q.more, q.room = sync.NewCond(&q.mu), sync.NewCond(&q.mu)
	return q
}

// messages returns the work that the next message of n octets goes into. It waits
// for room, and returns nil once the submitting side has given up. The caller
// holds mu, and calls more.Signal when it has added what there is.
func (q *queue) messages(n int) *work {
	for {
		if q.failed {
			return nil
		}
		octets, most := maxBatchOctets, maxBatchMessages
		if q.memory.isShort() {
			octets, most = littleOctets, littleMessages
		}
		if last := len(q.waiting) - 1; last >= 0 {
			w := q.waiting[last]
			if w.kind == messages && len(w.txnrs) < most && len(w.batch.Data)+n <= octets {
				q.count(w, n+perMessage)
				return w
			}
		}
		if q.hasRoom(n) {
			w := q.memory.work()
			w.kind = messages
			q.waiting = append(q.waiting, w)
			q.count(w, n+perMessage)
			return w
		}
		q.more.Signal()
		q.room.Wait()
	}
}

// put adds w. It waits for room, and returns false once the submitting side has
// given up. The caller holds mu.
func (q *queue) put(w *work) bool {
	for !q.failed && !q.hasRoom(w.octets()) {
		q.more.Signal()
		q.room.Wait()
	}
	if q.failed {
		return false
	}
	q.waiting = append(q.waiting, w)
	q.count(w, w.octets()+perMessage)
	q.more.Signal()
	return true
}

// count counts n more octets of w. The caller holds mu.
func (q *queue) count(w *work, n int) {
	w.counted += n
	if q.uncounted += n; q.uncounted >= countStep || n < 0 {
		q.memory.queued.Add(int64(q.uncounted))
		q.uncounted = 0
	}
}

// uncount ends that w counts.
func (q *queue) uncount(w *work) {
	q.count(w, -w.counted)
	q.memory.inflated.Release(w.inflated)
	w.inflated = 0
}

// hold counts n octets of messages that are held back. The caller holds mu.
func (q *queue) hold(n int) {
	q.memory.queued.Add(int64(n - q.held))
	q.held = n
}

func (q *queue) hasRoom(n int) bool {
	if len(q.waiting) >= maxWaiting || len(q.waiting) > 0 && q.memory.isShort() {
		return false
	}
	for _, w := range q.waiting {
		n += w.octets()
	}
	return len(q.waiting) == 0 || n <= maxWaitingOctets
}

// take waits for work and returns the oldest; nil when there is none and never
// will be.
func (q *queue) take() *work {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 {
		if q.closed {
			return nil
		}
		q.more.Wait()
	}
	w := q.waiting[0]
	copy(q.waiting, q.waiting[1:])
	q.waiting[len(q.waiting)-1] = nil
	q.waiting = q.waiting[:len(q.waiting)-1]
	q.submitting = w
	q.room.Signal()
	return w
}

// busy tells whether the peer waits for an answer.
func (q *queue) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.submitting != nil || len(q.waiting) > 0
}

// holds tells whether a message with the hash waits or is being submitted. The
// caller holds mu.
func (q *queue) holds(hash uint64) bool {
	for _, w := range q.waiting {
		if slices.Contains(w.tail.Hashes, hash) {
			return true
		}
	}
	return q.submitting != nil && slices.Contains(q.submitting.tail.Hashes, hash)
}

// turn returns how many works will have been given back once all that is in the
// queue now is stored, and how many have been.
func (q *queue) turn() (will, have uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	will = q.released + uint64(len(q.waiting))
	if q.submitting != nil {
		will++
	}
	return will, q.released
}

// release gives back a work that was taken.
func (q *queue) release(w *work) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.submitting = nil
	q.released++
	q.uncount(w)
	w.batch.Reset()
	w.tail = inputs.TailPart{Hashes: w.tail.Hashes[:0]}
	w.events = inputs.EventBatch{}
	w.txnrs, w.reply = w.txnrs[:0], w.reply[:0]
	if cap(w.batch.Data) > maxKeptBuffer {
		w.batch.Data = nil
	}
	if cap(w.buf) > maxKeptBuffer {
		w.buf = nil
	}
	q.memory.works.Put(w)
}

// drop ends that what is left in the queue counts: the connection has ended.
func (q *queue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hold(0)
	for _, w := range q.waiting {
		q.uncount(w)
	}
	if q.submitting != nil {
		q.uncount(q.submitting)
	}
}

// close tells the submitting side that nothing will be added.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Signal()
}

// fail tells the reading side that nothing will be taken.
func (q *queue) fail() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failed, q.closed = true, true
	q.room.Signal()
}
