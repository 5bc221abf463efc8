package spool

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Batch is what Append takes: records that become durable together.
type Batch struct {
	// Records is a run of records: each a uvarint length and that many octets.
	// At most MaxBatch octets.
	Records []byte
	// Count is the number of records in Records.
	Count int
	// MinTime and MaxTime bound the times of the records, in nanoseconds since
	// 1970. The log only keeps them, for those who search.
	MinTime, MaxTime int64
	// AsIs says that whoever reads the records may pass them on without looking at
	// each. The log keeps that with the block, where it holds for all of it.
	AsIs bool
	// Lent says that the log need not copy Records: nobody changes them until Append, or
	// the wait of Enqueue, returns, and never again where that is because its ctx has ended.
	Lent bool
	// Note is kept with the records and given back by Log.Notes; at most MaxNote
	// octets. A batch without records may have one.
	Note []byte
	// More says that more follows at once. The batch is then made durable together
	// with that: when a MiB waits, when a batch without More comes, or after two
	// milliseconds. A sync costs the same for a message as for thousands.
	More bool
}

// intake collects what was appended and not yet handed to the writer.
type intake struct {
	mu sync.Mutex
	// Guarded by mu:
	open    *block        // takes batches
	queue   []*block      // closed, in order
	free    []*block      // to be used again
	pending int64         // octets in open, in queue and with the writer
	space   chan struct{} // closed, and made anew, when room may have come
	closed  bool
	used    bool // since the last freeIdle
	corked  bool // only batches with Batch.More wait, and uncork will end that
	// starving is the room that each append wants which waits because the log is full,
	// refused the most that one wanted which may not wait, since it was last tried.
	starving []int64
	refused  int64

	// eager says that the writer takes closed blocks as they are sealed.
	eager  atomic.Bool
	wake   chan struct{} // of the writer; one signal is enough
	uncork *time.Timer   // wakes the writer
}

// signal wakes the writer.
func (in *intake) signal() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// freeBlocks bounds what is kept for reuse between bursts.
const freeBlocks = 32

// Append adds b to the log and returns the position of its first record once it
// is durable under Config.Sync. Until then it blocks, and also while
// Config.MaxPending octets wait to be written and, but under FullDropNewest, while
// the log is full.
//
// Appends from many goroutines share one sync. Those of one goroutine, one after
// the other, have increasing positions. An error means that b is not promised
// to be kept. It may be in the log all the same, for example when ctx ended while
// it was being written; it is then whole. After an error of the disk the next
// Append tries again.
//
// Append borrows b and keeps no reference to its octets, but for Batch.Lent. It
// allocates nothing per call once warm.
func (l *Log) Append(ctx context.Context, b Batch) (first uint64, err error) {
	t, offset, err := l.enqueue(ctx, &b)
	if err != nil {
		return 0, err
	}
	return t.wait(ctx, offset)
}

// Enqueue is the first half of Append: when it returns, b has its place after all
// that was enqueued before. wait is the second half; it must be called, once. An
// Enqueue with an error has no wait.
func (l *Log) Enqueue(ctx context.Context, b Batch) (wait func(context.Context) (first uint64, err error), err error) {
	t, offset, err := l.enqueue(ctx, &b)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (uint64, error) { return t.wait(ctx, offset) }, nil
}

