package syslogng

import (
	"errors"
	"fmt"
	"strings"
)

// node is a word, a string, or a call: name(arguments), and of blocks {…} their
// content.
type node struct {
	line int
	// text is the word or string; quoted tells which.
	text   string
	quoted bool
	// args is what stands in parentheses behind the word; called tells that there
	// were any.
	args   []*node
	called bool
	// block is what stands in braces; braced tells that there were any.
	block  []*node
	braced bool
}

// is tells whether a node is that word, not a string. Dashes and underscores are the
// same.
func (n *node) is(word string) bool { return !n.quoted && word == n.word() }

func (n *node) word() string { return strings.ReplaceAll(n.text, "_", "-") }

// maxDepth bounds the nesting of parentheses and braces, maxNodes what is read.
const (
	maxDepth = 60
	maxNodes = 200_000
)

// scanner walks through the text of one file.
type scanner struct {
	text  string
	pos   int
	lines int // line feeds before pos
	nodes int
	depth int
}

func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) next() byte {
	c := s.text[s.pos]
	s.pos++
	if c == '\n' {
		s.lines++
	}
	return c
}

func (s *scanner) end() bool { return s.pos >= len(s.text) }

func (s *scanner) toLineEnd() string {
	start := s.pos
	for !s.end() && s.peek() != '\n' {
		s.pos++
	}
	return s.text[start:s.pos]
}

// space passes over white space and comments.
func (s *scanner) space() {
	for !s.end() {
		switch s.peek() {
		case ' ', '\t', '\r', '\n', ',':
			s.next()
		case '#':
			s.toLineEnd()
		default:
			return
		}
	}
}

// list reads nodes up to the closing octet, which it takes, or the end of the text
// where closing is 0. A semicolon is a node of its own.
func (s *scanner) list(closing byte) ([]*node, error) {
	s.depth++
	defer func() { s.depth-- }()
	if s.depth > maxDepth {
		return nil, fmt.Errorf("line %d: nested more than %d deep", s.lines+1, maxDepth)
	}
	var list []*node
	for {
		s.space()
		if s.end() {
			if closing != 0 {
				return list, fmt.Errorf("line %d: the file ends where %q is missing", s.lines+1, closing)
			}
			return list, nil
		}
		if s.nodes++; s.nodes > maxNodes {
			return list, errors.New("the file is too large")
		}
		n := &node{line: s.lines + 1}
		switch c := s.peek(); {
		case c == closing:
			s.next()
			return list, nil
		case c == ')' || c == '}':
			return list, fmt.Errorf("line %d: %q closes nothing", s.lines+1, c)
		case c == '(' || c == '{':
			s.next()
			closes := byte(')')
			if c == '{' {
				closes = '}'
			}
			inner, err := s.list(closes)
			if err != nil {
				return list, err
			}
			// Parentheses right behind a word are its arguments; "and (…)" are none.
			if last := len(list) - 1; last >= 0 && !list[last].quoted && list[last].text != ";" && !operatorWord(list[last]) && !list[last].braced {
				if c == '{' {
					list[last].block, list[last].braced = inner, true
				} else if !list[last].called {
					list[last].args, list[last].called = inner, true
				}
				continue
			}
			if c == '{' {
				n.block, n.braced = inner, true
			} else {
				n.args, n.called = inner, true
			}
		case c == ';':
			s.next()
			n.text = ";"
		case c == '"' || c == '\'' || c == '`':
			text, err := s.quoted()
			if err != nil {
				return list, err
			}
			n.text, n.quoted = text, c != '`'
		case c == '@' && s.lineStart(): // @version, @include, @define
			n.text = strings.TrimSpace(s.toLineEnd())
		default:
			start := s.pos
			for !s.end() && strings.IndexByte(" \t\r\n,;(){}\"'`#", s.peek()) < 0 {
				if strings.HasPrefix(s.text[s.pos:], "..") || s.pos > start && strings.HasPrefix(s.text[start:s.pos], "..") {
					break
				}
				s.pos++
			}
			if s.pos == start { // ".." alone
				s.pos = min(start+2, len(s.text))
			}
			n.text = s.text[start:s.pos]
		}
		list = append(list, n)
	}
}

// lineStart tells whether only blanks are before this place in its line.
func (s *scanner) lineStart() bool {
	line := s.text[strings.LastIndexByte(s.text[:s.pos], '\n')+1 : s.pos]
	return strings.TrimSpace(line) == ""
}

func operatorWord(n *node) bool { return n.text == "and" || n.text == "or" || n.text == "not" }

// quoted reads a string. In double quotes a backslash escapes, in single ones not.
func (s *scanner) quoted() (string, error) {
	quote, line := s.next(), s.lines+1
	var b strings.Builder
	for !s.end() {
		switch c := s.next(); {
		case c == quote:
			return b.String(), nil
		case c == '\\' && quote == '"' && !s.end():
			switch e := s.next(); e {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			default:
				b.WriteByte(e)
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("line %d: a string without an end", line)
}
