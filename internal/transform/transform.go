// Package transform changes messages before they are routed and stored: fields and
// structured data are set, moved and removed, values are redacted, messages sampled.
//
// A message whose octets were changed is one of RFC 5424 from then on (redaction
// alone leaves the form as it was), and says so by syslog.WarnTransformed.
package transform

import (
	"hash/fnv"
	"sync/atomic"

	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/redact"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
)

// Transform is one rule. Its parts are applied in the order of the fields.
type Transform struct {
	// Name names the transform in metrics and explanations.
	Name string
	// Match is the condition; nil matches every message.
	Match *match.Expr
	// Sample keeps some of the messages; nil keeps all.
	Sample *Sample
	// Rename moves values, Remove takes them away, Set gives them.
	Rename []Move
	Remove []Field
	Set    []Assignment
	// Tags are added as [tags@32473 tag="…"].
	Tags []string
	// Redact takes values out of the message and its envelope.
	Redact *redact.Redactor
	// Extract takes fields out of the text, once all transforms are applied.
	Extract *parser.Extractor
}

// Move is from where to where a value goes.
type Move struct{ From, To Field }

// Assignment gives a field a value.
type Assignment struct {
	To    Field
	Value string
}

// Sample keeps one in so many messages.
type Sample struct {
	// OneIn is how many messages one is kept of.
	OneIn uint64
	// By, where it is not nil, decides by a field of the message: all that share
	// its value are kept, or none. Otherwise it is every OneIn-th that is kept,
	// the first to begin with.
	By func(*match.Message) string

	count atomic.Uint64
}

func (s *Sample) keeps(m *match.Message) bool {
	if s.By == nil {
		return (s.count.Add(1)-1)%s.OneIn == 0
	}
	h := fnv.New64a()
	h.Write([]byte(s.By(m)))
	// The low bits of FNV alone are uneven for short texts.
	sum := h.Sum64()
	sum ^= sum >> 33
	sum *= 0xff51afd7ed558ccd
	sum ^= sum >> 33
	return sum%s.OneIn == 0
}

// Result says what became of a message.
type Result struct {
	// Dropped is the index of the transform that dropped it, -1 where none did.
	Dropped int
	// Applied are the transforms that matched, by a bit each.
	Applied uint64
	// Extract are those that want fields extracted, the last of them; nil for none.
	Extract *parser.Extractor
}

// Chain is a list of transforms, applied one after the other. It serves many
// goroutines at once.
type Chain struct{ transforms []*Transform }

// NewChain returns a chain.
func NewChain(transforms []*Transform) *Chain { return &Chain{transforms} }

// Len returns how many transforms there are.
func (c *Chain) Len() int { return len(c.transforms) }

// Transform returns the transform of that index.
func (c *Chain) Transform(i int) *Transform { return c.transforms[i] }

// Apply changes e, for which m stands; afterwards m stands for e as it is then.
func (c *Chain) Apply(m *match.Message, e *syslog.Event) Result {
	r := Result{Dropped: -1}
	for i, t := range c.transforms {
		if t.Match != nil && !t.Match.Match(m) {
			continue
		}
		r.Applied |= 1 << i
		if t.Sample != nil && !t.Sample.keeps(m) {
			r.Dropped = i
			return r
		}
		if t.apply(e) {
			m.Reset(e)
		}
		if t.Extract != nil {
			r.Extract = t.Extract
		}
	}
	return r
}

// Finish ends what Apply began, once fields are extracted.
func (c *Chain) Finish(e *syslog.Event, r Result) {
	for i, t := range c.transforms {
		if t.Redact != nil && r.Applied&(1<<i) != 0 {
			t.Redact.ApplyExtracted(e)
		}
	}
}

// MaxTransforms is the most transforms that a chain can have.
const MaxTransforms = 64

// apply tells whether it changed anything.
func (t *Transform) apply(e *syslog.Event) (changed bool) {
	if len(t.Rename)+len(t.Remove)+len(t.Set)+len(t.Tags) > 0 {
		d := draft{Draft: syslog.NewDraft(e)}
		for _, m := range t.Rename {
			if value, ok := d.get(m.From); ok {
				d.remove(m.From)
				d.set(m.To, value)
			}
		}
		for _, f := range t.Remove {
			d.remove(f)
		}
		for _, a := range t.Set {
			d.set(a.To, []byte(a.Value))
		}
		for _, tag := range t.Tags {
			d.tag(tag)
		}
		if d.changed {
			d.finish(e)
			changed = true
		}
	}
	if t.Redact != nil && t.Redact.Apply(e) {
		changed = true
	}
	return changed
}
