package node

import (
	"github.com/syslane/syslane/internal/dedupe"
	"github.com/syslane/syslane/internal/limit"
	"github.com/syslane/syslane/internal/transform"
)

// memory is where rules remember something from message to message: which part of the
// configuration has made each of them. A part that is the same after a reload goes on
// with what it has.
type memory struct {
	limits  remembered[*limit.Rule]
	tables  remembered[*dedupe.Table]
	samples remembered[*transform.Sample]
}

// remembered are things by the name and fingerprint of the part that made them.
type remembered[T comparable] map[string]T

func (r *remembered[T]) add(part string, thing T) {
	if *r == nil {
		*r = make(remembered[T])
	}
	(*r)[part] = thing
}

// before returns what a part had before, in the place of what it has now.
func (r remembered[T]) before(old remembered[T], now T) T {
	for part, thing := range r {
		if before, ok := old[part]; ok && thing == now {
			r[part] = before
			return before
		}
	}
	return now
}

// adopt makes the rules of p go on with what those of old remember.
func (p *Plan) adopt(old *Plan) {
	for i, rule := range p.Rules.Limits {
		p.Rules.Limits[i] = p.memory.limits.before(old.memory.limits, rule)
	}
	tables, before := p.memory.tables, old.memory.tables
	d := &p.Rules.Dedupe
	d.Default = tables.before(before, d.Default)
	for name, t := range d.Inputs {
		d.Inputs[name] = tables.before(before, t)
	}
	for i, t := range d.Routes {
		d.Routes[i] = tables.before(before, t)
	}
	if chain := p.Rules.Transforms; chain != nil {
		for i := range chain.Len() {
			t := chain.Transform(i)
			t.Sample = p.memory.samples.before(old.memory.samples, t.Sample)
		}
	}
}
