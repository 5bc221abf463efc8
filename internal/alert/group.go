package alert

import (
	"math"
	"slices"
	"time"
)

// State is what a group has come to.
type State string

// The states. Pending means that the condition holds, and not long enough.
const (
	Inactive State = "inactive"
	Pending  State = "pending"
	Firing   State = "firing"
)

// cell counts the messages of one step of time.
type cell struct {
	at uint32 // steps since 1970
	n  uint32
}

// group is what is known of the messages with the same values.
type group struct {
	key    string
	values []string
	cells  []cell // in order of time
	// last is when the latest message was received, in nanoseconds; 0: never.
	last   int64
	sample []byte

	state State
	// since is when the state began; told, when it was told last.
	since, told int64
	// value is the count, or the seconds of silence, when it was evaluated last.
	value uint64
	// late and lateTo are the first and the last step that have got a message after
	// their window was over; late is noStep where none has.
	late, lateTo uint32
	// held is the last step in whose window the condition was seen to hold: what
	// comes late does not make it hold there once more.
	held uint32
	// lateUntil is how long a late message makes the condition hold.
	lateUntil int64
	// queued tells that it is to be evaluated.
	queued bool
}

const noStep = math.MaxUint32

// count adds a message to a step. It returns how many cells more there are.
func (g *group) count(at uint32) int {
	n := len(g.cells)
	i := n
	if n > 0 && g.cells[n-1].at >= at {
		i, _ = slices.BinarySearchFunc(g.cells, at, func(c cell, at uint32) int {
			if c.at < at {
				return -1
			} else if c.at > at {
				return 1
			}
			return 0
		})
	}
	if i < n && g.cells[i].at == at {
		if g.cells[i].n < math.MaxUint32 {
			g.cells[i].n++
		}
		return 0
	}
	g.cells = slices.Insert(g.cells, i, cell{at, 1})
	return 1
}

// forget drops the cells up to a step. It returns how many.
func (g *group) forget(upTo uint32) int {
	i := 0
	for i < len(g.cells) && g.cells[i].at <= upTo {
		i++
	}
	if i > 0 {
		g.cells = slices.Delete(g.cells, 0, i)
		if cap(g.cells) > 4*(len(g.cells)+16) {
			g.cells = append([]cell(nil), g.cells...) // the rest of the memory is given back
		}
	}
	return i
}

// trim drops the cells behind a step. It returns how many.
func (g *group) trim(behind uint32) int {
	n := len(g.cells)
	for n > 0 && g.cells[n-1].at > behind {
		n--
	}
	dropped := len(g.cells) - n
	g.cells = g.cells[:n]
	return dropped
}

// within counts the messages behind a step.
func (g *group) within(behind uint32) (n uint64) {
	for i := len(g.cells) - 1; i >= 0 && g.cells[i].at > behind; i-- {
		n += uint64(g.cells[i].n)
	}
	return n
}

// most returns the largest count of as many steps that follow each other, of those
// windows that end from one step on and before another.
func (g *group) most(steps, from, before uint32) (most uint64) {
	first, n := 0, uint64(0)
	for _, c := range g.cells {
		n += uint64(c.n)
		for g.cells[first].at+steps <= c.at {
			n -= uint64(g.cells[first].n)
			first++
		}
		if from <= c.at && c.at < before && n > most {
			most = n
		}
	}
	return most
}

// stepOf is the length of the steps in which a window is counted, at least a second.
func stepOf(window time.Duration) time.Duration {
	step := (window + 59) / 60
	return max(time.Second, (step + time.Second - 1).Truncate(time.Second))
}
