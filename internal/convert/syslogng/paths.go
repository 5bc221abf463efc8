package syslogng

import (
	"errors"
	"fmt"

	"github.com/syslane/syslane/internal/convert"
)

// paths translates the log paths: those for what no other takes come last.
func (t *translator) paths() {
	for _, fallback := range []bool{false, true} {
		for _, st := range t.statements {
			block := st.nodes[0].block
			if st.nodes[0].is("log") && hasFlag(block, "fallback") == fallback {
				t.top(st, block, fallback)
			}
		}
	}
}

func hasFlag(block []*node, flag string) bool {
	for _, n := range block {
		if n.is("flags") {
			for _, text := range texts(n.args) {
				if text == flag {
					return true
				}
			}
		}
	}
	return false
}

// top translates a log path that is none of another.
func (t *translator) top(st statement, block []*node, fallback bool) {
	entry := convert.Cond{}
	if !hasFlag(block, "catchall") {
		var from []string
		for _, n := range block {
			if n.is("source") {
				from = append(from, t.sourceOf(n)...)
			}
		}
		var err error
		if entry, err = t.from(from); err != nil {
			t.lose(st, "%v; the whole log path is left out", err)
			return
		}
	}
	if fallback {
		entry = entry.And(t.taken.Not())
	}
	through, ok := t.path(st, block, entry)
	if !ok {
		return
	}
	through = entry.And(through)
	if hasFlag(block, "final") {
		rule := convert.Rule{Place: st.at, When: through, Final: true}
		if sends(block) {
			rule.To = []string{} // none besides those of the rules before
		}
		t.draft.Rule(rule)
	}
	if !t.taken.TooLong() { // else a path for the rest is given up, whatever comes
		t.taken = t.taken.Or(through)
	}
}

// sends tells whether there is a destination in a path.
func sends(block []*node) bool {
	for _, n := range block {
		if n.is("destination") || n.braced && !n.is("source") && !n.is("filter") && sends(n.block) {
			return true
		}
	}
	return false
}

// path translates what is in a log path, or part of one, that messages enter for which
// a condition holds. It returns which of them come through to the end; where logs are
// embedded, which one of those has taken. What a path does comes in its order: a
// destination in front of a filter gets what the filter keeps back.
func (t *translator) path(st statement, block []*node, entry convert.Cond) (through convert.Cond, ok bool) {
	t.depth++
	defer func() { t.depth-- }()
	if t.depth > maxDepth {
		t.lose(st, "log paths are nested too deep")
		return convert.Never, false
	}
	// What gets this far of what enters, what embedded paths have taken of that, and
	// the final ones among them.
	when, taken, final := convert.Cond{}, convert.Never, convert.Never
	embedded := false
	var branches *branching
	for i, n := range block {
		if n.is(";") {
			continue
		}
		here := entry.And(when)
		if here.TooLong() || taken.TooLong() {
			t.lose(st, "the condition gets longer than anyone would read")
			return convert.Never, false
		}
		at := st
		at.at.Line, at.text = n.line, "log { … "+n.text+"(…) … }"
		t.at = at
		switch n.word() {
		case "source", "flags":
		case "filter":
			c, err := t.filterOf(n)
			if err != nil {
				t.lose(at, "%v; what comes behind in the log path is left out", err)
				return convert.Never, false
			}
			when = when.And(c)
		case "destination":
			if to := t.destinationOf(at, n); len(to) > 0 {
				t.draft.Rule(convert.Rule{Place: at.at, When: here, To: to})
			}
		case "log":
			embedded = true
			if hasFlag(n.block, "fallback") {
				continue
			}
			c, _ := t.path(at, n.block, here.And(final.Not()))
			taken = taken.Or(c)
			if hasFlag(n.block, "final") {
				final = final.Or(c)
			}
		case "junction":
			when = when.And(t.junction(at, n.block, here))
		case "channel":
			c, ok := t.path(at, n.block, here)
			if !ok {
				return convert.Never, false
			}
			when = when.And(c)
		case "if":
			branches = &branching{entry: here, dropped: convert.Never}
			fallthrough
		case "elif", "else":
			if branches == nil {
				t.lose(at, "there is no if before it")
				continue
			}
			t.branch(at, n, branches)
			if next := following(block[i+1:]); next == nil || !next.is("elif") && !next.is("else") {
				when, branches = when.And(branches.dropped.Not()), nil
			}
		case "parser", "rewrite":
			t.lose(at, "%s in a log path: see [[transform]] in docs/RULES.md", n.word())
		default:
			t.lose(at, "no part of a log path that is known here")
		}
	}
	if !embedded {
		return when, true
	}
	rest := entry.And(when).And(taken.Not())
	for _, n := range block {
		if n.is("log") && hasFlag(n.block, "fallback") {
			at := st
			at.at.Line, at.text = n.line, "log { … log { … } … }"
			c, _ := t.path(at, n.block, rest)
			taken = taken.Or(c)
		}
	}
	return when.And(taken), true
}

