package match

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/syslog"
)

// linter finds what expr takes and what all the same cannot be meant.
type linter struct {
	source string
	err    *Error
}

// lint returns the first mistake in a condition, as *Error.
func lint(source string, tree ast.Node) error {
	l := &linter{source: source}
	ast.Walk(&tree, l)
	if l.err != nil {
		return l.err
	}
	return nil
}

func (l *linter) fail(n ast.Node, format string, args ...any) {
	if l.err == nil {
		l.err = &Error{Offset: octetOffset(l.source, n.Location().From), Text: fmt.Sprintf(format, args...)}
	}
}

// Visit implements ast.Visitor.
func (l *linter) Visit(n *ast.Node) {
	switch node := (*n).(type) {
	case *ast.BinaryNode:
		l.comparison(node.Left, node.Right)
		l.comparison(node.Right, node.Left)
		if node.Operator == "matches" {
			l.pattern(node.Right)
		}
	case *ast.CallNode:
		callee, _ := node.Callee.(*ast.IdentifierNode)
		if callee == nil || len(node.Arguments) < 2 {
			return // expr says what is missing
		}
		switch callee.Value {
		case "cidr":
			l.constants(node.Arguments[1:], `a network in quotes, as "10.0.0.0/8"`, func(s string) error { _, err := parseNetwork(s); return err })
		case "glob":
			l.constants(node.Arguments[1:], `a pattern in quotes, as "web-*"`, func(s string) error { _, err := compileGlob(s); return err })
		}
	}
}

// pattern checks a regular expression.
func (l *linter) pattern(n ast.Node) {
	l.constants([]ast.Node{n}, `a regular expression in quotes, as "^(GET|POST) "`, func(s string) error { _, err := regexp.Compile(s); return err })
}

func (l *linter) constants(nodes []ast.Node, want string, check func(string) error) {
	for _, n := range nodes {
		s, ok := n.(*ast.StringNode)
		if !ok {
			l.fail(n, "want %s", want)
		} else if err := check(s.Value); err != nil {
			l.fail(n, "%v", err)
		}
	}
}

// comparison checks what a severity or facility is compared with.
func (l *linter) comparison(subject, other ast.Node) {
	of := numbered(subject)
	if of == "" {
		return
	}
	names, most := syslog.SeverityNames(), int(syslog.Debug)
	if of == "facility" {
		names, most = syslog.FacilityNames(), int(syslog.Local7)
	}
	switch o := other.(type) {
	case *ast.IdentifierNode:
		if k, ok := keywords[o.Value]; ok && k.of != of {
			l.fail(o, "%s is a %s, not a %s", o.Value, k.of, of)
		}
	case *ast.StringNode:
		if _, err := keywordValue(of, o.Value); err != nil {
			l.fail(o, "unknown %s %q%s", of, o.Value, config.Suggest(o.Value, names))
		}
	case *ast.IntegerNode:
		if o.Value < 0 || o.Value > most {
			l.fail(o, "a %s is a number from 0 to %d", of, most)
		}
	case *ast.ArrayNode:
		for _, item := range o.Nodes {
			l.comparison(subject, item)
		}
	case *ast.BinaryNode:
		if o.Operator == ".." {
			l.comparison(subject, o.Left)
			l.comparison(subject, o.Right)
		}
	}
}

// parseNetwork reads a network, or a single address.
func parseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is no network, as \"10.0.0.0/8\" or \"2001:db8::/32\"", s)
	}
	return p, nil
}

// compileGlob turns a pattern with *, ? and [a-z] into a regular expression.
func compileGlob(pattern string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for rest := pattern; rest != ""; {
		switch c := rest[0]; c {
		case '*':
			b.WriteString(`.*`)
			rest = rest[1:]
		case '?':
			b.WriteByte('.')
			rest = rest[1:]
		case '[':
			end := strings.IndexByte(rest[1:], ']')
			if end < 1 || rest[1:1+end] == "!" || rest[1:1+end] == "^" {
				return nil, fmt.Errorf("pattern %q: [ without its class and ]", pattern)
			}
			class := rest[1 : 1+end]
			rest = rest[end+2:]
			b.WriteByte('[')
			if class[0] == '!' || class[0] == '^' {
				b.WriteByte('^')
				class = class[1:]
			}
			b.WriteString(strings.NewReplacer(`\`, `\\`, `[`, `\[`, `&`, `\&`, `^`, `\^`).Replace(class))
			b.WriteByte(']')
		default:
			n := strings.IndexAny(rest, "*?[")
			if n < 0 {
				n = len(rest)
			}
			b.WriteString(regexp.QuoteMeta(rest[:n]))
			rest = rest[n:]
		}
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("pattern %q cannot be understood", pattern)
	}
	return re, nil
}
