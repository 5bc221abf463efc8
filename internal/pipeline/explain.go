package pipeline

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/syslog"
)

// Explainer tells what the rules do with messages, without storing any.
type Explainer struct {
	input  string
	judge  *judge
	reader *reader
}

// Explanation says what becomes of one message.
type Explanation struct {
	// Event is the message as it would be stored.
	Event syslog.Event
	// Stored tells whether it would be.
	Stored bool
	// Reasons say which rules had a say, in the order of the rules.
	Reasons []string
}

// NewExplainer returns an explainer for messages of an input.
func NewExplainer(input string, r Reading, rules Rules) *Explainer {
	return &Explainer{input: input, judge: &judge{Rules: &rules}, reader: newReader(r, time.Now())}
}

// Explain judges one message. The explanation is valid until the next call.
func (x *Explainer) Explain(raw []byte, o inputs.Origin) Explanation {
	out := Explanation{Event: syslog.Event{ID: syslog.MakeID(time.Now(), [4]byte{}, 0), Input: x.input}}
	e := &out.Event
	e.Raw = raw
	x.reader.read(&o, e)
	out.Reasons, out.Stored = x.judge.reasons(x.reader, e)
	return out
}

// reasons does what keep does, and says in words why.
func (j *judge) reasons(r *reader, e *syslog.Event) (reasons []string, kept bool) {
	j.begin()
	j.message.Reset(e)
	if j.Transforms != nil {
		before := append([]byte(nil), e.Raw...)
		result := j.Transforms.Apply(&j.message, e)
		for i := range j.Transforms.Len() {
			if result.Applied&(1<<i) == 0 {
				continue
			}
			t := j.Transforms.Transform(i)
			what := "applied"
			if result.Dropped == i {
				what = "dropped by sampling"
			}
			reasons = append(reasons, fmt.Sprintf("transform %q: %s; %s", t.Name, what, why(t.Match)))
		}
		if result.Dropped >= 0 {
			return reasons, false
		}
		if !bytes.Equal(before, e.Raw) {
			reasons = append(reasons, "is now: "+string(e.Raw))
		}
		r.takeFields(result.Extract, e)
		j.Transforms.Finish(e, result)
	}
	if j.Routes == nil {
		return append(append(reasons, "there are no routes: to every output"), j.bounds(e, -1)...), true
	}
	taken := false
	for _, i := range j.Routes.Matching(&j.message) {
		r := j.Routes.Route(i)
		what := "to " + strings.Join(r.To, ", ")
		switch {
		case r.Drop:
			what = "dropped"
		case len(r.To) == 0:
			what = "only to the log"
		case r.Continue:
			what += ", and on"
		}
		taken = taken || !r.Continue
		reasons = append(reasons, fmt.Sprintf("route %q: %s; %s", r.Name, what, why(r.Match)))
	}
	if !taken {
		reasons = append(reasons, "no route takes it: to every output")
	}
	d := j.Routes.Decide(&j.message)
	if e.Route = d.To; d.Drop {
		return reasons, false
	}
	return append(reasons, j.bounds(e, d.Taken)...), true
}

// bounds says what may still keep e from being stored, by what else comes.
func (j *judge) bounds(e *syslog.Event, route int) (reasons []string) {
	if j.Dedupe.table(e.Input, route) != nil {
		reasons = append(reasons, "dedupe: its repeats are counted and not stored")
	}
	for _, rule := range j.Limits {
		if c := rule.Condition(); c == nil || c.Match(&j.message) {
			reasons = append(reasons, fmt.Sprintf("limit %q: it needs a token; %s", rule.Name(), why(c)))
		}
	}
	return reasons
}

// why says what made a rule hold.
func why(e *match.Expr) string {
	if e == nil {
		return "it has no match and takes every message"
	}
	return "match = " + strings.Join(strings.Fields(e.String()), " ")
}
