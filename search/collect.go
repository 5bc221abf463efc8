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

// collect reads a block and puts its matches into fresh, the greatest key first.
// Their records are valid until the next read.
func (s *scan) collect(b *block) error {
	records, err := s.log.read(b.blockInfo)
	s.stats.BlocksRead++
	switch {
	case errors.Is(err, errRemoved):
		s.stats.RemovedBlocks++
		return nil
	case errors.Is(err, errDamaged):
		s.stats.DamagedBlocks++
		return nil
	case err != nil:
		return err
	}
	s.stats.Octets += int64(len(records))

	var e syslog.Event
	literal := s.query.literal
	hit := -1 // where literal stands next, known once passed
	position := b.First
	for start := 0; start < len(records); position++ {
		record, rest := syslog.NextRecord(records[start:])
		if record == nil {
			s.stats.DamagedBlocks++
			break
		}
		from := start
		start = len(records) - len(rest)
		if literal != nil {
			if hit < from {
				if hit, _ = literal.index(records, from); hit < 0 {
					break
				}
			}
			if hit >= start {
				continue
			}
		}
		if err := e.Decode(record, &s.names); err != nil {
			s.stats.UnreadableEvents++
			continue
		}
		t := e.TimeNano()
		if t < s.since || t > s.until {
			continue
		}
		k := s.order.key(t, position)
		if b.again && k.compare(b.upper) > 0 || s.full() && k.compare(s.waiting[s.limit-1].key) < 0 {
			continue
		}
		if s.matcher.Match(&e) {
			s.fresh = append(s.fresh, held{k, record, b})
		}
	}
	slices.SortFunc(s.fresh, func(a, b held) int { return b.compare(a.key) })
	if s.limit >= 0 && len(s.fresh) > s.limit {
		s.fresh = s.fresh[:s.limit]
	}
	return nil
}

// full tells whether as many matches wait as are wanted.
func (s *scan) full() bool { return s.limit >= 0 && len(s.waiting) >= s.limit }

// admit merges the fresh matches into those that wait, and drops what is beyond
// the limit or the bound on memory.
func (s *scan) admit() {
	if len(s.fresh) == 0 {
		return
	}
	for i := range s.fresh {
		s.octets += s.fresh[i].size()
	}
	waiting := make([]held, 0, len(s.waiting)+len(s.fresh))
	borrowed := make([]bool, 0, len(s.waiting)+len(s.fresh))
	i, j := 0, 0
	for i < len(s.waiting) || j < len(s.fresh) {
		old := j == len(s.fresh) || i < len(s.waiting) && s.waiting[i].compare(s.fresh[j].key) > 0
		if old {
			waiting = append(waiting, s.waiting[i])
			i++
		} else {
			waiting = append(waiting, s.fresh[j])
			j++
		}
		borrowed = append(borrowed, !old)
	}
	s.fresh = s.fresh[:0]
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
	if b.slot < 0 {
		heap.Push(&s.queue, b)
		return
	}
	heap.Fix(&s.queue, b.slot)
}
