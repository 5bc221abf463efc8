package spool

import (
	"fmt"
	"slices"
	"sync/atomic"
)

// Start is where a new cursor starts.
type Start int

const (
	// FromTail starts at the oldest record kept.
	FromTail Start = iota
	// FromHead starts at the next record.
	FromHead
)

// Counts are what became of the records that a commit passes.
type Counts struct {
	// Delivered were taken by the destination.
	Delivered uint64
	// DeadLettered were refused for good and kept elsewhere.
	DeadLettered uint64
	// Dropped were given up by the policy of the log.
	Dropped uint64
	// Skipped are not for the destination.
	Skipped uint64
}

func (c Counts) sum() uint64 { return c.Delivered + c.DeadLettered + c.Dropped + c.Skipped }

// Cursor is the durable place of one reader, by name: the position of the next
// record it has to deliver, and the spans beyond that it has passed already. No
// record at or behind the position is deleted, but by FullDropOldest. Its methods
// may be used from many goroutines at once.
type Cursor struct {
	l    *Log
	name string

	// Guarded by l.cursorsMu:
	state   cursorState
	dirty   bool   // state is not on disk
	version uint64 // counts changes, so that one during a write is not missed
	durable uint64 // position on disk
	opened  bool   // by this run
	dropped bool   // by DropCursor

	// passed is state.position for those who only want to know it.
	passed atomic.Uint64
}

// cursorState is what the file of a cursor holds.
type cursorState struct {
	start    uint64 // position at which it started
	position uint64
	ahead    spans  // passed beyond position
	rewound  uint64 // positions it was moved back, in all
	counts   Counts
	updated  int64 // unix ns
}

// missing returns the records that were passed without being counted: lost to
// damage.
func (s *cursorState) missing() uint64 {
	passed := s.passed()
	if n := s.counts.sum(); n < passed {
		return passed - n
	}
	return 0
}

// Cursor opens a cursor, or makes one that starts as told and writes it before it
// returns. Two calls with one name return the same cursor. A cursor that stands
// before Tail goes on at Tail: what lies between counts as missing.
func (l *Log) Cursor(name string, start Start) (*Cursor, error) {
	if name == "" || len(name) > MaxCursorName {
		return nil, fmt.Errorf("open cursor %q: a name has 1 to %d octets", name, MaxCursorName)
	}
	l.cursorFilesMu.Lock()
	defer l.cursorFilesMu.Unlock()
	// l.mu is held throughout, so that no segment goes between choosing the
	// position and being known to hold it.
	l.mu.RLock()
	defer l.mu.RUnlock()
	l.cursorsMu.Lock()
	defer l.cursorsMu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	c := l.cursors[name]
	if c == nil {
		at := l.tailLocked()
		if start == FromHead {
			at = l.head
		}
		c = &Cursor{l: l, name: name, state: cursorState{start: at, position: at}}
		c.state.updated = l.cfg.Now().UnixNano()
		c.passed.Store(at)
		if err := l.writeCursor(name, c.state); err != nil {
			return nil, fmt.Errorf("make cursor %s: %w", name, err)
		}
		c.durable = at
		l.cursors[name] = c
	}
	c.opened = true
	return c, nil
}

// Name returns the name of the cursor.
func (c *Cursor) Name() string { return c.name }

// Position returns the position of the next record to deliver.
func (c *Cursor) Position() uint64 { return c.passed.Load() }

// Ahead returns the spans beyond Position that have been passed, in order. There
// are at most MaxSpans, and positions between that have not been passed.
func (c *Cursor) Ahead() []Span {
	c.l.cursorsMu.Lock()
	defer c.l.cursorsMu.Unlock()
	return slices.Clone(c.state.ahead.list())
}

// Remaining returns what has not been passed, in order. The last span is all from some
// position on, also what is yet to come.
func (c *Cursor) Remaining() []Span {
	c.l.cursorsMu.Lock()
	defer c.l.cursorsMu.Unlock()
	return c.state.remaining()
}

// Commit moves the cursor to pos: all before it need not be delivered again. n
// says what became of the records between; what it leaves out counts as missing.
// The move is seen at once and durable within Config.CursorInterval, after Sync,
// and after Log.Close; a crash before delivers again. ErrPosition if pos is
// before the cursor or beyond Head.
func (c *Cursor) Commit(pos uint64, n Counts) error {
	l := c.l
	head := l.Head()
	l.cursorsMu.Lock()
	defer l.cursorsMu.Unlock()
	s := &c.state
	// FullDropOldest may have moved the cursor over records that were being
	// delivered; then pos may lie before it.
	if pos > head || pos < s.position && !l.dropsOldest.Load() {
		return fmt.Errorf("commit cursor %s to %d: %w between %d and %d", c.name, pos, ErrPosition, s.position, head)
	}
	s.pass(s.position, pos)
	c.count(n)
	return nil
}

