package spool

import (
	"math"
	"slices"
)

// MaxSpans is how many spans a cursor can have passed beyond its position.
const MaxSpans = 8

// Span is the positions from From on up to To, which is not one of them.
type Span struct{ From, To uint64 }

// spans are what a cursor has passed beyond its position: in order, and with
// something between that has not been passed.
type spans struct {
	n  int
	of [MaxSpans]Span // those behind n are zero
}

func (s *spans) list() []Span { return s.of[:s.n] }

// sum returns the number of positions in all spans.
func (s *spans) sum() (n uint64) {
	for _, sp := range s.list() {
		n += sp.To - sp.From
	}
	return n
}

// end returns the position after everything that has been passed.
func (s *cursorState) end() uint64 {
	if n := s.ahead.n; n > 0 {
		return s.ahead.of[n-1].To
	}
	return s.position
}

// passed returns the number of positions that were passed, those that were passed
// twice counted twice.
func (s *cursorState) passed() uint64 {
	return s.position + s.ahead.sum() + s.rewound - s.start
}

// open returns the number of positions from the cursor's up to one that have not
// been passed.
func (s *cursorState) open(to uint64) (n uint64) {
	if to <= s.position {
		return 0
	}
	n = to - s.position
	for _, sp := range s.ahead.list() {
		n -= min(sp.To, max(sp.From, to)) - sp.From
	}
	return n
}

// remaining returns what has not been passed.
func (s *cursorState) remaining() (list []Span) {
	from := s.position
	for _, sp := range s.ahead.list() {
		list = append(list, Span{from, sp.From})
		from = sp.To
	}
	return append(list, Span{from, math.MaxUint64})
}

// fresh tells whether nothing from from up to to has been passed.
func (s *cursorState) fresh(from, to uint64) bool {
	return from >= s.position && !slices.ContainsFunc(s.ahead.list(), func(sp Span) bool { return sp.From < to && from < sp.To })
}

// pass notes that what lies from from up to to has been passed. false: it would
// be a span too many.
func (s *cursorState) pass(from, to uint64) bool {
	if from >= to {
		return true
	}
	list := s.ahead.list()
	if from <= s.position {
		s.position = max(s.position, to)
		for len(list) > 0 && list[0].From <= s.position {
			s.position = max(s.position, list[0].To)
			list = list[1:]
		}
		s.ahead.set(list)
		return true
	}
	// Those that touch it become one with it.
	i := 0
	for i < len(list) && list[i].To < from {
		i++
	}
	j := i
	for j < len(list) && list[j].From <= to {
		from, to = min(from, list[j].From), max(to, list[j].To)
		j++
	}
	if i == j && len(list) == MaxSpans {
		return false
	}
	s.ahead.set(slices.Replace(slices.Clone(list), i, j, Span{from, to}))
	return true
}

// set replaces the spans.
func (s *spans) set(list []Span) {
	s.n = copy(s.of[:], list)
	clear(s.of[s.n:])
}
