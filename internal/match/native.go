package match

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// The parts that a condition is made of, once compiled.
type (
	condition func(*Message) bool
	text      func(*Message) string
	number    func(*Message) int
)

// compiler makes closures of a tree that expr has found good. What it does not
// know goes to the machine of expr, part by part: the rest stays fast.
type compiler struct {
	expr *Expr
	// failed says that a part cannot stand alone: the whole goes to the machine.
	failed bool
}

// part compiles an operand of and, or.
func (c *compiler) part(n ast.Node) condition {
	if f := c.native(n); f != nil {
		return f
	}
	source := n.String()
	if !readsAs(source, n) {
		c.failed = true
		return nil
	}
	program, err := compileMachine(source)
	if err != nil {
		c.failed = true
		return nil
	}
	return c.expr.machine(program)
}

// readsAs tells whether source means n. Not everything that expr prints does: it
// forgets the parentheses in (app + host)[4:], and what is left is valid too.
func readsAs(source string, n ast.Node) bool {
	again, err := parser.Parse(source)
	return err == nil && ast.Dump(again.Node) == ast.Dump(n)
}

// native returns nil for what it does not know.
func (c *compiler) native(n ast.Node) condition {
	switch n := n.(type) {
	case *ast.BoolNode:
		v := n.Value
		return func(*Message) bool { return v }
	case *ast.UnaryNode:
		if n.Operator != "not" && n.Operator != "!" {
			return nil
		}
		if inner := c.native(n.Node); inner != nil {
			return func(m *Message) bool { return !inner(m) }
		}
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.CallNode:
		return c.call(n)
	}
	return nil
}

func (c *compiler) binary(n *ast.BinaryNode) condition {
	switch n.Operator {
	case "and", "&&":
		a, b := c.part(n.Left), c.part(n.Right)
		return func(m *Message) bool { return a(m) && b(m) }
	case "or", "||":
		a, b := c.part(n.Left), c.part(n.Right)
		return func(m *Message) bool { return a(m) || b(m) }
	case "in":
		return c.in(n)
	case "==", "!=", "<", "<=", ">", ">=":
		if a, b := numberOf(n.Left, n.Right), numberOf(n.Right, n.Left); a != nil && b != nil {
			if constant(n.Right) {
				return compareWithNumber(n.Operator, a, b(nil))
			}
			return compare(n.Operator, a, b)
		}
		if a, b := textOf(n.Left), textOf(n.Right); a != nil && b != nil {
			if v, ok := n.Right.(*ast.StringNode); ok && n.Operator == "==" {
				return func(m *Message) bool { return a(m) == v.Value }
			}
			return compare(n.Operator, a, b)
		}
	case "contains", "startsWith", "endsWith":
		a, b := textOf(n.Left), textOf(n.Right)
		if a == nil || b == nil {
			return nil
		}
		switch n.Operator {
		case "startsWith":
			return func(m *Message) bool { return strings.HasPrefix(a(m), b(m)) }
		case "endsWith":
			return func(m *Message) bool { return strings.HasSuffix(a(m), b(m)) }
		}
		return func(m *Message) bool { return strings.Contains(a(m), b(m)) }
	case "matches":
		a, pattern := textOf(n.Left), n.Right.(*ast.StringNode).Value
		if re, err := regexp.Compile(pattern); a != nil && err == nil {
			return func(m *Message) bool { return re.MatchString(a(m)) }
		}
	}
	return nil
}

// compareWithNumber is compare with a constant, as most conditions have.
func compareWithNumber(operator string, a number, v int) condition {
	switch operator {
	case "==":
		return func(m *Message) bool { return a(m) == v }
	case "!=":
		return func(m *Message) bool { return a(m) != v }
	case "<":
		return func(m *Message) bool { return a(m) < v }
	case "<=":
		return func(m *Message) bool { return a(m) <= v }
	case ">":
		return func(m *Message) bool { return a(m) > v }
	}
	return func(m *Message) bool { return a(m) >= v }
}

func compare[V int | string, F ~func(*Message) V](operator string, a, b F) condition {
	switch operator {
	case "==":
		return func(m *Message) bool { return a(m) == b(m) }
	case "!=":
		return func(m *Message) bool { return a(m) != b(m) }
	case "<":
		return func(m *Message) bool { return a(m) < b(m) }
	case "<=":
		return func(m *Message) bool { return a(m) <= b(m) }
	case ">":
		return func(m *Message) bool { return a(m) > b(m) }
	}
	return func(m *Message) bool { return a(m) >= b(m) }
}

