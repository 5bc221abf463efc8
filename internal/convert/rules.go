package convert

import (
	"fmt"
	"slices"
	"strings"
)

// Rule says where messages go for which a condition holds.
type Rule struct {
	Place
	When Cond
	// To names outputs. Of a final rule none at all, nil, means that messages are
	// thrown away, and an empty list that they are kept for themselves.
	To []string
	// Final keeps such messages from the rules behind. Without it they are asked as
	// well.
	Final bool
}

// route is a rule as a [[route]].
type route struct {
	Rule
	drop, goesOn bool
}

// routes returns the [[route]] tables that say what the rules do. What no rule
// takes goes nowhere: that is how it was. There are none where every message goes
// to every output anyway.
func (d *Draft) routes() []route {
	var rules []Rule
	for _, r := range d.rules {
		if r.When.Nothing() || len(r.To) == 0 && !r.Final {
			continue
		}
		// Neighbours with one condition are one rule.
		if last := len(rules) - 1; last >= 0 && rules[last].When == r.When && !rules[last].Final {
			for _, name := range r.To {
				if !slices.Contains(rules[last].To, name) {
					rules[last].To = append(slices.Clone(rules[last].To), name)
				}
			}
			rules[last].Final = r.Final
		} else {
			rules = append(rules, r)
		}
		if r.When.Always() && r.Final {
			break // nothing gets further
		}
	}
	if len(rules) == 1 && rules[0].When.Always() && len(rules[0].To) == len(d.outputs) || len(d.outputs) == 0 {
		return nil
	}
	var routes []route
	for i, r := range rules {
		last := i == len(rules)-1 && r.When.Always()
		routes = append(routes, route{Rule: r, drop: r.Final && r.To == nil, goesOn: !r.Final && !last})
	}
	if n := len(routes); n == 0 || !routes[n-1].When.Always() || routes[n-1].goesOn {
		at := Place{}
		if n > 0 {
			at = routes[n-1].Place
		}
		routes = append(routes, route{Rule: Rule{Place: at, To: []string{}}})
	}
	return routes
}

func (r *route) write(b *strings.Builder) {
	if len(r.To) == 0 && !r.drop && r.When.Always() {
		b.WriteString("\n# What no rule above takes was written nowhere.\n[[route]]\nto = []\n")
		return
	}
	fmt.Fprintf(b, "\n# %s\n[[route]]\n", r.Place)
	if !r.When.Always() {
		fmt.Fprintf(b, "match = %s\n", quote(r.When.String()))
	}
	if r.drop {
		b.WriteString("drop = true\n")
		return
	}
	fmt.Fprintf(b, "to = %s\n", value(r.To))
	if r.goesOn {
		b.WriteString("continue = true\n")
	}
}
