package search

import (
	"container/heap"
	"errors"
	"slices"

	"github.com/syslane/syslane/internal/syslog"
)

// errDamaged and errRemoved are what log.read returns for a block that cannot be
// read, and one that retention has deleted since.
var (
	errDamaged = errors.New("damaged block")
	errRemoved = errors.New("block was removed")
)

// collect reads a block and returns its matches, the greatest key first. Their
// records are valid until the worker reads again.
func (g *gathering) collect(w *worker) {
	g.err = w.each(g.block.blockInfo, &g.stats,
		func(t int64, position uint64) bool {
			k := g.order.key(t, position)
			return !(g.again && k.compare(g.upper) > 0 || g.full && k.compare(g.floor) < 0)
		},
		func(_ *syslog.Event, record []byte, t int64, position uint64) {
			g.fresh = append(g.fresh, held{g.order.key(t, position), record, g.block})
		})
	slices.SortFunc(g.fresh, func(a, b held) int { return b.compare(a.key) })
	if g.limit >= 0 && len(g.fresh) > g.limit {
		g.fresh = g.fresh[:g.limit]
	}
}

// gathering is the reading of one block. What it was told of the search is as it
// was when it started, and so it may find more than is wanted.
type gathering struct {
	block *block
	upper key
	again bool
	order Order
	limit int
	// floor is the least key that is wanted where the search is full.
	floor key
	full  bool
	// void tells that the block is to be read again for what was found here.
	void bool

	fresh []held
	stats Stats
	err   error
}

// full tells whether as many matches wait as are wanted.
func (s *scan) full() bool { return s.limit >= 0 && len(s.waiting) >= s.limit }

// admit merges the fresh matches into those that wait, and drops what is beyond
// the limit or the bound on memory.
func (s *scan) admit(fresh []held) {
	if len(fresh) == 0 {
		return
	}
	for i := range fresh {
		s.octets += fresh[i].size()
	}
	waiting := make([]held, 0, len(s.waiting)+len(fresh))
	borrowed := make([]bool, 0, len(s.waiting)+len(fresh))
	i, j := 0, 0
	for i < len(s.waiting) || j < len(fresh) {
		old := j == len(fresh) || i < len(s.waiting) && s.waiting[i].compare(fresh[j].key) > 0
		if old {
			waiting = append(waiting, s.waiting[i])
			i++
		} else {
			waiting = append(waiting, fresh[j])
			j++
		}
		borrowed = append(borrowed, !old)
	}
	for s.limit >= 0 && len(waiting) > s.limit {
		waiting = s.dropLast(waiting)
	}
	if s.octets > s.maxHeld {
		for len(waiting) > 1 && s.octets > s.maxHeld/2 {
			last := waiting[len(waiting)-1]
			waiting = s.dropLast(waiting)
			s.readAgain(last.block, last.key)
		}
	}
	for i := range waiting {
		if borrowed[i] {
			waiting[i].record = slices.Clone(waiting[i].record)
		}
	}
	s.waiting = waiting
}

func (s *scan) dropLast(waiting []held) []held {
	last := &waiting[len(waiting)-1]
	s.octets -= last.size()
	*last = held{}
	return waiting[:len(waiting)-1]
}

// readAgain queues a block for the events up to k, which were dropped. All that
// wait are above k, so those of the block at or below it are taken once.
func (s *scan) readAgain(b *block, k key) {
	b.upper, b.again = k, true
	for _, g := range s.reading {
		if g.block == b {
			g.void = true // this reading finds a part of what the next will
		}
	}
	if b.slot < 0 {
		heap.Push(&s.queue, b)
		return
	}
	heap.Fix(&s.queue, b.slot)
}
