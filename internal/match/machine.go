package match

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/syslog"
)

// environment is a message as the machine of expr sees it.
type environment struct {
	Facility int                          `expr:"facility"`
	Severity int                          `expr:"severity"`
	UID      int                          `expr:"uid"`
	GID      int                          `expr:"gid"`
	PID      int                          `expr:"pid"`
	Host     string                       `expr:"host"`
	App      string                       `expr:"app"`
	ProcID   string                       `expr:"procid"`
	MsgID    string                       `expr:"msgid"`
	Text     string                       `expr:"message"`
	Source   string                       `expr:"source"`
	Identity string                       `expr:"identity"`
	Input    string                       `expr:"input"`
	File     string                       `expr:"file"`
	Format   string                       `expr:"format"`
	Raw      string                       `expr:"raw"`
	Tags     []string                     `expr:"tags"`
	SD       map[string]map[string]string `expr:"sd"`
}

// environ returns what the machine sees of m. Its strings are copies: what a
// condition makes of them may outlive the message.
func (m *Message) environ() *environment {
	if m.ready {
		return &m.env
	}
	number := func(name string) int { return fields[name].number(m) }
	word := func(name string) string { return strings.Clone(fields[name].text(m)) }
	m.env = environment{
		Facility: number("facility"), Severity: number("severity"),
		UID: number("uid"), GID: number("gid"), PID: number("pid"),
		Host: word("host"), App: word("app"), ProcID: word("procid"), MsgID: word("msgid"), Text: word("message"),
		Source: word("source"), Identity: word("identity"), Input: word("input"), File: word("file"),
		Format: word("format"), Raw: word("raw"), SD: make(map[string]map[string]string),
	}
	syslog.EachElement(m.event.Field(m.event.StructuredData), func(e syslog.Element) bool {
		if _, repeated := m.env.SD[string(e.ID)]; repeated {
			return true
		}
		params := make(map[string]string)
		e.EachParam(func(p syslog.Param) bool {
			if _, repeated := params[string(p.Name)]; !repeated {
				params[string(p.Name)] = string(p.AppendValue(nil))
			}
			return true
		})
		m.env.SD[string(e.ID)] = params
		return true
	})
	m.firstElement(TagsID, func(p syslog.Param) bool {
		if string(p.Name) == tagParam {
			m.env.Tags = append(m.env.Tags, string(p.AppendValue(nil)))
		}
		return true
	})
	m.ready = true
	return &m.env
}

// compileMachine compiles a condition for the machine of expr, which also checks
// its types.
func compileMachine(source string) (*vm.Program, error) {
	return expr.Compile(source,
		expr.Env(environment{}), expr.AsBool(), expr.Patch(keywordPatcher{}),
		expr.Function("cidr", func(args ...any) (any, error) {
			addr, err := netip.ParseAddr(args[0].(string))
			return err == nil && slices.ContainsFunc(args[1:], func(a any) bool {
				p, err := parseNetwork(a.(string))
				return err == nil && p.Contains(addr)
			}), nil
		}, new(func(string, string, ...string) bool)),
		expr.Function("glob", func(args ...any) (any, error) {
			return slices.ContainsFunc(args[1:], func(a any) bool {
				re, err := compileGlob(a.(string))
				return err == nil && re.MatchString(args[0].(string))
			}), nil
		}, new(func(string, string, ...string) bool)),
	)
}

// keywordPatcher puts numbers for the names of severities and facilities, and for
// the texts with which severity and facility are compared.
type keywordPatcher struct{}

// Visit implements ast.Visitor.
func (keywordPatcher) Visit(n *ast.Node) {
	switch node := (*n).(type) {
	case *ast.IdentifierNode:
		if k, ok := keywords[node.Value]; ok {
			ast.Patch(n, &ast.IntegerNode{Value: k.value})
		}
	case *ast.BinaryNode:
		patchText(node.Left, &node.Right)
		patchText(node.Right, &node.Left)
	}
}

// patchText replaces texts compared with the field subject.
func patchText(subject ast.Node, other *ast.Node) {
	of := numbered(subject)
	if of == "" {
		return
	}
	switch o := (*other).(type) {
	case *ast.StringNode:
		if v, err := keywordValue(of, o.Value); err == nil {
			ast.Patch(other, &ast.IntegerNode{Value: v})
		}
	case *ast.ArrayNode:
		for i := range o.Nodes {
			patchText(subject, &o.Nodes[i])
		}
	}
}

// numbered returns "severity" or "facility" where n is that field.
func numbered(n ast.Node) string {
	if id, ok := n.(*ast.IdentifierNode); ok && (id.Value == "severity" || id.Value == "facility") {
		return id.Value
	}
	return ""
}

// keywordValue is the number of a severity's or facility's name.
func keywordValue(of, name string) (int, error) {
	if k, ok := keywords[strings.ToLower(name)]; ok && k.of == of {
		return k.value, nil
	}
	if of == "severity" {
		s, err := syslog.ParseSeverity(name)
		return int(s), err
	}
	f, err := syslog.ParseFacility(name)
	return int(f), err
}

// explained adds what is known to expr's words on an unknown name.
func explained(message string) string {
	name, ok := strings.CutPrefix(message, "unknown name ")
	if !ok {
		return message
	}
	known := append(slices.Collect(maps.Keys(fields)), "sd", "tags", "cidr", "glob")
	if near := config.Suggest(name, slices.Concat(known, slices.Collect(maps.Keys(keywords)))); strings.HasPrefix(near, "; did you mean") {
		near, _, _ = strings.Cut(near, " (known:")
		return fmt.Sprintf("unknown name %q%s", name, near)
	}
	return fmt.Sprintf("unknown name %q%s", name, config.Suggest(name, known))
}
