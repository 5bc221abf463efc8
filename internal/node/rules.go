package node

import (
	"errors"
	"fmt"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/dedupe"
	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/route"
)

// planRules turns the tables of rules into what the pipeline applies. Errors are
// kept by the file.
func (p *Plan) planRules(f *config.File) {
	p.planTransforms()
	p.planRoutes()
	p.planDedupe(f)
	p.planLimits()
}

// ruleKeys are the keys that every kind of rule has.
type ruleKeys struct {
	Name string `toml:"name"`
	// Match is a condition (docs/RULES.md); without one the rule
	// holds for every message.
	Match string `toml:"match"`
}

// compile reads the condition of a rule; nil where there is none.
func (r *ruleKeys) compile(t config.Table) (*match.Expr, error) {
	if !t.Has("match") {
		return nil, nil
	}
	e, err := match.Compile(r.Match)
	var wrong *match.Error
	if errors.As(err, &wrong) {
		return nil, t.ErrorInside("match", wrong.Offset, "%s", wrong.Text)
	}
	return e, err
}

// planRoutes reads the tables [[route]].
func (p *Plan) planRoutes() {
	tables := p.Config.Routes
	if len(tables) == 0 {
		return
	}
	names, outputs := newNames("route"), p.outputNames()
	routes, repeats := make([]route.Route, 0, len(tables)), make(map[int]*dedupe.Table)
	for _, t := range tables {
		var c struct {
			ruleKeys
			// To names outputs; [] keeps messages in the log alone.
			To []string `toml:"to"`
			// Drop throws messages away before they are stored.
			Drop bool `toml:"drop"`
			// Continue asks the routes behind as well.
			Continue bool `toml:"continue"`
			// Dedupe suppresses repeats among what the route takes.
			Dedupe *dedupeKeys `toml:"dedupe"`
		}
		if t.Decode(&c) != nil {
			continue
		}
		r := route.Route{To: c.To, Drop: c.Drop, Continue: c.Continue}
		var err error
		if r.Name, err = names.take(t, c.Name, fmt.Sprintf("route-%d", len(routes)+1)); err != nil {
			continue
		}
		if r.Match, err = c.compile(t); err != nil {
			continue
		}
		for i, name := range c.To {
			if !outputs[name] {
				t.Errorf(fmt.Sprintf("to[%d]", i), "no output has this name%s", config.Suggest(name, kinds(outputs)))
			}
		}
		if c.Dedupe != nil {
			repeats[len(routes)] = c.Dedupe.table(t, "dedupe.")
			p.memory.tables.add("route "+r.Name+" "+t.Fingerprint(), repeats[len(routes)])
		}
		routes = append(routes, r)
	}
	if len(routes) < len(tables) {
		return // with some left out, no more can be said of the others
	}
	if i, err := route.Check(routes); err != nil {
		tables[i].ErrorHere("%v", err)
		return
	}
	p.Rules.Routes, p.Rules.Dedupe.Routes = route.New(routes), repeats
}

// outputNames are the names that a rule can send messages to. Outputs whose tables
// are wrong count: they are in the errors already.
func (p *Plan) outputNames() map[string]bool {
	outputs := make(map[string]bool)
	for _, o := range p.Outputs {
		outputs[o.Name] = true
	}
	for _, t := range p.Config.Outputs {
		if name := t.Text("name"); name != "" {
			outputs[name] = true
		}
	}
	return outputs
}