// wait returns the position of the record at offset in the block once it is durable.
func (t *ticket) wait(ctx context.Context, offset uint64) (first uint64, err error) {
	select {
	case <-t.done:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if t.err != nil {
		return 0, t.err
	}
	return t.first + offset, nil
}

func (b *Batch) octets() int64 { return int64(len(b.Records) + len(b.Note)) }

func (b *Batch) check() error {
	if len(b.Records) > MaxBatch || len(b.Note) > MaxNote {
		return fmt.Errorf("append %d octets and a note of %d: %w (limits %d and %d)",
			len(b.Records), len(b.Note), ErrTooLarge, MaxBatch, MaxNote)
	}
	if n, ok := countRecords(b.Records); !ok || n != b.Count {
		return fmt.Errorf("append %d records: %w", b.Count, ErrInvalidBatch)
	}
	return nil
}

// enqueue copies b into the open block, or makes a block of it where it is lent, and
// large. It returns the ticket of the block and where in it b starts.
func (l *Log) enqueue(ctx context.Context, b *Batch) (*ticket, uint64, error) {
	if err := b.check(); err != nil {
		return nil, 0, err
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	in := &l.in
	in.mu.Lock()
	if err := l.waitForRoom(ctx, b.octets(), b.Count); err != nil {
		in.mu.Unlock()
		return nil, 0, err
	}
	var full [2]*block // those that this append closes, and so has to seal
	comp := l.compressorFor(in.pending)
	whole := b.Lent && int64(len(b.Records)) >= max(l.cfg.BlockSize/2, 1)
	if in.open != nil && (whole || !in.open.fits(b, l.cfg.BlockSize)) {
		full[0] = in.closeOpen()
	}
	if in.open == nil {
		in.open = in.newBlock(comp)
	}
	blk := in.open
	offset := uint64(blk.hdr.count)
	if whole {
		blk.borrow(b)
	} else {
		blk.add(b, l.cfg.BlockSize)
	}
	in.pending += b.octets()
	t := blk.t
	if whole || int64(blk.raw()) >= l.cfg.BlockSize {
		full[1] = in.closeOpen()
	}
	hold := b.More && in.pending < corkLimit
	if hold && !in.corked {
		in.uncork.Reset(corkTime)
	}
	in.corked = hold
	in.mu.Unlock()
	sealed := false
	for _, f := range full {
		if f != nil {
			f.seal(l.salt)
			sealed = true
		}
	}
	if eager := in.eager.Load(); eager && sealed || !eager && !hold {
		in.signal()
	}
	return t, offset, nil
}

// waitForRoom blocks until need octets may be taken. It is called with in.mu
// held, and returns with it held.
func (l *Log) waitForRoom(ctx context.Context, need int64, count int) error {
	in := &l.in
	for {
		if in.closed {
			return ErrClosed
		}
		full := l.isFull(in.pending + need)
		if full {
			l.quota.pressure.Store(true)
			l.kickMaintenance() // which looks when in.mu is free
			if l.limits.Load().Full == FullDropNewest {
				in.refused = max(in.refused, need)
				l.quota.droppedNewest.Add(uint64(count))
				return ErrDropped
			}
		} else if in.pending == 0 || in.pending+need <= l.limits.Load().MaxPending {
			return nil
		}
		space := in.space
		if full {
			in.starving = append(in.starving, need)
		}
		in.mu.Unlock()
		in.signal() // what waits may all be corked
		var err error
		select {
		case <-space:
		case <-ctx.Done():
			err = ctx.Err()
		}
		in.mu.Lock()
		if full {
			i := slices.Index(in.starving, need)
			in.starving = slices.Delete(in.starving, i, i+1)
		}
		if err != nil {
			return err
		}
	}
}

// closeOpen moves the open block to the queue.
func (in *intake) closeOpen() *block {
	b := in.open
	in.open = nil
	in.queue = append(in.queue, b)
	return b
}

func (in *intake) newBlock(comp *compressor) *block {
	b := &block{}
	if n := len(in.free); n > 0 {
		b, in.free = in.free[n-1], in.free[:n-1]
	}
	b.reset(comp)
	in.used = true
	return b
}

// take hands the writer, in dst, the closed blocks that are sealed, and where there are
// no others, and it does not write ahead of a sync, the open one as well, which is not
// sealed (mine). closed says that nothing will follow.
func (in *intake) take(dst []*block, ahead bool) (blocks []*block, mine *block, closed bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.eager.Store(true) // before it is looked what is sealed: who seals one then looks at this after
	n := 0
	for n < len(in.queue) && in.queue[n].isSealed() {
		n++
	}
	blocks = append(dst[:0], in.queue[:n]...)
	in.queue = slices.Delete(in.queue, 0, n)
	if ahead || len(in.queue) > 0 {
		return blocks, nil, false
	}
	in.eager.Store(false)
	in.corked = false
	if mine = in.open; mine != nil {
		in.open = nil
		blocks = append(blocks, mine)
	}
	return blocks, mine, in.closed
}

// stored counts what was pending in blocks as octets of the log, in one step: counted
// twice for an instant, it would let go, or refuse, what there is room for.
func (l *Log) stored(blocks []*block, octets int64) {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	l.in.settle(blocks)
	l.bytes.Add(octets)
}

// settle ends that blocks are pending. in.mu is held.
func (in *intake) settle(blocks []*block) {
	for _, b := range blocks {
		in.pending -= b.taken
		b.taken = 0
	}
}

// release takes the blocks of a group back, written or not.
func (in *intake) release(group []*block, size int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.settle(group)
	for _, b := range group {
		b.lent = nil
		if len(in.free) < freeBlocks && int64(cap(b.buf)) <= 2*(size+blockHeaderSize) {
			in.free = append(in.free, b)
		}
	}
	in.broadcast()
}

// freeIdle gives the blocks back that are kept for reuse, where nothing was appended
// since the last call.
func (in *intake) freeIdle() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.used {
		in.free = nil
	}
	in.used = false
}

// wanted is the room that the largest append wants which the full log holds up, or
// refused. in.mu is held.
func (in *intake) wanted() int64 {
	most := in.refused
	for _, need := range in.starving {
		most = max(most, need)
	}
	return most
}

// broadcast wakes those that wait for room. in.mu is held.
func (in *intake) broadcast() {
	close(in.space)
	in.space = make(chan struct{})
}

func (l *Log) wakeAppenders() {
	l.in.mu.Lock()
	l.in.broadcast()
	l.in.mu.Unlock()
}
