// Package rsyslog translates configurations of rsyslog: the selectors, actions and
// $directives of old, property filters, and RainerScript's objects and conditions.
//
// rsyslogd asks every rule in turn until a stop; each is a [[route]] here that
// continues. An input that is bound to a ruleset is asked for by its name in the
// conditions of that ruleset's routes. Queues have no counterpart: the log is one.
package rsyslog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/syslane/syslane/internal/convert"
)

// Source reads the files that a configuration includes.
type Source interface {
	// Include returns the files that a pattern names, in order.
	Include(pattern string) ([]File, error)
}

// File is one of the files of a configuration.
type File struct{ Name, Text string }

// Limits of a translation.
const (
	maxIncludes = 200 // files
	maxCalls    = 1000
)

// defaultRuleset is the name of the ruleset of inputs that name none.
const defaultRuleset = "RSYSLOG_DefaultRuleset"

// translator carries what earlier statements have set.
type translator struct {
	draft    *convert.Draft
	source   Source
	included int
	rulesets map[string]*ruleset
	order    []*ruleset
	current  *ruleset
	fallback *ruleset // the default ruleset
	// templates are those that the configuration defines, by name.
	templates map[string]string
	// bound are the rulesets of inputs.
	bound map[*convert.Table]string
	// before is the output of the action before, for failover; nil where it has none.
	before *convert.Table
	// local is the input of the machine's own messages, kernel the statement that asks
	// for those of the kernel; nil where there is none.
	local  *convert.Table
	kernel *statement
	// missing are the conditions of actions that have no translation.
	missing map[convert.Cond]bool
	// reading are the files that include one another on the way here.
	reading []string

	legacy    legacySettings
	global    params
	calls     int
	listeners map[string]bool
}

// ruleset is a list of rules.
type ruleset struct {
	name  string
	rules []rule
	used  bool
	// queued tells that it has a queue of its own: what calls it goes on at once.
	queued bool
}

// rule is a rule, or the call of another ruleset.
type rule struct {
	convert.Rule
	call string
}

// Translate translates a configuration.
func Translate(f File, source Source) *convert.Draft {
	t := &translator{
		draft: &convert.Draft{}, source: source, rulesets: map[string]*ruleset{}, templates: map[string]string{},
		bound: map[*convert.Table]string{}, global: params{}, listeners: map[string]bool{},
		missing: map[convert.Cond]bool{},
	}
	t.fallback = t.ruleset(defaultRuleset)
	t.current = t.fallback
	t.file(f)
	t.finish()
	return t.draft
}

func (t *translator) file(f File) {
	t.included++
	t.read(f, convert.Cond{})
}

func (t *translator) read(f File, when convert.Cond) {
	t.reading = append(t.reading, f.Name)
	t.statements(parse(f.Name, f.Text), when)
	t.reading = t.reading[:len(t.reading)-1]
}

func (t *translator) ruleset(name string) *ruleset {
	key := strings.ToLower(name)
	if t.rulesets[key] == nil {
		t.rulesets[key] = &ruleset{name: name}
		t.order = append(t.order, t.rulesets[key])
	}
	return t.rulesets[key]
}

// statements translates statements that are reached by what when says.
func (t *translator) statements(list []*statement, when convert.Cond) {
	lost := len(t.draft.Lost)
	for _, st := range list {
		before := len(t.draft.Lost)
		switch st.kind {
		case directive:
			t.directive(st, when)
		case object:
			t.object(st, when)
		case filtered:
			t.filtered(st, when)
		case legacy:
			t.legacyAction(st, when)
		case stop:
			r := convert.Rule{Place: st.at, When: when, Final: true}
			if len(t.draft.Lost) > lost || t.missing[when] { // what was to be done before is missing: throw nothing away
				r.To = []string{}
			}
			t.rule(rule{Rule: r})
		case call:
			t.rule(rule{Rule: convert.Rule{Place: st.at, When: when}, call: st.name})
		case other:
			t.lose(st, "variables have no counterpart: [[transform]] sets fields and structured data (docs/RULES.md)")
		case unread:
			t.lose(st, "%v", st.whenErr)
		}
		if len(t.draft.Lost) > before && (st.kind == legacy || st.kind == object && st.name == "action") {
			t.missing[when] = true
		}
	}
}

func (t *translator) rule(r rule) { t.current.rules = append(t.current.rules, r) }

func (t *translator) lose(st *statement, why string, args ...any) {
	t.draft.Lose(st.at, st.source, why, args...)
}

