package journal

import (
	"context"
	"sync"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
)

// batch is what is submitted at once.
type batch struct {
	inputs.Batch
	places    []inputs.Place
	sequences map[inputs.SequenceID]struct{} // that places name
	counted   int                            // what of it is counted in memory.queued
}

func (b *batch) reset() {
	b.Reset()
	if cap(b.Data) > maxKeptBuffer {
		b.Data = nil
	}
	b.places = b.places[:0]
	clear(b.sequences)
}

// queue carries entries from the side of an upload that reads to the side that
// submits. While one batch is on its way to the disk the next is filled, so that
// under load one fsync serves many entries, and without it none waits.
type queue struct {
	mu      sync.Mutex // guards what follows
	more    *sync.Cond // signalled when an entry was added or the queue closed
	filling *batch     // nil where nothing waits
	closed  bool
	err     error

	memory *memory
	input  string
	// isGone tells whether the client is gone, and giveUp ends the waiting for the turn of
	// what is to be submitted.
	isGone func() bool
	giveUp context.CancelFunc
	// room has a token when the batch being filled was taken or the submitting side
	// gave up; done is closed when that side has ended.
	room, done chan struct{}
}

// newQueue returns a queue of messages from origin, and begins to submit them. isGone
// tells whether nobody waits any more for their being stored.
func newQueue(ctx context.Context, sink inputs.SequenceSink, m *memory, input string, origin inputs.Origin, isGone func() bool) *queue {
	q := &queue{memory: m, input: input, isGone: isGone, room: make(chan struct{}, 1), done: make(chan struct{})}
	q.more = sync.NewCond(&q.mu)
	turn, giveUp := context.WithCancel(ctx)
	q.giveUp = giveUp
	go q.submit(ctx, turn, sink, origin)
	return q
}

// add puts an entry into the queue. It waits for room, and returns an error once
// the submitting side has given up.
func (q *queue) add(e *entry, p inputs.Place) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.err == nil && q.isFull(p.Sequence) {
		q.mu.Unlock()
		q.await(q.room)
		q.mu.Lock()
	}
	if q.err != nil {
		return q.err
	}
	b := q.filling
	if b == nil {
		b = q.memory.batch()
		b.Input, b.Received = q.input, time.Now()
		q.filling = b
	}
	start := uint32(len(b.Data))
	b.Data = appendMessage(b.Data, e)
	frame := inputs.Frame{Span: syslog.Span{Start: start, End: uint32(len(b.Data))}}
	if e.truncated() {
		frame.Warnings = syslog.WarnTruncated
	}
	b.Frames = append(b.Frames, frame)
	b.places = append(b.places, p)
	b.sequences[p.Sequence] = struct{}{}
	q.count(b, len(b.Data)-int(start)+perEntry)
	q.more.Signal()
	return nil
}

// await waits for c. Where the client goes meanwhile it gives up what waits for its turn:
// who sent it sends it again, and would otherwise be waited with once for each time that
// it came while the log took nothing.
func (q *queue) await(c <-chan struct{}) {
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		select {
		case <-c:
			return
		case <-look.C:
			if q.isGone() {
				q.fail(errGone)
				q.giveUp()
			}
		}
	}
}

// fail notes why nothing more is stored, and tells the side that reads.
func (q *queue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.hasRoom()
}

// hasRoom wakes the side that reads. The caller holds mu.
func (q *queue) hasRoom() {
	select {
	case q.room <- struct{}{}:
	default:
	}
}

// count counts n more octets of b.
func (q *queue) count(b *batch, n int) {
	b.counted += n
	q.memory.queued.Add(int64(n))
}

// isFull tells whether the batch being filled can take no entry of the sequence. The
// caller holds mu.
func (q *queue) isFull(id inputs.SequenceID) bool {
	b, octets, entries := q.filling, maxBatchOctets, maxBatchEntries
	if b == nil {
		return false
	}
	if q.memory.isShort() {
		octets, entries = littleOctets, littleEntries
	}
	if len(b.Data) >= octets || len(b.Frames) >= entries {
		return true
	}
	_, known := b.sequences[id]
	return !known && len(b.sequences) >= inputs.MaxSequences
}

// submit hands batches to the sink until the queue is closed and empty, or the
// sink fails.
func (q *queue) submit(ctx, turn context.Context, sink inputs.SequenceSink, origin inputs.Origin) {
	defer close(q.done)
	for {
		b := q.take()
		if b == nil {
			return
		}
		b.Origins = append(b.Origins, origin)
		err := sink.SubmitSequence(ctx, turn, &b.Batch, b.places)
		q.count(b, -b.counted)
		if err != nil {
			q.fail(err)
			return
		}
		b.reset()
		q.memory.batches.Put(b)
	}
}

// take waits for a batch; nil when there is none and never will be.
func (q *queue) take() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.filling == nil {
		if q.closed {
			return nil
		}
		q.more.Wait()
	}
	b := q.filling
	q.filling = nil
	q.hasRoom()
	return b
}

// finish waits until everything in the queue is durable, and returns the error
// of the sink otherwise. It is called once, by the side that reads.
func (q *queue) finish() error {
	q.mu.Lock()
	q.closed = true
	q.more.Signal()
	q.mu.Unlock()
	q.await(q.done)
	q.giveUp()
	if b := q.filling; b != nil { // it could not be stored
		q.count(b, -b.counted)
	}
	return q.err
}
