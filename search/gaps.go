package search

import (
	"slices"

	"github.com/syslane/syslane/spool"
)

// gaps are where segments end before the next one starts: the end of a segment is
// damaged or cut off, or one behind it was removed. Segments are told to it newest
// first. What the newest should hold nobody knows.
type gaps struct {
	list  []gap
	newer bool   // there is a segment behind
	bound uint64 // where it starts
}

// gap is one behind the segment that starts at first and ends at end.
type gap struct{ first, end uint64 }

// add takes note of a segment whose last block ends at a position.
func (g *gaps) add(s spool.Segment, end uint64) {
	if g.newer && end < g.bound {
		g.list = append(g.list, gap{s.First, end})
	}
	g.newer, g.bound = true, s.First
}

// count returns how many gaps there are. The segments are listed once more, for
// retention may have deleted one while they were listed: then those before it are gone
// as well.
func (g *gaps) count(view *spool.View) (n int, err error) {
	if len(g.list) == 0 {
		return 0, nil
	}
	segments, err := view.Segments()
	if err != nil {
		return 0, err
	}
	for _, gap := range g.list {
		if slices.ContainsFunc(segments, func(s spool.Segment) bool { return s.First == gap.first && s.Next > gap.end }) {
			n++
		}
	}
	return n, nil
}

// isLost tells whether a segment whose file is gone was removed by someone else than
// retention, which begins with the oldest. The newest may be one that was just started.
func isLost(view *spool.View, s spool.Segment) (bool, error) {
	if !s.Sealed {
		return false, nil
	}
	segments, err := view.Segments()
	n := len(segments)
	return n > 0 && segments[n-1].First <= s.First, err
}
