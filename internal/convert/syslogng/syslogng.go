// Package syslogng translates configurations of syslog-ng: sources, destinations,
// filters and log paths, with embedded log paths and conditions.
//
// Every log path is asked about every message until one with flags(final) takes it;
// each is a [[route]] here that continues. Its sources become a condition on the
// input's name.
package syslogng

import (
	"fmt"
	"regexp"
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

// maxIncludes bounds how many files are read.
const maxIncludes = 200

// statement is one of the statements at the top.
type statement struct {
	at    convert.Place
	nodes []*node
	text  string
}

type translator struct {
	draft    *convert.Draft
	source   Source
	included int
	// reading are the files that include one another on the way here.
	reading []string

	statements []statement
	// What statements define, by name.
	sources, destinations, filters map[string]statement
	// inputs and outputs are those that sources and destinations became.
	inputs  map[string][]string
	outputs map[string][]string
	defines map[string]string
	// translated are the filters that were asked for.
	translated map[string]translated
	options    map[string]string
	// at is the statement whose filters are translated.
	at statement
	// taken are the conditions of all log paths so far, for fallback.
	taken convert.Cond
	// inline are the names of sources that stand within log paths.
	inline    map[*node]string
	anonymous int
	depth     int
	listeners map[string]bool
}

// translated is what became of a filter.
type translated struct {
	cond convert.Cond
	err  error
}

// Translate translates a configuration.
func Translate(f File, source Source) *convert.Draft {
	t := &translator{
		draft: &convert.Draft{}, source: source, sources: map[string]statement{}, destinations: map[string]statement{},
		filters: map[string]statement{}, inputs: map[string][]string{}, outputs: map[string][]string{}, defines: map[string]string{},
		options: map[string]string{}, taken: convert.Never, listeners: map[string]bool{},
		inline: map[*node]string{}, translated: map[string]translated{},
	}
	t.read(f)
	t.define()
	t.paths()
	return t.draft
}

// read splits a file into statements.
func (t *translator) read(f File) {
	t.included++
	t.reading = append(t.reading, f.Name)
	defer func() { t.reading = t.reading[:len(t.reading)-1] }()
	text, err := t.substitute(strings.ReplaceAll(f.Text, "\x00", " "))
	if err != nil {
		t.draft.Lose(convert.Place{File: f.Name, Line: 1}, "", "%v", err)
		return
	}
	s := &scanner{text: text}
	nodes, err := s.list(0)
	if err != nil {
		t.draft.Lose(convert.Place{File: f.Name, Line: s.lines + 1}, "", "cannot be read further: %v", err)
	}
	var now []*node
	for _, n := range nodes {
		if strings.HasPrefix(n.text, "@") && !n.quoted && len(now) == 0 {
			t.annotation(convert.Place{File: f.Name, Line: n.line}, n.text)
			continue
		}
		if !n.is(";") {
			now = append(now, n)
		}
		// A block ends a statement; a semicolon behind it is usual.
		if n.is(";") || n.braced && len(now) > 0 {
			t.add(f, now)
			now = nil
		}
	}
	t.add(f, now)
}

// maxText bounds a file with what @define has put in, in octets.
const maxText = 16 << 20

var backticks = regexp.MustCompile("`[A-Za-z0-9_.-]+`")

// substitute puts in what @define has named, wherever it stands.
func (t *translator) substitute(text string) (string, error) {
	if !strings.Contains(text, "@define") && len(t.defines) == 0 {
		return text, nil
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if define, ok := strings.CutPrefix(strings.TrimSpace(line), "@define"); ok {
			key, v, _ := strings.Cut(strings.TrimSpace(define), " ")
			t.defines[key] = strings.Trim(strings.TrimSpace(v), `"'`)
		} else if strings.Contains(line, "`") {
			line = backticks.ReplaceAllStringFunc(line, func(m string) string {
				if v, known := t.defines[strings.Trim(m, "`")]; known {
					return v
				}
				return m
			})
		}
		if b.Len()+len(line) > maxText {
			return "", fmt.Errorf("with what @define puts in the file is larger than %d octets", maxText)
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

func (t *translator) add(f File, nodes []*node) {
	if len(nodes) == 0 {
		return
	}
	at := convert.Place{File: f.Name, Line: nodes[0].line}
	text := ""
	if lines := strings.Split(f.Text, "\n"); at.Line <= len(lines) {
		text = lines[at.Line-1]
	}
	t.statements = append(t.statements, statement{at, nodes, text})
}

// annotation reads @version, @include and @define.
func (t *translator) annotation(at convert.Place, text string) {
	name, value, _ := strings.Cut(strings.TrimPrefix(text, "@"), " ")
	name, value = strings.TrimSuffix(name, ":"), strings.Trim(strings.TrimSpace(value), `"'`)
	switch name {
	case "version":
	case "define": // substitute has read it
	case "include":
		if value == "scl.conf" || strings.HasSuffix(value, "/scl.conf") || strings.HasPrefix(value, "scl/") {
			t.draft.Spare(at, text, "syslog-ng's own library")
			return
		}
		if t.source == nil || t.included > maxIncludes {
			t.draft.Lose(at, text, "included files are not read here")
			return
		}
		files, err := t.source.Include(value)
		if err != nil {
			t.draft.Lose(at, text, "%v", err)
			return
		}
		t.draft.Spare(at, text, "read: %d files", len(files))
		for _, f := range files {
			if slices.Contains(t.reading, f.Name) {
				t.draft.Lose(at, text, "%s includes itself", f.Name)
				continue
			}
			if t.included > maxIncludes {
				t.draft.Lose(at, text, "more than %d files are included: %s and what comes behind is not read", maxIncludes, f.Name)
				return
			}
			t.read(f)
		}
	default:
		t.draft.Spare(at, text, "it is syslog-ng's own")
	}
}

// define reads what the statements at the top define.
func (t *translator) define() {
	for _, st := range t.statements { // sources ask for them, wherever they stand
		if st.nodes[0].is("options") {
			t.global(st, st.nodes[0].block)
		}
	}
	for _, st := range t.statements {
		first := st.nodes[0]
		name := ""
		if len(st.nodes) > 1 {
			name = st.nodes[1].text
		}
		last := st.nodes[len(st.nodes)-1]
		switch first.word() {
		case "options":
		case "source":
			t.sources[name] = st
			t.inputs[name] = t.drivers(st, last.block, t.input)
		case "destination":
			t.destinations[name] = st
			t.outputs[name] = t.drivers(st, last.block, t.output)
		case "filter":
			t.filters[name] = st
		case "log":
			t.inlineSources(st, first.block, 0)
		case "template", "template-function":
			t.draft.Lose(st.at, st.text, "templates have no counterpart: an output has a format, and file names have fields")
		case "rewrite":
			t.draft.Lose(st.at, st.text, "rewriting: set, rename and remove of [[transform]] (docs/RULES.md)")
		case "parser":
			t.draft.Lose(st.at, st.text, "parsers: extract of an [[input]] takes fields out of JSON, key=value and CEF")
		case "block":
			t.draft.Lose(st.at, st.text, "blocks are not put in: write out what they stand for, as syslog-ng --preprocess-into does")
		default:
			t.draft.Lose(st.at, st.text, "no statement of syslog-ng that is known here")
		}
	}
}

// global notes the options that mean something here.
func (t *translator) global(st statement, list []*node) {
	for _, o := range list {
		if o.is(";") {
			continue
		}
		t.options[o.word()] = o.first()
	}
	if t.options["keep-hostname"] != "yes" {
		t.draft.Spare(st.at, st.text, "host names are kept as messages bring them; the sender's address is in source (syslog-ng writes it over them without keep-hostname(yes))")
		return
	}
	t.draft.Spare(st.at, st.text, "options are syslog-ng's own")
}

// first returns the first argument of a call.
func (n *node) first() string {
	if len(n.args) > 0 {
		return n.args[0].text
	}
	return ""
}

// option returns the argument of an option among arguments, "" where there is none.
func option(args []*node, names ...string) string {
	if n := find(args, names...); n != nil {
		return n.first()
	}
	return ""
}

func find(args []*node, names ...string) *node {
	for _, n := range args {
		if n.called && slices.Contains(names, n.word()) && !n.quoted {
			return n
		}
	}
	return nil
}

// texts returns the arguments that are no options.
func texts(args []*node) (list []string) {
	for _, n := range args {
		if !n.called && !n.braced && n.text != ";" {
			list = append(list, n.text)
		}
	}
	return list
}

// drivers translates the drivers of a source or destination.
func (t *translator) drivers(st statement, list []*node, one func(statement, *node, string) []string) (names []string) {
	base := "anonymous"
	if len(st.nodes) > 1 && !st.nodes[1].called {
		base = st.nodes[1].text
	}
	for _, n := range list {
		if n.is(";") {
			continue
		}
		at := st
		at.at.Line = n.line
		at.text = fmt.Sprintf("%s %s { %s(…) }", st.nodes[0].text, base, n.text)
		for _, name := range one(at, n, base) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func (t *translator) lose(st statement, why string, args ...any) {
	t.draft.Lose(st.at, st.text, why, args...)
}

func (t *translator) spare(st statement, why string, args ...any) {
	t.draft.Spare(st.at, st.text, why, args...)
}
