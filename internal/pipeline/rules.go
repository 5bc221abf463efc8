package pipeline

import (
	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/route"
	"github.com/syslane/syslane/internal/syslog"
)

// Rules are what an administrator decided about messages, in the order in which
// they are applied. The zero Rules let everything through as it is.
type Rules struct {
	// Routes say which outputs a message is for; nil for all.
	Routes *route.Table
}

// idle tells whether the rules change nothing.
func (r *Rules) idle() bool { return r.Routes == nil }

// judge applies the rules to the events of one batch.
type judge struct {
	*Rules
	message match.Message
	// filtered counts what routes dropped, by the route's index.
	filtered []int
}

// begin prepares for a batch.
func (j *judge) begin() {
	if j.Routes != nil && j.filtered == nil {
		j.filtered = make([]int, j.Routes.Routes())
	}
	clear(j.filtered)
}

// keep applies the rules to e and tells whether it is to be stored.
func (j *judge) keep(e *syslog.Event) bool {
	if j.Routes == nil {
		return true
	}
	j.message.Reset(e)
	d := j.Routes.Decide(&j.message)
	if d.Drop {
		j.filtered[d.Taken]++
		return false
	}
	e.Route = d.To
	return true
}

// count adds what was not kept to the counters of the input.
func (j *judge) count(c *inputCounters) {
	for i, n := range j.filtered {
		if n > 0 {
			c.filtered.WithLabelValues(j.Routes.Route(i).Name).Add(float64(n))
		}
	}
}
