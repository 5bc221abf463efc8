// Package match compiles the conditions that routes, transforms and limits have,
// such as
//
//	severity <= warning and app startsWith "ssh" and cidr(source, "10.0.0.0/8")
//
// The language is that of expr-lang/expr. A message offers these names:
//
//	facility, severity             numbers; their keywords (auth, local3, warning, err) are
//	                               numbers too, so that severity <= warning means: as severe or more
//	host                           HOSTNAME, else the machine that the input knows, else the
//	                               source address
//	app, procid, msgid, message    as RFC 5424 names them; message is the text behind the header
//	sd["id"]["name"]               a parameter of the structured data, the first where it repeats
//	tags                           those that transforms have added: "slow" in tags
//	source                         the address of the peer that sent the message, without port
//	identity                       the peer's name in its verified TLS certificate
//	input, file                    the input that took the message, and the file in which it stood
//	format                         "rfc5424", "rfc3164" or "unparsed"
//	uid, gid, pid                  of the process that sent it through a unix socket, else -1
//	raw                            all octets of the message
//
// What a message does not have is "". Beside the operators and functions of expr
// there are cidr(source, "network", …) and glob(text, "pattern", …), where * stands
// for any octets, ? for one character and [a-z] for one of a class.
//
// Conditions made of comparisons are evaluated without the virtual machine of
// expr, and without allocating; whatever else the language offers goes through it.
package match

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/syslog"
)

// Expr is a compiled condition. It may be used by many goroutines at once, each
// with a Message of its own.
type Expr struct {
	source string
	match  condition
	errors atomic.Uint64
	// last is the newest error of an evaluation.
	last atomic.Pointer[string]
}

// Error says what is wrong with a condition and where.
type Error struct {
	// Offset is where in the condition, in octets from 0.
	Offset int
	// Text says what is wrong and what is accepted.
	Text string
}

func (e *Error) Error() string { return e.Text }

// Compile reads a condition. Its error is an *Error.
func Compile(source string) (*Expr, error) {
	tree, err := parser.Parse(source)
	if err != nil {
		return nil, located(source, err)
	}
	if err := lint(source, tree.Node); err != nil {
		return nil, err
	}
	whole, err := compileMachine(source)
	if err != nil {
		return nil, located(source, err)
	}
	e := &Expr{source: source}
	c := compiler{expr: e}
	if e.match = c.native(tree.Node); e.match == nil || c.failed {
		e.match = e.machine(whole)
	}
	return e, nil
}

// located turns an error of expr into ours.
func located(source string, err error) error {
	var at *file.Error
	if !errors.As(err, &at) {
		return &Error{Text: err.Error()}
	}
	return &Error{Offset: octetOffset(source, at.From), Text: explained(at.Message)}
}

// octetOffset turns a place in characters into one in octets.
func octetOffset(source string, characters int) int {
	for i := range source {
		if characters == 0 {
			return i
		}
		characters--
	}
	return len(source)
}

// String returns the condition as it was written.
func (e *Expr) String() string { return e.source }

// Match tells whether the condition holds for m. A condition that cannot be
// evaluated for a message, as split(message, " ")[3] where there are but two
// words, does not hold; see Errors.
func (e *Expr) Match(m *Message) bool {
	m.failed = false
	return e.match(m) && !m.failed
}

// Errors returns how often the condition could not be evaluated, and the newest
// reason.
func (e *Expr) Errors() (n uint64, last string) {
	if p := e.last.Load(); p != nil {
		last = *p
	}
	return e.errors.Load(), last
}

// machine returns what runs a program on the machine of expr.
func (e *Expr) machine(program *vm.Program) condition {
	return func(m *Message) bool {
		out, err := m.machine.Run(program, m.environ())
		if err != nil {
			text, _, _ := strings.Cut(err.Error(), "\n")
			e.last.Store(&text)
			e.errors.Add(1)
			m.failed = true
			return false
		}
		return out.(bool)
	}
}

// field is one name that a condition can use.
type field struct {
	text   text
	number number
}

// fields are the names of single values.
var fields = map[string]field{
	"facility": {number: func(m *Message) int { return int(m.event.Facility) }},
	"severity": {number: func(m *Message) int { return int(m.event.Severity) }},
	"uid":      {number: func(m *Message) int { return m.credential(m.event.Credentials.UID) }},
	"gid":      {number: func(m *Message) int { return m.credential(m.event.Credentials.GID) }},
	"pid":      {number: func(m *Message) int { return m.credential(m.event.Credentials.PID) }},
	"host":     {text: (*Message).host},
	"app":      {text: func(m *Message) string { return m.span(m.event.AppName) }},
	"procid":   {text: func(m *Message) string { return m.span(m.event.ProcID) }},
	"msgid":    {text: func(m *Message) string { return m.span(m.event.MsgID) }},
	"message":  {text: func(m *Message) string { return m.span(m.event.Text) }},
	"source":   {text: (*Message).source},
	"identity": {text: func(m *Message) string { return m.event.Identity }},
	"input":    {text: func(m *Message) string { return m.event.Input }},
	"file":     {text: func(m *Message) string { return m.event.Path }},
	"format":   {text: func(m *Message) string { return m.event.Format.String() }},
	"raw":      {text: func(m *Message) string { return text8(m.event.Raw) }},
}

// Text returns the field of that name as text, for those who tell messages apart
// by it; nil where there is no such field.
func Text(name string) func(*Message) string {
	switch f := fields[name]; {
	case f.text != nil:
		return f.text
	case name == "facility":
		return func(m *Message) string { return m.event.Facility.String() }
	case name == "severity":
		return func(m *Message) string { return m.event.Severity.String() }
	}
	if id, key, ok := ParseSD(name); ok && key != "" {
		return func(m *Message) string { return m.param(id, key) }
	}
	return nil
}

// UnknownText says that a name given to Text is none, and which there are.
func UnknownText(name string) string {
	known := []string{"facility", "severity", `sd["id"]["name"]`}
	for n, f := range fields {
		if f.text != nil {
			known = append(known, n)
		}
	}
	return fmt.Sprintf("no field has this name%s", config.Suggest(name, known))
}

// keywords are the names of numbers.
var keywords = func() map[string]keyword {
	all := make(map[string]keyword)
	for _, name := range syslog.SeverityNames() {
		s, _ := syslog.ParseSeverity(name)
		all[name] = keyword{"severity", int(s)}
	}
	for _, name := range syslog.FacilityNames() {
		f, _ := syslog.ParseFacility(name)
		all[name] = keyword{"facility", int(f)}
	}
	return all
}()

// keyword is a number and the field that it belongs to.
type keyword struct {
	of    string
	value int
}
