package alert

import (
	"fmt"
	"slices"
	"strings"
)

// Template is a text in which {name} stands for a value.
type Template []part

// part is a text, or the name of a value.
type part struct {
	text string
	name string
}

// templateNames are the values that every alert has, beside the fields of its groups.
var templateNames = []string{"alert", "condition", "count", "severity", "window"}

// ParseTemplate reads a text. by are the fields of the groups.
func ParseTemplate(text string, by []string) (Template, error) {
	var t Template
	for rest := text; rest != ""; {
		before, behind, found := strings.Cut(rest, "{")
		if before != "" {
			t = append(t, part{text: before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(behind, "}")
		if !closed || !slices.Contains(templateNames, name) && !slices.Contains(by, name) {
			known := append(slices.Clone(templateNames), by...)
			return nil, fmt.Errorf("{%s} is none of {%s}; a field of the messages must be in by", name, strings.Join(known, "} {"))
		}
		t = append(t, part{name: name})
		rest = after
	}
	return t, nil
}

// fill returns the text with its values.
func (t Template) fill(value func(name string) string) string {
	var b strings.Builder
	for _, p := range t {
		if p.name == "" {
			b.WriteString(p.text)
		} else {
			b.WriteString(value(p.name))
		}
	}
	return b.String()
}
