package pipeline

import (
	"time"

	"github.com/syslane/syslane/internal/dedupe"
	"github.com/syslane/syslane/internal/limit"
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
	// Dedupe says where repeats are suppressed.
	Dedupe Dedupe
	// Limits hold back what comes too fast; each that a message matches must let it
	// pass.
	Limits []*limit.Rule

	// dedupes says that Dedupe has a table.
	dedupes bool
}

// idle tells whether the rules change nothing.
func (r *Rules) idle() bool {
	return r.Transforms == nil && r.Routes == nil && !r.dedupes && len(r.Limits) == 0
}

// judge applies the rules to the events of one batch.
type judge struct {
	*Rules
	message match.Message
	// reader takes fields out of the texts of events that were read elsewhere; made
	// on demand.
	reader *reader
	// full says that the batch has no room for fields.
	full bool
	// filtered counts what rules dropped: transforms by their index, and routes by
	// theirs behind. limited counts what limits held back, by theirs.
	filtered, limited []int
	// now is when the batch began; key is scratch space.
	now time.Time
	key []byte
	// repeats is what the batch adds to windows, nil where none are looked for;
	// suppressed counts its messages, and settled says that it is done.
	repeats    *dedupe.Batch
	suppressed int
	settled    bool
	// untold are the counts of all windows, in which so many octets are reserved.
	untold   *repeats
	reserved int
}

// begin prepares for a batch.
func (j *judge) begin() {
	if j.filtered == nil && !j.idle() {
		j.filtered = make([]int, transform.MaxTransforms+j.routes())
	}
	clear(j.filtered)
	if len(j.Limits) > 0 {
		if j.limited == nil {
			j.limited = make([]int, len(j.Limits))
		}
		clear(j.limited)
		j.now = time.Now()
	}
	if j.dedupes {
		j.repeats, j.suppressed, j.settled = dedupe.NewBatch(time.Now()), 0, false
		j.repeats.Describe = j.describe
	}
}

// settle says whether what was judged since begin is stored.
func (j *judge) settle(stored bool) {
	if j.repeats != nil && !j.settled {
		j.settled = true
		j.repeats.Done(stored)
		j.untold.release(j.reserved) // what is stored of it is counted by now
		j.reserved = 0
	}
}

// describe is describe where the counts of repeats have room for it.
func (j *judge) describe(e *syslog.Event) (description []byte, ok bool) {
	if !j.untold.reserve(maxRepeatEntry) {
		return nil, false
	}
	description = describe(e)
	if !j.untold.reserve(len(description)) {
		j.untold.release(maxRepeatEntry)
		return nil, false
	}
	j.reserved += maxRepeatEntry + len(description)
	return description, true
}

func (r *Rules) routes() int {
	if r.Routes == nil {
		return 0
	}
	return r.Routes.Routes()
}

// keep applies the rules to e and tells whether it is to be stored. Fields are
// taken out of its text by r, unless j is full; an event whose r is nil keeps those
// that it has.
func (j *judge) keep(r *reader, e *syslog.Event) bool {
	if j.idle() {
		if r != nil && !j.full {
			r.takeFields(nil, e)
		}
		return true
	}
	j.message.Reset(e)
	if !j.transform(r, e) {
		return false
	}
	taken := -1
	if j.Routes != nil {
		d := j.Routes.Decide(&j.message)
		if d.Drop {
			j.filtered[transform.MaxTransforms+d.Taken]++
			return false
		}
		e.Route, taken = d.To, d.Taken
	}
	return j.first(taken, e)
}

// first tells whether e is to be stored after repeats and limits: repeats cost no
// tokens, and what a limit holds back has no repeats.
func (j *judge) first(route int, e *syslog.Event) bool {
	var table *dedupe.Table
	// What tells of others' repeats and excess is no repeat.
	if j.dedupes && !j.message.Element(RepeatID) && !j.message.Element(LimitID) {
		table = j.Dedupe.table(e.Input, route)
	}
	if table != nil {
		if table.Repeats(j.repeats, &j.message, e) != nil {
			j.suppressed++
			return false
		}
	}
	for i, rule := range j.Limits {
		var ok bool
		if ok, j.key = rule.Allow(j.now, j.key, &j.message, e, describe); !ok {
			j.limited[i]++
			if table != nil {
				j.repeats.Undo()
			}
			return false
		}
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
	case j.full:
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
	for i, n := range j.limited {
		if n > 0 {
			c.limited.WithLabelValues(j.Limits[i].Name()).Add(float64(n))
		}
	}
}
