// Package route decides which outputs a message is for.
//
// Routes are asked in their order. The first that matches takes the message: it
// goes to the outputs of the route, or is dropped. One that continues adds its
// outputs, and those behind it are asked as well. What no route takes goes to
// every output.
package route

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/syslog"
)

// MaxOutputs is the most outputs that routes can tell apart.
const MaxOutputs = 64

// Route is one rule.
type Route struct {
	// Name names the route in metrics and explanations.
	Name string
	// Match is the condition; nil matches every message.
	Match *match.Expr
	// To names outputs; with none of them the message stays in the log alone.
	To []string
	// Drop throws the message away, before it is stored.
	Drop bool
	// Continue asks the routes behind as well.
	Continue bool
}

// Table is an ordered list of routes. It may be used by many goroutines at once.
type Table struct {
	routes []rule
	// names are the outputs that routes name, by the bit that stands for each.
	names []string

	mu sync.RWMutex
	// unions are the routes to several rules' outputs, by their bits.
	unions map[uint64]syslog.Route
}

// rule is a route with its outputs ready for use.
type rule struct {
	Route
	bits uint64
	to   syslog.Route
}

// Decision says what becomes of a message.
type Decision struct {
	// Taken is the index of the route that took the message, -1 where none did.
	Taken int
	// Drop says that the message is thrown away.
	Drop bool
	// To are the outputs; nil for all.
	To syslog.Route
}

// New returns a table. The routes must have passed Check.
func New(routes []Route) *Table {
	t := &Table{unions: make(map[uint64]syslog.Route)}
	bits := make(map[string]uint64)
	for _, r := range routes {
		out := rule{Route: r, to: syslog.NewRoute(r.To...)}
		for _, name := range r.To {
			if bits[name] == 0 {
				bits[name] = 1 << len(t.names)
				t.names = append(t.names, name)
			}
			out.bits |= bits[name]
		}
		t.routes = append(t.routes, out)
	}
	return t
}

// Routes returns how many routes there are.
func (t *Table) Routes() int { return len(t.routes) }

// Route returns the route of that index.
func (t *Table) Route(i int) *Route { return &t.routes[i].Route }

// Decide asks the routes about m.
func (t *Table) Decide(m *match.Message) Decision {
	var bits uint64
	continued := false
	for i := range t.routes {
		r := &t.routes[i]
		if r.Match != nil && !r.Match.Match(m) {
			continue
		}
		switch {
		case r.Continue:
			bits |= r.bits
			continued = true
		case r.Drop && !continued:
			return Decision{Taken: i, Drop: true}
		case !continued:
			return Decision{Taken: i, To: r.to}
		default:
			// What an earlier route wants somewhere is not dropped there.
			return Decision{Taken: i, To: t.union(bits | r.bits)}
		}
	}
	return Decision{Taken: -1}
}

// Matching returns the routes that had a say in the decision about m, by their
// index: those that continued, and the one that took it.
func (t *Table) Matching(m *match.Message) (indexes []int) {
	for i := range t.routes {
		if r := &t.routes[i]; r.Match == nil || r.Match.Match(m) {
			if indexes = append(indexes, i); !r.Continue {
				break
			}
		}
	}
	return indexes
}

// union returns the route to the outputs of several rules.
func (t *Table) union(bits uint64) syslog.Route {
	t.mu.RLock()
	to, ok := t.unions[bits]
	t.mu.RUnlock()
	if ok {
		return to
	}
	var names []string
	for i, name := range t.names {
		if bits&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	to = syslog.NewRoute(names...)
	t.unions[bits] = to
	return to
}

// Check tells which route cannot be meant as it stands, and why; err is nil where
// all can.
func Check(routes []Route) (index int, err error) {
	outputs := make(map[string]bool)
	for i, r := range routes {
		catchAll := r.Match == nil && !r.Continue
		for _, name := range r.To {
			outputs[name] = true
		}
		switch {
		case r.Drop && r.To != nil:
			return i, errors.New("drop throws the message away: it cannot go to outputs as well")
		case r.Drop && r.Continue:
			return i, errors.New("drop throws the message away: nothing is left for the routes behind")
		case !r.Drop && r.To == nil:
			return i, errors.New("say where to with to = [\"OUTPUT\", …] (to = [] keeps messages in the log alone), or drop = true")
		case r.Continue && len(r.To) == 0:
			return i, errors.New("a route that continues must name an output")
		case catchAll && i < len(routes)-1:
			return i + 1, fmt.Errorf("never reached: the route %q before it takes every message", r.Name)
		case r.Continue && !takesAll(routes):
			return i, errors.New("where there is a route that continues, the last route must have no match: it says where everything else goes")
		}
	}
	if len(outputs) > MaxOutputs {
		return len(routes) - 1, fmt.Errorf("routes name %d outputs, at most %d can be told apart: %q", len(outputs), MaxOutputs, slices.Sorted(maps.Keys(outputs)))
	}
	return 0, nil
}

// takesAll tells whether the last route takes what the others left.
func takesAll(routes []Route) bool {
	last := routes[len(routes)-1]
	return last.Match == nil && !last.Continue
}
