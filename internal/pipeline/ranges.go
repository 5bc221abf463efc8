package pipeline

import "slices"

// maxRanges bounds how many ranges are remembered of a stream. What lies between
// the two oldest counts as stored when there are more: its sender has long had it
// acknowledged, by another receiver (docs/LINK.md, 6.2).
const maxRanges = 256

// span is the positions from first to before next.
type span struct{ first, next uint64 }

// ranges are positions, in order, with gaps between any two.
type ranges []span

// add joins the positions of s with those there are.
func (r ranges) add(s span) ranges {
	if s.next <= s.first {
		return r
	}
	// The ranges from i to before j touch s.
	i, _ := slices.BinarySearchFunc(r, s.first, func(have span, first uint64) int {
		if have.next < first {
			return -1
		}
		return 1
	})
	j := i
	for ; j < len(r) && r[j].first <= s.next; j++ {
		s.first, s.next = min(s.first, r[j].first), max(s.next, r[j].next)
	}
	r = slices.Replace(r, i, j, s)
	if len(r) > maxRanges {
		r[1].first = r[0].first
		r = slices.Delete(r, 0, 1)
	}
	return r
}

// missing returns the positions of s that are not there.
func (r ranges) missing(s span) (gaps []span) {
	for _, have := range r {
		if have.next <= s.first {
			continue
		}
		if have.first >= s.next {
			break
		}
		if have.first > s.first {
			gaps = append(gaps, span{s.first, have.first})
		}
		s.first = have.next
	}
	if s.first < s.next {
		gaps = append(gaps, s)
	}
	return gaps
}

// has tells whether a position is there.
func (r ranges) has(at uint64) bool {
	_, found := slices.BinarySearchFunc(r, at, func(have span, at uint64) int {
		switch {
		case have.next <= at:
			return -1
		case have.first > at:
			return 1
		}
		return 0
	})
	return found
}

// last returns r in at most n ranges. What lies between the oldest counts as there.
func (r ranges) last(n int) ranges {
	drop := len(r) - n
	if drop <= 0 {
		return r
	}
	kept := slices.Clone(r[drop:])
	kept[0].first = r[0].first
	return kept
}

// end is the position after the last one, 0 where there is none.
func (r ranges) end() uint64 {
	if len(r) == 0 {
		return 0
	}
	return r[len(r)-1].next
}
