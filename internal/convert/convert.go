// Package convert holds what translations of other programs' configurations have
// in common: a configuration of Syslane in the making, and how it is written.
//
// The languages themselves are in the folders below, one each. A translation never
// leaves anything out in silence: what it cannot say in Syslane's terms is a note with
// the file, the line and the reason, and so is what Syslane does not need to be told.
package convert

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/config"
)

// Place is where in a configuration a statement stands.
type Place struct {
	// File is the name of the file, Line counts from 1.
	File string
	Line int
}

func (p Place) String() string { return fmt.Sprintf("%s:%d", oneLine(p.File), p.Line) }

// IsNode tells whether a URL can be that of a node of Elasticsearch.
func IsNode(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Hostname() != "" && (u.Scheme == "http" || u.Scheme == "https") && u.RawQuery == "" && u.Fragment == ""
}

// IsIndex tells whether a name can be that of an index, or a part of that of a data
// stream, in Elasticsearch.
func IsIndex(name string) bool {
	return name != "" && len(name) <= 100 && name == strings.ToLower(name) && !strings.ContainsAny(name, `\/*?"<>| ,#:`) && !strings.ContainsAny(name[:1], "-_+.")
}

// Note is said of one statement.
type Note struct {
	Place
	// Statement is the statement, or its beginning.
	Statement string
	// Why says why it was not translated, and what to do instead.
	Why string
}

// maxStatement is how much of a statement a note repeats, in octets.
const maxStatement = 400

// NewNote returns a note. Of the statement its first line is kept, harmless in a
// comment whatever it holds.
func NewNote(at Place, statement, why string) Note {
	return Note{at, oneLine(statement), oneLine(why)}
}

// oneLine makes text fit for a comment.
func oneLine(text string) string {
	text, more, _ := strings.Cut(strings.TrimSpace(text), "\n")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
	text = strings.TrimSpace(text)
	cut := len(text) > maxStatement
	for len(text) > maxStatement {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	if cut || strings.TrimSpace(more) != "" {
		text += " …"
	}
	return text
}

// Draft is a configuration in the making.
type Draft struct {
	inputs, outputs, transforms []*Table
	rules                       []Rule
	names                       map[string]bool
	// LogSize is the bound of the log on disk in octets, 0 for the default.
	LogSize int64
	// Lost are the statements whose effect is missing, Needless those that there
	// is nothing to say about in Syslane's terms.
	Lost, Needless []Note
}

// Lose notes that a statement has no translation.
func (d *Draft) Lose(at Place, statement, why string, args ...any) {
	d.Lost = append(d.Lost, NewNote(at, statement, fmt.Sprintf(why, args...)))
}

// Spare notes that a statement needs none.
func (d *Draft) Spare(at Place, statement, why string, args ...any) {
	d.Needless = append(d.Needless, NewNote(at, statement, fmt.Sprintf(why, args...)))
}

// Input adds an [[input]] of a type. Its name is made from base.
func (d *Draft) Input(at Place, kind, base string) *Table {
	t := d.table(at, "input", kind, base)
	d.inputs = append(d.inputs, t)
	return t
}

// Output adds an [[output]] of a type, made by fill. Where another says the same it
// is that one.
func (d *Draft) Output(at Place, kind, base string, fill func(*Table)) *Table {
	t := &Table{place: at, head: "output", kind: kind}
	fill(t)
	for _, o := range d.outputs {
		if o.kind == kind && o.body() == t.body() {
			return o
		}
	}
	t.Name = d.name("output", base)
	d.outputs = append(d.outputs, t)
	return t
}

// Transform adds a [[transform]].
func (d *Draft) Transform(at Place, match Cond) *Table {
	t := &Table{place: at, head: "transform"}
	if !match.Always() {
		t.Set("match", match.String())
	}
	d.transforms = append(d.transforms, t)
	return t
}

// Inputs returns the inputs so far.
func (d *Draft) Inputs() []*Table { return d.inputs }

// Bounds of what an input keeps of a message, in octets.
const (
	defaultMessage = 64 << 10
	maxMessage     = 8 << 20
)

// Longer lets an input keep messages of a size whole, unless it keeps more without it or
// was told already.
func (t *Table) Longer(octets int64) {
	if octets > defaultMessage && t.Get("max_message_size") == nil && t.kind != "journal" && t.kind != "udp" {
		t.Set("max_message_size", config.Size(min(octets, maxMessage)))
	}
}

// Remove takes an input back.
func (d *Draft) Remove(in *Table) {
	d.inputs = slices.DeleteFunc(d.inputs, func(t *Table) bool { return t == in })
}

// Rule adds a rule. Rules are asked in their order.
func (d *Draft) Rule(r Rule) { d.rules = append(d.rules, r) }

func (d *Draft) table(at Place, head, kind, base string) *Table {
	return &Table{place: at, head: head, kind: kind, Name: d.name(head, base)}
}

// name makes a name that no other table of the kind has: of letters, digits, dots,
// dashes and underscores.
func (d *Draft) name(head, base string) string {
	const most = 48
	clean := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, base), "-.")
	if len(clean) > most {
		clean = strings.Trim(clean[len(clean)-most:], "-.")
	}
	if clean == "" {
		clean = head
	}
	if d.names == nil {
		d.names = map[string]bool{}
	}
	name := clean
	for i := 2; d.names[head+" "+name]; i++ {
		name = fmt.Sprintf("%s-%d", clean, i)
	}
	d.names[head+" "+name] = true
	return name
}