// in compiles membership: of a list or range, or of the structured data.
func (c *compiler) in(n *ast.BinaryNode) condition {
	switch set := n.Right.(type) {
	case *ast.ArrayNode:
		if a := numberOf(n.Left, nil); a != nil {
			return numberIn(a, n.Left, set)
		}
		a := textOf(n.Left)
		values := make([]string, 0, len(set.Nodes))
		for _, item := range set.Nodes {
			s, ok := item.(*ast.StringNode)
			if !ok {
				return nil
			}
			values = append(values, s.Value)
		}
		switch {
		case a == nil:
			return nil
		case len(values) <= 8:
			return func(m *Message) bool { return slices.Contains(values, a(m)) }
		}
		known := make(map[string]bool, len(values))
		for _, v := range values {
			known[v] = true
		}
		return func(m *Message) bool { return known[a(m)] }
	case *ast.BinaryNode:
		if set.Operator != ".." {
			return nil
		}
		a, low, high := numberOf(n.Left, nil), numberOf(set.Left, n.Left), numberOf(set.Right, n.Left)
		if a == nil || low == nil || high == nil {
			return nil
		}
		return func(m *Message) bool { v := a(m); return v >= low(m) && v <= high(m) }
	case *ast.IdentifierNode:
		if s, ok := n.Left.(*ast.StringNode); ok && set.Value == "sd" {
			return func(m *Message) bool { return m.Element(s.Value) }
		} else if ok && set.Value == "tags" {
			return func(m *Message) bool { return m.tagged(s.Value) }
		}
	case *ast.MemberNode:
		name, named := n.Left.(*ast.StringNode)
		if id, ok := elementOf(set); ok && named {
			return func(m *Message) bool { return m.hasParam(id, name.Value) }
		}
	}
	return nil
}

func numberIn(a number, subject ast.Node, set *ast.ArrayNode) condition {
	values := make([]int, 0, len(set.Nodes))
	for _, item := range set.Nodes {
		v := numberOf(item, subject)
		if v == nil || !constant(item) {
			return nil
		}
		values = append(values, v(nil))
	}
	return func(m *Message) bool { return slices.Contains(values, a(m)) }
}

// constant tells whether the number of n needs no message.
func constant(n ast.Node) bool {
	id, named := n.(*ast.IdentifierNode)
	return !named || keywords[id.Value].of != ""
}

// numberOf compiles a number; beside is what it is compared with, which says how
// a text is to be read.
func numberOf(n, beside ast.Node) number {
	var v int
	switch n := n.(type) {
	case *ast.IntegerNode:
		v = n.Value
	case *ast.IdentifierNode:
		k, ok := keywords[n.Value]
		if !ok {
			return fields[n.Value].number
		}
		v = k.value
	case *ast.StringNode:
		if beside == nil || numbered(beside) == "" {
			return nil
		}
		var err error
		if v, err = keywordValue(numbered(beside), n.Value); err != nil {
			return nil
		}
	default:
		return nil
	}
	return func(*Message) int { return v }
}

// textOf compiles a text.
func textOf(n ast.Node) text {
	switch n := n.(type) {
	case *ast.StringNode:
		v := n.Value
		return func(*Message) string { return v }
	case *ast.IdentifierNode:
		return fields[n.Value].text
	case *ast.MemberNode:
		name, named := n.Property.(*ast.StringNode)
		inner, ok := n.Node.(*ast.MemberNode)
		if !named || !ok || n.Optional || n.Method {
			return nil
		}
		if id, ok := elementOf(inner); ok {
			return func(m *Message) string { return m.param(id, name.Value) }
		}
	}
	return nil
}

// elementOf returns the id in sd["id"].
func elementOf(n *ast.MemberNode) (id string, ok bool) {
	sd, isName := n.Node.(*ast.IdentifierNode)
	s, isText := n.Property.(*ast.StringNode)
	if !isName || !isText || sd.Value != "sd" || n.Optional || n.Method {
		return "", false
	}
	return s.Value, true
}

// call compiles cidr and glob.
func (c *compiler) call(n *ast.CallNode) condition {
	callee, _ := n.Callee.(*ast.IdentifierNode)
	if callee == nil {
		return nil
	}
	var values []string
	for _, arg := range n.Arguments[1:] {
		values = append(values, arg.(*ast.StringNode).Value) // lint has seen to it
	}
	switch callee.Value {
	case "cidr":
		if id, ok := n.Arguments[0].(*ast.IdentifierNode); !ok || id.Value != "source" {
			return nil
		}
		networks := make([]netip.Prefix, 0, len(values))
		for _, v := range values {
			p, err := parseNetwork(v)
			if err != nil {
				return nil
			}
			networks = append(networks, p)
		}
		return func(m *Message) bool {
			addr := m.event.Source.Addr().Unmap().WithZone("")
			return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
		}
	case "glob":
		a := textOf(n.Arguments[0])
		patterns := make([]*regexp.Regexp, 0, len(values))
		for _, v := range values {
			re, err := compileGlob(v)
			if err != nil {
				return nil
			}
			patterns = append(patterns, re)
		}
		if a == nil {
			return nil
		}
		return func(m *Message) bool {
			s := a(m)
			return slices.ContainsFunc(patterns, func(re *regexp.Regexp) bool { return re.MatchString(s) })
		}
	}
	return nil
}