// following returns the first node that is no semicolon.
func following(list []*node) *node {
	for _, n := range list {
		if !n.is(";") {
			return n
		}
	}
	return nil
}

// junction translates the channels of a junction: what comes through one of them goes on.
func (t *translator) junction(st statement, block []*node, entry convert.Cond) convert.Cond {
	through, final := convert.Never, convert.Never
	for _, n := range block {
		switch {
		case n.is(";"):
		case through.TooLong():
			t.lose(st, "the condition gets longer than anyone would read")
			return convert.Never
		case n.is("channel"):
			c, _ := t.path(st, n.block, entry.And(final.Not()))
			through = through.Or(c)
			if hasFlag(n.block, "final") {
				final = final.Or(c)
			}
		default:
			t.lose(st, "a junction has channels, not %s", n.text)
		}
	}
	return through
}

// branching is a chain of if, elif and else.
type branching struct {
	// entry is what comes to the chain; of that, rest is what no branch has taken yet,
	// and dropped what a branch lets go no further.
	entry, rest, dropped convert.Cond
	broken               bool
}

// branch translates one branch. Where a condition has no translation it takes those
// behind it along: they would get what it takes.
func (t *translator) branch(st statement, n *node, b *branching) {
	if b.rest.TooLong() {
		b.broken, b.dropped = true, b.dropped.Or(b.rest)
	}
	if b.broken {
		t.lose(st, "a branch before it has no translation; this one is left out, too")
		return
	}
	if !n.called && !n.is("else") { // the filters within are the condition
		c, ok := t.path(st, n.block, b.entry.And(b.rest))
		if !ok {
			b.broken, b.dropped = true, b.dropped.Or(b.rest)
			return
		}
		b.rest = b.rest.And(c.Not())
		return
	}
	in := b.rest
	if !n.is("else") {
		c, err := t.condition(n.args)
		if err != nil {
			t.lose(st, "%v; this branch is left out, and what comes behind it for these messages", err)
			b.broken, b.dropped = true, b.dropped.Or(b.rest)
			return
		}
		in, b.rest = b.rest.And(c), b.rest.And(c.Not())
	}
	if c, _ := t.path(st, n.block, b.entry.And(in)); !c.Always() {
		b.dropped = b.dropped.Or(in.And(c.Not()))
	}
}

// sourceOf returns the names of source(name …) or source { … }.
func (t *translator) sourceOf(n *node) []string {
	if n.braced {
		return []string{t.inline[n]}
	}
	return texts(n.args)
}

// inlineSources makes inputs of the sources that stand within log paths: only when
// all inputs are known can conditions tell which they mean.
func (t *translator) inlineSources(st statement, block []*node, depth int) {
	for _, n := range block {
		if n.is("source") && n.braced {
			t.anonymous++
			name := fmt.Sprintf("source-%d", t.anonymous)
			st.nodes = []*node{{text: "source"}, {text: name}}
			t.inline[n] = name
			t.inputs[name] = t.drivers(st, n.block, t.input)
		} else if n.braced && depth < maxDepth {
			t.inlineSources(st, n.block, depth+1)
		}
	}
}

func (t *translator) filterOf(n *node) (convert.Cond, error) {
	if n.braced {
		return t.condition(n.block)
	}
	if len(n.args) != 1 {
		return convert.Cond{}, errors.New("filter() names one filter")
	}
	return t.function(n)
}

// destinationOf returns the outputs of destination(name) or destination { … }.
func (t *translator) destinationOf(st statement, n *node) []string {
	if n.braced {
		t.anonymous++
		st.nodes = []*node{{text: "destination"}, {text: fmt.Sprintf("destination-%d", t.anonymous)}}
		return t.drivers(st, n.block, t.output)
	}
	var outputs []string
	for _, name := range texts(n.args) {
		list, known := t.outputs[name]
		if !known {
			t.lose(st, "there is no destination %q", name)
		}
		outputs = append(outputs, list...)
	}
	return outputs
}
