package relp

import (
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
	// starts are where in the tail the run may have begun, ascending.
	starts []int
	// sorted are the hashes of the tail.
	sorted []uint64
	// stamp is that of the first message of the run that has one with a fraction
	// of a second and is there once in the tail; 0 while there is none.
	stamp uint64
	// witnessed is set once the messages cannot but be those of the tail.
	witnessed bool
}

// newRun begins a run with its first message.
func newRun(tails []inputs.Tail, hash uint64) *run {
	r := &run{}
	for _, t := range tails {
		var starts []int
		for i, h := range t.Hashes {
			if h == hash {
				starts = append(starts, i)
			}
		}
		if len(starts) > 0 {
			sorted := slices.Clone(t.Hashes)
			slices.Sort(sorted)
			r.tails = append(r.tails, candidate{Tail: t, starts: starts, sorted: sorted})
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
				reached = &t.Tail
			}
		}
		t.starts = left
	}
	r.length++
	return reached
}

// open tells whether the run may still reach the end of a tail.
func (r *run) open() bool {
	return slices.ContainsFunc(r.tails, func(t candidate) bool { return len(t.starts) > 0 })
}

// isPart tells whether the run cannot but be a stretch of a tail, though it has not
// come to its end.
func (r *run) isPart() bool {
	return r != nil && r.length > 1 && slices.ContainsFunc(r.tails, func(t candidate) bool { return t.witnessed && len(t.starts) > 0 })
}

// witness takes into account what the next message of the run proves: one that
// has its microsecond for itself, or two that have each their own fraction of a
// second, do not come a second time.
func (t *candidate) witness(hash uint64, s stamp) {
	if t.witnessed || len(t.starts) == 0 || s.value == 0 || !t.once(hash) {
		return
	}
	t.witnessed = s.fine || t.stamp != 0 && t.stamp != s.value
	t.stamp = s.value
}

// once tells whether the tail holds the hash exactly once.
func (t *candidate) once(hash uint64) bool {
	i, found := slices.BinarySearch(t.sorted, hash)
	return found && (i+1 == len(t.sorted) || t.sorted[i+1] != hash)
}
