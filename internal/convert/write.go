package convert

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/config"
)

// Table is a table of the configuration.
type Table struct {
	// Name is the name of an input or output.
	Name string

	place      Place
	head, kind string
	pairs      []Pair
	comments   []string
}

// Pair is a key with its value: a string, bool, int, []string, config.Size or Inline.
type Pair struct {
	Key   string
	Value any
}

// Inline is a table within a line.
type Inline []Pair

// Set sets a key; the last value counts.
func (t *Table) Set(key string, value any) {
	for i := range t.pairs {
		if t.pairs[i].Key == key {
			t.pairs[i].Value = value
			return
		}
	}
	t.pairs = append(t.pairs, Pair{key, value})
}

// Get returns the value of a key, nil where it has none.
func (t *Table) Get(key string) any {
	for _, p := range t.pairs {
		if p.Key == key {
			return p.Value
		}
	}
	return nil
}

// Place returns what the table was made from.
func (t *Table) Place() Place { return t.place }

// Kind returns the type of an input or output.
func (t *Table) Kind() string { return t.kind }

// Comment adds a line above the table.
func (t *Table) Comment(format string, args ...any) {
	line := oneLine(fmt.Sprintf(format, args...))
	if !slices.Contains(t.comments, line) {
		t.comments = append(t.comments, line)
	}
}

func (t *Table) body() string {
	var b strings.Builder
	for _, p := range t.pairs {
		fmt.Fprintf(&b, "%s = %s\n", p.Key, value(p.Value))
	}
	return b.String()
}

func (t *Table) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n# %s\n", t.place)
	for _, c := range t.comments {
		fmt.Fprintf(b, "# %s\n", c)
	}
	fmt.Fprintf(b, "[[%s]]\n", t.head)
	if t.kind != "" {
		fmt.Fprintf(b, "type = %s\n", quote(t.kind))
	}
	if t.Name != "" {
		fmt.Fprintf(b, "name = %s\n", quote(t.Name))
	}
	b.WriteString(t.body())
}

func value(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case config.Size:
		return quote(v.String())
	case []string:
		list := make([]string, len(v))
		for i, s := range v {
			list[i] = quote(s)
		}
		return "[" + strings.Join(list, ", ") + "]"
	case Inline:
		list := make([]string, len(v))
		for i, p := range v {
			list[i] = p.Key + " = " + value(p.Value)
		}
		return "{ " + strings.Join(list, ", ") + " }"
	}
	return fmt.Sprint(v)
}

// quote returns a string of TOML: in single quotes where that spares escapes. What
// the configuration would take for a variable of the environment stays what it is.
func quote(s string) string {
	s = strings.ReplaceAll(s, "${", "$${")
	plain := utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
	switch {
	case plain && !strings.ContainsAny(s, `"\`):
		return `"` + s + `"`
	case plain && !strings.Contains(s, "'"):
		return "'" + s + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// TOML returns the configuration. source names what it was made from.
func (d *Draft) TOML(source string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made from %s by \"syslane convert\". Look it over, then: syslane check FILE\n", oneLine(source))
	if len(d.Lost) > 0 {
		fmt.Fprintf(&b, "#\n# NOT TRANSLATED, %s:\n", plural(len(d.Lost), "statement"))
		writeNotes(&b, d.Lost)
	}
	if len(d.inputs) == 0 {
		b.WriteString("#\n# It takes no messages yet: add an [[input]].\n")
	}
	for _, tables := range [][]*Table{d.inputs, d.transforms} {
		for _, t := range tables {
			t.write(&b)
		}
	}
	for _, r := range d.routes() {
		r.write(&b)
	}
	for _, t := range d.outputs {
		t.write(&b)
	}
	b.WriteString("\n[log]\n")
	size := d.LogSize
	if size <= 0 {
		b.WriteString("# Queues are one log here, which holds what an output has not taken yet.\n")
		size = 10 << 30
	}
	size = max(size, 1<<20) // a bound of less is refused, or of no use
	fmt.Fprintf(&b, "max_size = %s\n\n# Metrics and health.\n[http]\nlisten = \"127.0.0.1:8515\"\n", quote(config.Size(size).String()))
	if len(d.Needless) > 0 {
		fmt.Fprintf(&b, "\n# Needs no translation, %s:\n", plural(len(d.Needless), "statement"))
		writeNotes(&b, d.Needless)
	}
	return b.String()
}

func writeNotes(b *strings.Builder, notes []Note) {
	for _, n := range notes {
		fmt.Fprintf(b, "#   %s: %s\n#     %s\n", Place{filepath.Base(n.File), n.Line}, n.Statement, n.Why)
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
