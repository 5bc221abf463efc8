package search

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// Order is the order of results.
type Order string

const (
	// NewestFirst is the default order.
	NewestFirst Order = "newest"
	// OldestFirst is the order of time.
	OldestFirst Order = "oldest"
)

// Request is what to search for.
type Request struct {
	// Query is in the language that the package comment describes.
	Query string
	// Since and Until bound the events' time: Since ≤ time < Until. A zero time
	// is no bound.
	Since, Until time.Time
	// Limit is the most results; 0 means all.
	Limit int
	// Order is that of the results; "" means NewestFirst.
	Order Order
	// Before is the position in the log before which the results stand; 0 means
	// no bound.
	Before uint64
	// Progress, if it is there, is told now and then how far the search is.
	Progress func(Progress)
}

// Progress tells how far a search is.
type Progress struct {
	// Blocks is how many have to be looked at, unless enough is found before;
	// Done is how many were.
	Blocks int `json:"blocks"`
	Done   int `json:"done"`
	// Octets is how much was searched, decompressed.
	Octets int64 `json:"octets"`
}

// progressInterval is how often Request.Progress is called.
const progressInterval = 100 * time.Millisecond

// Stats tell what a search did.
type Stats struct {
	// Matched is the number of results given out.
	Matched int `json:"matched"`
	// Blocks is the number of blocks of the log within the time range, and
	// BlocksRead how often one was read; a block can be read more than once.
	Blocks     int `json:"blocks"`
	BlocksRead int `json:"blocks_read"`
	// BlocksTallied were counted by what is kept about them, without reading.
	BlocksTallied int `json:"blocks_tallied"`
	// BlocksSkipped is the number of blocks that need not be read, for what is kept
	// about them shows that they hold no match.
	BlocksSkipped int `json:"blocks_skipped"`
	// Octets is how much was searched, decompressed.
	Octets int64 `json:"octets"`
	// DamagedBlocks is the number of blocks, or stretches where blocks should
	// be, that could not be read, and UnreadableEvents that of events of an
	// unknown version: what they hold was not searched. RemovedBlocks were
	// deleted by retention meanwhile.
	DamagedBlocks    int `json:"damaged_blocks"`
	UnreadableEvents int `json:"unreadable_events"`
	RemovedBlocks    int `json:"removed_blocks"`
	// Step is the width of the time spans of a histogram or rate.
	Step time.Duration `json:"-"`
}

// add adds what was read of blocks.
func (s *Stats) add(o *Stats) {
	s.BlocksRead += o.BlocksRead
	s.Octets += o.Octets
	s.DamagedBlocks += o.DamagedBlocks
	s.UnreadableEvents += o.UnreadableEvents
	s.RemovedBlocks += o.RemovedBlocks
}

// maxHeld bounds the octets of matches that wait for their turn. They wait while
// blocks that could hold an earlier one are unread; beyond the bound the last of
// them are dropped, and their blocks read again when their time has come.
const maxHeld = 32 << 20

// heldOverhead is what a waiting match costs beside its octets.
const heldOverhead = 96

// key orders results: the greater key comes first. Under NewestFirst it is time
// and position; under OldestFirst their complements.
type key struct {
	time     int64
	position uint64
}

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.time, o.time), cmp.Compare(k.position, o.position))
}

func (o Order) key(time int64, position uint64) key {
	if o == OldestFirst {
		return key{^time, ^position}
	}
	return key{time, position}
}

// block is one block of the log that is not, or not wholly, done.
type block struct {
	blockInfo
	// upper is the greatest key that an unread event of the block can have.
	upper key
	// again tells that the events above upper were taken before.
	again bool
	// slot is the place in the queue, -1 outside.
	slot int
}

// queue is a heap of blocks, the one with the greatest key first.
type queue []*block

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].upper.compare(q[j].upper) > 0 }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i]; q[i].slot, q[j].slot = i, j }
func (q *queue) Push(x any)        { b := x.(*block); b.slot = len(*q); *q = append(*q, b) }
func (q *queue) Pop() any {
	old := *q
	b := old[len(old)-1]
	*q = old[:len(old)-1]
	b.slot = -1
	return b
}

// held is a match that waits for its turn.
type held struct {
	key
	// record is borrowed from the buffer of the block until it is admitted.
	record []byte
	block  *block
}

func (h *held) size() int { return len(h.record) + heldOverhead }

// scan runs one search over one log. It reads blocks in the order of the greatest
// key that each can hold, keeps the matches sorted, and gives out those that no
// unread block can precede.
type scan struct {
	bounds
	log     log
	query   *Query
	order   Order
	limit   int // results still wanted; -1 means all
	maxHeld int

	queue    queue
	reading  []*gathering // in the order in which they were started
	waiting  []held       // greatest key first
	octets   int          // of waiting
	given    key          // of the match that was handed out last
	names    syslog.Interner
	stats    Stats
	progress progress
}

// bounds are those of a search in time and in the log.
type bounds struct {
	since, until int64  // since ≤ time ≤ until
	from, below  uint64 // positions
}

func boundsOf(q *Query, r Request) bounds {
	b := bounds{q.since, q.until, 0, math.MaxUint64}
	if !r.Since.IsZero() {
		b.since = max(b.since, unixNano(r.Since))
	}
	if !r.Until.IsZero() {
		b.until = min(b.until, max(unixNano(r.Until), math.MinInt64+1)-1)
	}
	if r.Before > 0 {
		b.below = r.Before
	}
	return b
}

