package search

import (
	"strings"
	"time"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
)

// Limits of a query. They bound what one can cost to parse and to evaluate.
const (
	// MaxQueryLength is the longest query in octets.
	MaxQueryLength = 4096
	maxDepth       = 50
	// maxInstructions is how many instructions the regular expressions of a query
	// compile to, together: each can be run for each octet of a text.
	maxInstructions = 5000
)

// Query is a parsed query. It is immutable and safe for concurrent use.
type Query struct {
	text string
	root node
	// literal occurs in the octets of every record that matches; nil where
	// there is no such text.
	literal *pattern
	// selective tells that skip data can show that a block has no match.
	selective bool
	// since and until bound the times of all that matches, both included.
	since, until int64
	pipe         pipeline
}

// Parse reads a query. Its error is a *SyntaxError. Spans before now in it are
// before the time of the call.
func Parse(text string) (*Query, error) { return parseAt(text, time.Now()) }

func parseAt(text string, now time.Time) (*Query, error) {
	p := &parser{lexer: lexer{text: text}, now: now}
	if len(text) > MaxQueryLength {
		return nil, p.fail(0, "longer than %d octets", MaxQueryLength)
	}
	if err := p.advance(false); err != nil {
		return nil, err
	}
	root := node(allOf{})
	if p.tok.kind != endToken && p.tok.kind != pipeToken {
		var err error
		if root, err = p.or(nil); err != nil {
			return nil, err
		}
	}
	q := &Query{text: text, root: root, literal: root.literal(), selective: !root.may(&skipdata.Block{})}
	q.since, q.until = timesOf(root)
	switch p.tok.kind {
	case endToken:
	case pipeToken:
		var err error
		if q.pipe, err = p.stages(); err != nil {
			return nil, err
		}
	case closeToken:
		return nil, p.fail(p.tok.at, "a ) without its (")
	default:
		return nil, p.fail(p.tok.at, "a term is expected here")
	}
	return q, nil
}

// may tells whether a block with such skip data can hold a match. Data that
// cannot be read tell nothing.
func (q *Query) may(skip []byte) bool {
	b, ok := skipdata.Parse(skip)
	return !ok || q.root.may(&b)
}

// String returns the query in a canonical form that shows how it was understood.
func (q *Query) String() string {
	var b strings.Builder
	q.root.write(&b)
	q.pipe.write(&b)
	return b.String()
}

// Matcher evaluates a query. It holds scratch space, and is not safe for
// concurrent use.
type Matcher struct {
	root    node
	scratch scratch
}

// Matcher returns a new Matcher of q.
func (q *Query) Matcher() *Matcher { return &Matcher{root: q.root} }

// Match tells whether e matches. It does not allocate, save to grow its scratch
// space to the longest escaped value in structured data.
func (m *Matcher) Match(e *syslog.Event) bool { return m.root.match(e, &m.scratch) }

// parser is a recursive descent over the tokens:
//
//	query = [ or ] stages
//	or    = and { "or" and }
//	and   = unary { [ "and" ] unary }
//	unary = { "not" | "-" } term
//	term  = "(" or ")" | field op value | field ":" "(" or ")" | value
//	value = word | phrase | "/" regular expression "/" [ "i" ]
//
// Within field:( … ) the terms are values of that field.
type parser struct {
	lexer
	tok   token
	depth int
	now   time.Time
	// instructions are those of the regular expressions so far.
	instructions int
}

// scope is the field whose values are being read.
type scope struct {
	field *field
	name  string
	op    string
}

func (p *parser) advance(value bool) (err error) {
	p.tok, err = p.next(value)
	return err
}

func (p *parser) or(in *scope) (node, error) {
	first, err := p.and(in)
	if err != nil || p.tok.kind != orToken {
		return first, err
	}
	nodes := anyOf{first}
	for p.tok.kind == orToken {
		if err := p.advance(false); err != nil {
			return nil, err
		}
		n, err := p.and(in)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func (p *parser) and(in *scope) (node, error) {
	var nodes allOf
	for {
		n, err := p.unary(in)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
		switch p.tok.kind {
		case andToken:
			if err := p.advance(false); err != nil {
				return nil, err
			}
			continue
		case endToken, closeToken, orToken, pipeToken:
			if len(nodes) == 1 {
				return nodes[0], nil
			}
			return nodes, nil
		}
	}
}

func (p *parser) unary(in *scope) (node, error) {
	negated := false
	for p.tok.kind == notToken {
		negated = !negated
		if err := p.advance(false); err != nil {
			return nil, err
		}
	}
	n, err := p.term(in)
	if err != nil {
		return nil, err
	}
	if negated {
		return not{n}, nil
	}
	return n, nil
}

func (p *parser) term(in *scope) (node, error) {
	t := p.tok
	switch t.kind {
	case openToken:
		return p.group(in)
	case fieldToken:
		if in != nil {
			return nil, p.fail(t.at, "field %s within the values of %s; close the ( first", t.text, in.name)
		}
		f, err := p.field(t)
		if err != nil {
			return nil, err
		}
		if err := p.advance(true); err != nil {
			return nil, err
		}
		s := &scope{field: f, name: t.text, op: t.op}
		switch p.tok.kind {
		case openToken:
			if t.op != ":" {
				return nil, p.fail(p.tok.at, "%s%s takes one value", t.text, t.op)
			}
			return p.group(s)
		case wordToken, phraseToken, regexpToken:
			return p.value(s)
		}
		return nil, p.fail(p.tok.at, "%s%s needs a value", t.text, t.op)
	case wordToken, phraseToken, regexpToken:
		return p.value(in)
	case endToken, pipeToken:
		return nil, p.fail(t.at, "the query ends where a term is expected")
	}
	return nil, p.fail(t.at, "a term is expected here; quote and, or and not to look for the words")
}

func (p *parser) group(in *scope) (node, error) {
	open := p.tok.at
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(open, "more than %d groups within each other", maxDepth)
	}
	outside := p.values
	p.values = in != nil
	if err := p.advance(false); err != nil {
		return nil, err
	}
	n, err := p.or(in)
	if err != nil {
		return nil, err
	}
	p.values = outside
	if p.tok.kind != closeToken {
		return nil, p.fail(open, "a ( is opened here and never closed")
	}
	p.depth--
	return n, p.advance(false)
}

// value makes a term of the word or phrase at hand.
func (p *parser) value(in *scope) (node, error) {
	t := p.tok
	if t.kind == regexpToken {
		n, err := p.regexpNode(t, in)
		if err != nil {
			return nil, err
		}
		return n, p.advance(false)
	}
	if in != nil && in.field.name == atTimestamp {
		n, err := p.timeNode(t, in)
		if err != nil {
			return nil, err
		}
		return n, p.advance(false)
	}
	pat := pattern{}
	if t.kind == phraseToken {
		pat = newPattern(t.text, false, false)
		if t.text == "" {
			return nil, p.fail(t.at, "nothing stands between the quotes")
		}
	} else {
		word := t.text
		before, after := strings.HasPrefix(word, "*"), strings.HasSuffix(word, "*")
		word = strings.Trim(word, "*")
		if strings.Contains(word, "*") {
			return nil, p.fail(t.at, "a * stands at the start or the end of a word; quote a plain *")
		}
		pat = newPattern(word, before, after)
	}
	var n node
	var err error
	if in == nil {
		n = anyText(pat)
	} else if n, err = in.field.node(in.op, pat); err != nil {
		return nil, p.fail(t.at, "%s: %v", in.name, err)
	}
	return n, p.advance(false)
}
