package relp

import (
	"cmp"
	"slices"

	"github.com/syslane/syslane/inputs"
)

// run holds the first messages of a session against the ends of what its peer
// has brought before.
type run struct {
	tails []candidate
	// length is how many messages were added.
	length int
}

// candidate is a tail whose end the run may reach.
type candidate struct {
	inputs.Tail
	// starts are where in the tail the run may have begun; there is one at least.
	starts []int
	// stamp is that of the first message of the run that has one with a fraction
	// of a second and is there once in the tail; 0 while there is none.
	stamp uint64
	// witnessed is set once the messages cannot but be those of the tail, after sought
	// looks for one that says so.
	witnessed bool
	sought    int
}

// newRun begins a run with its first message. It puts the tails into another order.
func newRun(tails []inputs.Tail, hash uint64) *run {
	r := &run{}
	slices.SortFunc(tails, func(a, b inputs.Tail) int { return cmp.Compare(b.Moved, a.Moved) })
	for _, t := range tails {
		if len(r.tails) == maxCandidates {
			break
		}
		var starts []int
		for i := len(t.Hashes) - 1; i >= 0 && len(starts) < maxStarts; i-- {
			if t.Hashes[i] == hash {
				starts = append(starts, i)
			}
		}
		if len(starts) > 0 {
			r.tails = append(r.tails, candidate{Tail: t, starts: starts})
		}
	}
	return r
}

// add takes the next message. It returns the tail whose end the run has reached,
// which means that the whole run was sent again; nil where none is.
func (r *run) add(hash uint64, s stamp) (reached *inputs.Tail) {
	for i := range r.tails {
		t := &r.tails[i]
		t.witness(hash, s)
		left := t.starts[:0]
		for _, start := range t.starts {
			at := start + r.length
			switch {
			case t.Hashes[at] != hash:
			case at < len(t.Hashes)-1:
				left = append(left, start)
			case t.witnessed && reached == nil:
				tail := t.Tail
				reached = &tail
			}
		}
		t.starts = left
	}
	r.tails = slices.DeleteFunc(r.tails, func(t candidate) bool { return len(t.starts) == 0 })
	r.length++
	return reached
}

// open tells whether the run may still reach the end of a tail.
func (r *run) open() bool { return len(r.tails) > 0 }

// isPart tells whether the run cannot but be a stretch of a tail, though it has not
// come to its end.
func (r *run) isPart() bool {
	return r != nil && r.length > 1 && slices.ContainsFunc(r.tails, func(t candidate) bool { return t.witnessed })
}

// witness takes into account what the next message of the run proves: one that
// has its microsecond for itself, or two that have each their own fraction of a
// second, do not come a second time.
func (t *candidate) witness(hash uint64, s stamp) {
	if t.witnessed || s.value == 0 || !s.fine && s.value == t.stamp || t.sought == maxSought {
		return
	}
	if t.sought++; !t.once(hash) {
		return
	}
	t.witnessed = s.fine || t.stamp != 0 && t.stamp != s.value
	t.stamp = s.value
}

// once tells whether the tail holds the hash exactly once.
func (t *candidate) once(hash uint64) bool {
	i := slices.Index(t.Hashes, hash)
	return i >= 0 && !slices.Contains(t.Hashes[i+1:], hash)
}
