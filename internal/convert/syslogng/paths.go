package syslogng

import (
	"errors"
	"fmt"

	"github.com/syslane/syslane/internal/convert"
)

// path is what a log path says, read so far.
type path struct {
	at convert.Place
	// when are the conditions that lead here.
	when convert.Cond
	// sources tells that some were named.
	sources bool
	final   bool
	// fallback is for what no other path takes.
	fallback bool
}

// paths translates the log paths: those for what no other takes come last.
func (t *translator) paths() {
	for _, fallback := range []bool{false, true} {
		for _, st := range t.statements {
			block := st.nodes[0].block
			if st.nodes[0].is("log") && hasFlag(block, "fallback") == fallback {
				t.path(st, block, path{at: st.at, fallback: fallback})
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

// path translates a log path, and those within it.
func (t *translator) path(st statement, block []*node, p path) {
	t.depth++
	defer func() { t.depth-- }()
	if t.depth > maxDepth {
		t.lose(st, "log paths are nested too deep")
		return
	}
	top := !p.sources
	sources := convert.Never
	var from, to []string
	// before is what embedded final paths and branches have taken already.
	before := convert.Never
	branches := convert.Never
	for _, n := range block {
		if n.is(";") {
			continue
		}
		at := st
		at.at.Line, at.text = n.line, "log { … "+n.text+"(…) … }"
		switch n.word() {
		case "source":
			c, err := t.from(append(from, t.sourceOf(n)...))
			if err != nil {
				t.lose(at, "%v", err)
				continue
			}
			from = append(from, t.sourceOf(n)...)
			sources, p.sources = c, true
		case "filter":
			c, err := t.filterOf(n)
			if err != nil {
				t.lose(at, "%v; the whole log path is left out", err)
				return
			}
			p.when = p.when.And(c)
		case "destination":
			to = append(to, t.destinationOf(at, n)...)
		case "flags":
			p.final = hasFlag(block, "final")
			if hasFlag([]*node{n}, "catchall") {
				sources, p.sources = convert.Cond{}, true
			}
		case "log", "junction", "channel":
			if n.word() != "log" {
				t.lose(at, "%s: write it as log paths of their own", n.word())
				continue
			}
			inner := p
			inner.final = false
			inner.when = t.reach(p, sources, top).And(before.Not())
			inner.sources = true
			t.path(at, n.block, inner)
			if hasFlag(n.block, "final") {
				if c, err := t.filtersOf(n.block); err == nil {
					before = before.Or(c)
				}
			}
		case "if", "elif", "else":
			c := convert.Cond{}
			if n.word() != "else" {
				var err error
				if c, err = t.condition(n.args); err != nil {
					t.lose(at, "%v; this branch is left out", err)
					continue
				}
			}
			if n.is("if") {
				branches = convert.Never
			}
			inner := p
			inner.final = false
			inner.when = t.reach(p, sources, top).And(branches.Not()).And(c)
			inner.sources = true
			t.path(at, n.block, inner)
			branches = branches.Or(c)
		case "parser", "rewrite":
			t.lose(at, "%s in a log path: see [[transform]] in docs/RULES.md", n.word())
		default:
			t.lose(at, "no part of a log path that is known here")
		}
	}
	when := t.reach(p, sources, top)
	if when.TooLong() {
		t.lose(st, "the condition gets longer than anyone would read")
		return
	}
	if p.fallback && top {
		when = when.And(t.taken.Not())
	} else if top {
		t.taken = t.taken.Or(when)
	}
	if len(to) == 0 && !p.final || when.Nothing() {
		return
	}
	t.draft.Rule(convert.Rule{Place: p.at, When: when, To: to, Final: p.final && top})
}

// reach is the condition under which a message gets to this place of a path.
func (t *translator) reach(p path, sources convert.Cond, top bool) convert.Cond {
	if !top {
		return p.when
	}
	return sources.And(p.when)
}

// filtersOf is the condition of the filters of a path.
func (t *translator) filtersOf(block []*node) (c convert.Cond, err error) {
	for _, n := range block {
		if n.is("filter") {
			f, err := t.filterOf(n)
			if err != nil {
				return c, err
			}
			c = c.And(f)
		}
	}
	return c, nil
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