// worker returns a worker on l.
func (b bounds) worker(ctx context.Context, l log, q *Query) *worker {
	return &worker{ctx: ctx, reader: l.reader(), query: q, matcher: q.Matcher(), since: b.since, until: b.until, from: b.from, below: b.below}
}

// progress tells now and then how far a search is.
type progress struct {
	tell func(Progress)
	next time.Time
}

func (p *progress) at(blocks, done int, octets int64) {
	if p.tell == nil {
		return
	}
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(progressInterval)
		p.tell(Progress{blocks, done, octets})
	}
}

// blockInfo is what the log knows of a block without reading it.
type blockInfo struct {
	spool.BlockInfo
	segment int // index in the list of segments
	// unindexed tells that skip data of the block would be of use, and there are
	// none.
	unindexed bool
}

// log is what is searched.
type log interface {
	// blocks calls f for each block whose times touch [since, until], in any
	// order. damaged is the number of stretches where there should be blocks.
	blocks(ctx context.Context, since, until int64, f func(blockInfo)) (damaged int, err error)
	// reader returns what reads blocks that blocks has listed.
	reader() reader
}

// reader reads blocks. It is for one goroutine.
type reader interface {
	// read returns the run of records of a block, valid until the next call.
	read(b blockInfo) (records []byte, err error)
	close()
}

func newScan(l log, q *Query, r Request) (*scan, error) {
	s := &scan{log: l, query: q, bounds: boundsOf(q, r), order: r.Order, limit: r.Limit, maxHeld: maxHeld, progress: progress{tell: r.Progress}}
	switch s.order {
	case "":
		s.order = NewestFirst
	case NewestFirst, OldestFirst:
	default:
		return nil, fmt.Errorf("order %q is none of %s, %s", r.Order, NewestFirst, OldestFirst)
	}
	if r.Limit < 0 {
		return nil, fmt.Errorf("limit %d is negative; 0 means all", r.Limit)
	}
	if r.Limit == 0 {
		s.limit = -1
	}
	return s, nil
}

// unixNano is t.UnixNano, clamped to the years that it can hold, 1678 to 2262.
func unixNano(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// run calls emit for each result in order. The event is valid during the call.
func (s *scan) run(ctx context.Context, emit func(*syslog.Event) error) error {
	damaged, err := s.log.blocks(ctx, s.since, s.until, func(b blockInfo) {
		if b.First >= s.below {
			return
		}
		if b.Skip != nil && !s.query.may(b.Skip) {
			s.stats.BlocksSkipped++
			return
		}
		b.Skip = nil // not to be held while the search runs
		upper := s.order.key(b.MaxTime, b.First+uint64(b.Count)-1)
		if s.order == OldestFirst {
			upper = s.order.key(b.MinTime, b.First)
		}
		s.queue = append(s.queue, &block{blockInfo: b, upper: upper, slot: len(s.queue)})
	})
	if err != nil {
		return err
	}
	s.stats.DamagedBlocks = damaged
	s.stats.Blocks = len(s.queue) + s.stats.BlocksSkipped
	heap.Init(&s.queue)
	workers := newPool(func() *worker { return s.worker(ctx, s.log, s.query) })
	defer workers.close()
	var e syslog.Event
	for {
		for len(s.waiting) > 0 && s.precedes(s.waiting[0].key) {
			if err := s.give(&e, emit); err != nil || s.limit == 0 {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		for len(s.queue) > 0 && workers.room() {
			g := s.gather(heap.Pop(&s.queue).(*block))
			s.reading = append(s.reading, g)
			workers.start(g.collect)
		}
		if len(s.reading) == 0 {
			return nil
		}
		workers.wait()
		g := s.reading[0]
		s.reading = s.reading[1:]
		s.stats.add(&g.stats)
		if g.err != nil {
			return g.err
		}
		if !g.void {
			s.admit(g.fresh)
		}
		s.progress.at(s.stats.Blocks, s.stats.Blocks-len(s.queue), s.stats.Octets)
	}
}

// precedes tells whether no event that is unread can come before k.
func (s *scan) precedes(k key) bool {
	if len(s.queue) > 0 && k.compare(s.queue[0].upper) <= 0 {
		return false
	}
	for _, g := range s.reading {
		if !g.void && k.compare(g.upper) <= 0 {
			return false
		}
	}
	return true
}

// gather prepares the reading of a block.
func (s *scan) gather(b *block) *gathering {
	g := &gathering{block: b, upper: b.upper, again: b.again, order: s.order, limit: s.limit}
	if s.full() && len(s.waiting) > 0 {
		g.full, g.floor = true, s.waiting[s.limit-1].key
	}
	return g
}

// give hands the first waiting match out.
func (s *scan) give(e *syslog.Event, emit func(*syslog.Event) error) error {
	h := s.waiting[0]
	s.waiting[0] = held{}
	s.waiting = s.waiting[1:]
	s.octets -= h.size()
	s.given = h.key
	if err := e.Decode(h.record, &s.names); err != nil {
		return fmt.Errorf("decode a found event: %w", err)
	}
	if s.limit > 0 {
		s.limit--
	}
	s.stats.Matched++
	return emit(e)
}