// CommitSpan is Commit for the positions from from up to to alone, which may lie
// beyond Position: it moves only once all before them has been passed too.
// ErrPosition if they are not within the log, or some of them have been passed,
// or if there were more than MaxSpans.
func (c *Cursor) CommitSpan(from, to uint64, n Counts) error {
	l := c.l
	head := l.Head()
	l.cursorsMu.Lock()
	defer l.cursorsMu.Unlock()
	s := &c.state
	if from > to || to > head || !s.fresh(from, to) && !l.dropsOldest.Load() {
		return fmt.Errorf("commit cursor %s from %d to %d: %w between %d and %d, or not open", c.name, from, to, ErrPosition, s.position, head)
	}
	if !s.pass(from, to) {
		return fmt.Errorf("commit cursor %s from %d to %d: %w, as it has %d spans beyond %d", c.name, from, to, ErrPosition, MaxSpans, s.position)
	}
	c.count(n)
	return nil
}

// count adds to the totals what became of records that were passed.
// l.cursorsMu is held.
func (c *Cursor) count(n Counts) {
	s := &c.state
	s.counts.Delivered += n.Delivered
	s.counts.DeadLettered += n.DeadLettered
	s.counts.Dropped += n.Dropped
	s.counts.Skipped += n.Skipped
	// What was delivered after all was not dropped.
	if passed, sum := s.passed(), s.counts.sum(); sum > passed {
		s.counts.Dropped -= min(sum-passed, s.counts.Dropped)
	}
	c.touch()
}

// Rewind moves the cursor back to pos, so that all from there on is delivered,
// and counted, again, also what was passed beyond Position. ErrPosition if pos is
// before Tail or beyond the cursor.
func (c *Cursor) Rewind(pos uint64) error {
	l := c.l
	l.mu.RLock()
	defer l.mu.RUnlock()
	l.cursorsMu.Lock()
	defer l.cursorsMu.Unlock()
	if tail := l.tailLocked(); pos < tail || pos > c.state.position {
		return fmt.Errorf("rewind cursor %s to %d: %w between %d and %d", c.name, pos, ErrPosition, tail, c.state.position)
	}
	c.state.rewound += c.state.position - pos + c.state.ahead.sum()
	c.state.position, c.state.ahead = pos, spans{}
	// Before anything else: the segments that were only kept on disk because the
	// move is not durable yet are needed again.
	c.durable = min(c.durable, pos)
	c.touch()
	return nil
}

// touch follows every change of state. l.cursorsMu is held.
func (c *Cursor) touch() {
	c.state.updated = c.l.cfg.Now().UnixNano()
	before := c.passed.Swap(c.state.position)
	c.dirty = true
	c.version++
	if second := c.l.quota.second.Load(); c.l.quota.pressure.Load() && before < second && second <= c.state.position {
		c.l.kickMaintenance() // someone waits for the room of the oldest segment
	}
}

// Sync returns when the cursor is durable where it is.
func (c *Cursor) Sync() error { return c.l.syncCursor(c) }

// CursorStatus is what is known of a cursor.
type CursorStatus struct {
	Name string
	// Position is that of the next record to deliver, Start the first it had.
	Position, Start uint64
	// Ahead is the number of positions beyond Position that it has passed.
	Ahead uint64
	// Lag is the number of positions up to the head that it has not passed.
	Lag uint64
	// Rewound is the number of positions it was moved back, in all.
	Rewound uint64
	// Counts are totals since the cursor was made.
	Counts
	// Missing is the number of records that it passed but that could not be read.
	// Position + Ahead + Rewound - Start = Delivered + DeadLettered + Dropped + Skipped + Missing.
	Missing uint64
	// Updated is when it last moved, in nanoseconds since 1970.
	Updated int64
	// Open says that this run has opened it. One that is not, of an output that
	// was removed, still keeps its records until DropCursor.
	Open bool
}

func (s *cursorState) status(name string, head uint64) CursorStatus {
	return CursorStatus{
		Name: name, Position: s.position, Start: s.start, Ahead: s.ahead.sum(), Lag: s.open(head),
		Rewound: s.rewound, Counts: s.counts, Missing: s.missing(), Updated: s.updated,
	}
}

// Routed is the number of positions from Start up to the head, those that were
// delivered again counted again: Delivered + DeadLettered + Dropped + Skipped +
// Missing + Lag.
func (s *CursorStatus) Routed() uint64 { return s.Position + s.Ahead + s.Rewound - s.Start + s.Lag }

// Status returns what is known of the cursor.
func (c *Cursor) Status() CursorStatus {
	head := c.l.Head()
	c.l.cursorsMu.Lock()
	defer c.l.cursorsMu.Unlock()
	st := c.state.status(c.name, head)
	st.Open = c.opened
	return st
}