func (t *translator) spare(st *statement, why string, args ...any) {
	t.draft.Spare(st.at, st.source, why, args...)
}

// filtered translates a filter and what is done with what passes it. Where the
// filter has no translation nothing of it has: sending too much is no translation.
func (t *translator) filtered(st *statement, when convert.Cond) {
	if st.whenErr == nil && when.And(st.when).TooLong() {
		st.whenErr = fmt.Errorf("the condition gets longer than anyone would read")
	}
	if st.whenErr != nil {
		t.lose(st, "%v; what it does with these messages is left out, too", st.whenErr)
		return
	}
	t.statements(st.body, when.And(st.when))
	t.statements(st.otherwise, when.And(st.when.Not()))
}

// finish puts the rulesets together.
func (t *translator) finish() {
	for _, in := range t.draft.Inputs() {
		in.Longer(octets(t.global.text("maxmessagesize")))
	}
	if t.kernel != nil {
		t.kernelMessages()
	}
	of := map[*ruleset][]string{}
	for _, in := range t.draft.Inputs() {
		r := t.fallback
		if name := t.bound[in]; name != "" && t.rulesets[strings.ToLower(name)] != nil {
			r = t.ruleset(name)
		} else if name != "" { // as rsyslogd does
			t.draft.Lose(in.Place(), "the input "+in.Name, "there is no ruleset %q: it goes by the default rules", name)
		}
		of[r] = append(of[r], convert.Text(in.Name))
	}
	for _, r := range t.order {
		switch {
		case len(of[r]) == len(t.draft.Inputs()) && (len(of[r]) > 0 || r == t.fallback):
			t.inline(r, convert.Cond{}, 0, nil)
		case len(of[r]) > 0:
			t.inline(r, convert.In("input", of[r]), 0, nil)
		}
	}
	for _, r := range t.order {
		if !r.used && len(r.rules) > 0 {
			t.draft.Lose(r.rules[0].Place, "ruleset "+r.name, "no input that is translated uses this ruleset")
		}
	}
}

// kernelMessages notes where the messages of the kernel come from. journald passes them
// on to no socket.
func (t *translator) kernelMessages() {
	for _, in := range t.draft.Inputs() {
		if in.Kind() == "journal" {
			t.spare(t.kernel, "the journal has the kernel's messages")
			return
		}
	}
	t.lose(t.kernel, "the kernel's messages are in the journal, and journald passes them on to no socket: an [[input]] of the type journal instead of the unix socket has them, with what syslane setup journald makes")
}

// inline adds the rules of a ruleset, and in place of a call those of the called.
// What a called ruleset stops goes no further in the calling one either, unless the
// called one has a queue: then stopped collects what is kept from its other rules only.
func (t *translator) inline(r *ruleset, when convert.Cond, depth int, stopped *convert.Cond) {
	r.used = true
	if r.queued && depth > 0 {
		none := convert.Never
		stopped = &none
	}
	for _, rule := range r.rules {
		rule.When = when.And(rule.When)
		if stopped != nil {
			final := rule.When
			rule.When = rule.When.And(stopped.Not())
			if rule.Final {
				rule.Final = false
				*stopped = stopped.Or(final)
			}
		}
		if rule.When.TooLong() {
			t.draft.Lose(rule.Place, "", "the condition gets longer than anyone would read")
			continue
		}
		t.calls++
		switch {
		case rule.call == "":
			t.draft.Rule(rule.Rule)
		case depth > 8 || t.calls > maxCalls || t.rulesets[strings.ToLower(rule.call)] == nil:
			t.draft.Lose(rule.Place, "call "+rule.call, "no such ruleset, or rulesets that call one another without end")
		default:
			t.inline(t.rulesets[strings.ToLower(rule.call)], rule.When, depth+1, stopped)
		}
	}
}

func (t *translator) include(st *statement, pattern string, when convert.Cond) {
	if t.included >= maxIncludes {
		t.lose(st, "more than %d files are included", maxIncludes)
		return
	}
	if t.source == nil {
		t.lose(st, "included files are not read here")
		return
	}
	files, err := t.source.Include(pattern)
	if err != nil {
		t.lose(st, "%v", err)
		return
	}
	t.spare(st, "read: %d files", len(files))
	for i, f := range files {
		if slices.Contains(t.reading, f.Name) {
			t.lose(st, "%s includes itself", f.Name)
			continue
		}
		if t.included++; t.included > maxIncludes {
			t.lose(st, "more than %d files are included: %s and what comes behind is not read", maxIncludes, files[i].Name)
			return
		}
		t.read(f, when)
	}
}
