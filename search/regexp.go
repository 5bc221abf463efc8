package search

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
)

// regexpNode looks for a regular expression (RE2) in the texts of an event, or in
// the value of a field.
type regexpNode struct {
	re   *regexp.Regexp
	name string // of the field; "" for all texts
	dim  dims
	// value is the value of the field; nil for all texts.
	value func(dst []byte, e *syslog.Event) []byte
	// must is a text that stands in every match; nil where there is none, or not
	// in the record as it is.
	must *pattern
}

// regexpNode makes a term of a regular expression.
func (p *parser) regexpNode(t token, in *scope) (node, error) {
	wrong := func(err error) error {
		return p.fail(t.at, "%s", strings.Replace(err.Error(), "error parsing regexp: ", "regular expression: ", 1))
	}
	parsed, err := syntax.Parse(t.text, syntax.Perl)
	if err != nil {
		return nil, wrong(err)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, wrong(err)
	}
	if p.instructions += len(program.Inst); p.instructions > maxInstructions {
		return nil, p.fail(t.at, "the regular expressions compile to more than %d instructions; repeat less in them", maxInstructions)
	}
	re, err := regexp.Compile(t.text)
	if err != nil {
		return nil, wrong(err)
	}
	n := regexpNode{re: re, dim: dimOther}
	if in == nil {
		n.must = literalOf(t.text)
		return n, nil
	}
	f, ok := findGroupField(in.field.name)
	if in.op != ":" || !ok || f.name == atTimestamp {
		return nil, p.fail(t.at, "%s%s takes no regular expression", in.name, in.op)
	}
	n.name, n.dim, n.value = f.name, f.dim, f.value
	switch f.name {
	case "message", "app", "procid", "msgid":
		n.must = literalOf(t.text)
	}
	return n, nil
}

func (n regexpNode) match(e *syslog.Event, s *scratch) bool {
	if n.value != nil {
		s.buf = n.value(s.buf[:0], e)
		return n.re.Match(s.buf)
	}
	for _, span := range [...]syslog.Span{e.Text, e.AppName, e.Hostname, e.ProcID, e.MsgID, e.StructuredData} {
		if !span.Empty() && n.re.Match(e.Field(span)) {
			return true
		}
	}
	return false
}

func (n regexpNode) literal() *pattern {
	if n.must == nil {
		return nil
	}
	return usable(*n.must)
}

func (n regexpNode) may(b *skipdata.Block) bool { return n.must == nil || n.must.may(b) }

func (n regexpNode) dims() dims { return n.dim }

func (n regexpNode) write(b *strings.Builder) {
	if n.name != "" {
		b.WriteString(n.name + ":")
	}
	b.WriteString("/" + n.re.String() + "/")
}

// literalOf returns the longest text that every match of an expression contains,
// nil where none is found.
func literalOf(expression string) *pattern {
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil
	}
	text := longestLiteral(re)
	if text == "" {
		return nil
	}
	// The expression may match within a word.
	p := newPattern(text, true, true)
	return &p
}

func longestLiteral(re *syntax.Regexp) (longest string) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			// Characters beyond ASCII fold to some of ASCII (ſ, K), and U+FFFD
			// stands for octets that are no UTF-8.
			if re.Flags&syntax.FoldCase != 0 && (r >= utf8.RuneSelf || strings.ContainsRune("ks", unicode.ToLower(r))) || r == utf8.RuneError {
				return ""
			}
		}
		return string(re.Rune)
	case syntax.OpCapture, syntax.OpPlus:
		return longestLiteral(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return longestLiteral(re.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if text := longestLiteral(sub); len(text) > len(longest) {
				longest = text
			}
		}
	}
	return longest
}
