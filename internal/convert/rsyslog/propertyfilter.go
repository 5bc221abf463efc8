package rsyslog

import (
	"fmt"
	"strings"

	"github.com/syslane/syslane/internal/convert"
)

// propertyFilter reads :property, [!]operation, "value" and what is done.
func (s *scanner) propertyFilter() *statement {
	from := s.pos
	s.pos++
	next := func() string {
		s.blanks()
		start := s.pos
		for !s.end() && strings.IndexByte(",\n \t", s.peek(0)) < 0 {
			s.pos++
		}
		text := s.text[start:s.pos]
		if s.blanks(); s.peek(0) == ',' {
			s.pos++
		}
		s.blanks()
		return text
	}
	name := next()
	operation, negated := strings.CutPrefix(next(), "!")
	if operation == "" && negated {
		operation = next()
	}
	if !strings.EqualFold(operation, "isempty") && s.peek(0) != '"' {
		s.pos = from
		// An output channel or module as a whole statement, as in :omusrmsg:*.
		return &statement{kind: legacy, value: s.toLineEnd()}
	}
	value := ""
	if s.peek(0) == '"' {
		var err error
		if value, err = s.literal(); err != nil {
			return s.unread(err)
		}
	}
	when, err := propertyCond(name, strings.ToLower(operation), value)
	if negated {
		when = when.Not()
	}
	return s.filteredBy(when, err)
}

// literal reads the value of a property filter: whatever stands behind a backslash
// stands for itself, so that a regular expression has two of them.
func (s *scanner) literal() (string, error) {
	line := s.line()
	var b strings.Builder
	for s.pos++; !s.end(); s.pos++ {
		switch c := s.peek(0); {
		case c == '\n': // the filter is a line
			return "", fmt.Errorf("the string that begins in line %d has no end", line)
		case c == '"':
			s.pos++
			return b.String(), nil
		case c == '\\' && s.pos+1 < len(s.text):
			s.pos++
			b.WriteByte(s.peek(0))
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("the string that begins in line %d has no end", line)
}

func propertyCond(name, operation, value string) (convert.Cond, error) {
	field, err := property(strings.TrimPrefix(name, "$"))
	if err != nil {
		return convert.Cond{}, err
	}
	text := operand{texts: []string{value}}
	switch operation {
	case "contains", "startswith", "endswith", "contains_i", "startswith_i":
		return compare(operand{field: field}, operation, text)
	case "isequal":
		return compare(operand{field: field}, "==", text)
	case "isempty":
		return compare(operand{field: field}, "==", operand{texts: []string{""}})
	case "ereregex":
		return matches(field, value, false)
	case "regex":
		return matches(field, basicRegexp(value), false)
	}
	return convert.Cond{}, fmt.Errorf("no comparison %q", operation)
}

// basicRegexp turns a basic regular expression of POSIX into an extended one: what
// a backslash makes special there is special here without, and the other way round.
func basicRegexp(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '\\' && i+1 < len(p):
			i++
			if strings.IndexByte("(){}|+?", p[i]) < 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(p[i])
		case c == '[': // a class, in which nothing is special
			end := strings.IndexByte(p[min(i+2, len(p)):], ']')
			if end < 0 {
				b.WriteString(p[i:])
				return b.String()
			}
			b.WriteString(p[i : i+3+end])
			i += 2 + end
		case strings.IndexByte("(){}|+?", c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
