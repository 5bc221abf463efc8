package pipeline

import (
	"fmt"
	"strings"
	"time"

	"github.com/syslane/syslane/inputs"
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
	x.judge.begin()
	out.Reasons = x.judge.reasons(e)
	out.Stored = x.judge.keep(e)
	return out
}

// reasons says in words what keep is about to decide.
func (j *judge) reasons(e *syslog.Event) (reasons []string) {
	if j.Routes == nil {
		return []string{"there are no routes: to every output"}
	}
	j.message.Reset(e)
	taken := false
	for _, i := range j.Routes.Matching(&j.message) {
		r := j.Routes.Route(i)
		why := "it has no match and takes every message"
		if r.Match != nil {
			why = "match = " + strings.Join(strings.Fields(r.Match.String()), " ")
		}
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
		reasons = append(reasons, fmt.Sprintf("route %q: %s; %s", r.Name, what, why))
	}
	if !taken {
		reasons = append(reasons, "no route takes it: to every output")
	}
	return reasons
}
