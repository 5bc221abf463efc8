package pipeline

import (
	"time"

	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/route"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/transform"
)

// Rules are what an administrator decided about messages, in the order in which
// they are applied. The zero Rules let everything through as it is.
type Rules struct {
	// Transforms change messages; nil for none.
	Transforms *transform.Chain
	// Routes say which outputs a message is for; nil for all.
	Routes *route.Table
}

// idle tells whether the rules change nothing.
func (r *Rules) idle() bool { return r.Transforms == nil && r.Routes == nil }

// judge applies the rules to the events of one batch.
type judge struct {
	*Rules
	message match.Message
	// reader takes fields out of the texts of events that were read elsewhere; made
	// on demand.
	reader *reader
	// filtered counts what rules dropped: transforms by their index, and routes by
	// theirs behind.
	filtered []int
}

// begin prepares for a batch.
func (j *judge) begin() {
	if j.filtered == nil && !j.idle() {
		j.filtered = make([]int, transform.MaxTransforms+j.routes())
	}
	clear(j.filtered)
}

func (r *Rules) routes() int {
	if r.Routes == nil {
		return 0
	}
	return r.Routes.Routes()
}

// keep applies the rules to e and tells whether it is to be stored. Fields are
// taken out of its text by r; an event whose r is nil keeps those that it has.
func (j *judge) keep(r *reader, e *syslog.Event) bool {
	if j.idle() {
		if r != nil {
			r.takeFields(nil, e)
		}
		return true
	}
	j.message.Reset(e)
	if !j.transform(r, e) {
		return false
	}
	if j.Routes != nil {
		d := j.Routes.Decide(&j.message)
		if d.Drop {
			j.filtered[transform.MaxTransforms+d.Taken]++
			return false
		}
		e.Route = d.To
	}
	return true
}

// transform changes e and takes fields out of its text.
func (j *judge) transform(r *reader, e *syslog.Event) (kept bool) {
	result := transform.Result{Dropped: -1}
	if j.Transforms != nil {
		if result = j.Transforms.Apply(&j.message, e); result.Dropped >= 0 {
			j.filtered[result.Dropped]++
			return false
		}
	}
	switch {
	case r != nil:
		r.takeFields(result.Extract, e)
	case result.Extract != nil:
		if j.reader == nil {
			j.reader = newReader(Reading{}, time.Time{})
		}
		j.reader.takeFields(result.Extract, e)
	}
	if j.Transforms != nil {
		j.Transforms.Finish(e, result)
	}
	return true
}

// ruleName returns the name of the rule that filtered counts at i.
func (j *judge) ruleName(i int) string {
	if i < transform.MaxTransforms {
		return j.Transforms.Transform(i).Name
	}
	return j.Routes.Route(i - transform.MaxTransforms).Name
}

// count adds what was not kept to the counters of the input.
func (j *judge) count(c *inputCounters) {
	for i, n := range j.filtered {
		if n > 0 {
			c.filtered.WithLabelValues(j.ruleName(i)).Add(float64(n))
		}
	}
}
