package rsyslog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/syslane/syslane/internal/convert"
)

// kind is what a statement is.
type kind int

const (
	directive kind = iota // $Name value
	object                // name(key="value" …) { … }
	filtered              // a filter with what is done
	legacy                // an action in the old form, as @@host
	stop                  // stop, or ~
	call                  // call NAME
	other                 // set, foreach and what else there is
	unread                // what is none of these
)

// statement is one statement of a configuration.
type statement struct {
	kind kind
	at   convert.Place
	// source is the text of the statement.
	source string
	// name is that of the directive, object or ruleset; value what follows a
	// directive, or the text of an old action.
	name, value string
	// params are those of an object, their names in lower case.
	params params
	// when is the filter, whenErr why it has no translation.
	when    convert.Cond
	whenErr error
	// body is what a filter, ruleset or template has in it, otherwise what
	// comes behind "else".
	body, otherwise []*statement
}

// parse reads a file. It never fails: what it cannot read is a statement too.
func parse(file, text string) []*statement {
	s := &scanner{file: file, text: strings.ReplaceAll(text, "\x00", " ")}
	var all []*statement
	for {
		all = append(all, s.block()...)
		if s.end() {
			return all
		}
		// A brace that closes nothing.
		at, from := s.place(), s.pos
		s.toLineEnd()
		all = append(all, &statement{kind: unread, at: at, source: s.text[from:s.pos], whenErr: errors.New("a brace that closes no block")})
	}
}

func (s *scanner) place() convert.Place { return convert.Place{File: s.file, Line: s.line()} }

// block reads statements up to a closing brace, which it leaves, or the end.
func (s *scanner) block() []*statement {
	var list []*statement
	for {
		s.space()
		if s.end() || s.peek(0) == '}' {
			return list
		}
		from, at := s.pos, s.place()
		if s.peek(0) == '&' { // one more action for the filter before
			s.pos++
			action := s.action()
			last := len(list) - 1
			for last >= 0 && list[last].sets() { // rsyslogd takes no notice of those between
				last--
			}
			switch {
			case last >= 0 && list[last].kind == filtered && last == len(list)-1:
				list[last].more(action)
			case last >= 0 && list[last].kind == filtered:
				again := list[last].again(action)
				again.at, again.source = at, s.text[from:s.pos]
				list = append(list, again)
			case last >= 0 && list[last].kind != unread:
				list = append(list, action...)
			default: // alone it would be done with every message
				list = append(list, &statement{kind: unread, at: at, source: s.text[from:s.pos], whenErr: errors.New("it belongs to the statement before, which is not read")})
			}
			continue
		}
		st := s.statement()
		if s.pos == from {
			s.pos++ // whatever it is, go on behind it
		}
		if st != nil {
			st.at, st.source = at, s.text[from:s.pos]
			list = append(list, st)
		}
	}
}

// more adds an action to the last one of a filter: that behind the innermost condition.
func (st *statement) more(action []*statement) {
	for {
		list := &st.body
		if len(st.otherwise) > 0 {
			list = &st.otherwise
		}
		if last := len(*list) - 1; last >= 0 && (*list)[last].kind == filtered {
			st = (*list)[last]
			continue
		}
		*list = append(*list, action...)
		return
	}
}

// again returns the filter with an action as what is done behind its innermost
// condition: directives in front of that have to be read before it.
func (st *statement) again(action []*statement) *statement {
	filter := *st
	filter.body, filter.otherwise = nil, nil
	list, to := st.body, &filter.body
	if len(st.otherwise) > 0 {
		list, to = st.otherwise, &filter.otherwise
	}
	if last := len(list) - 1; last >= 0 && list[last].kind == filtered {
		action = []*statement{list[last].again(action)}
	}
	*to = action
	return &filter
}

// sets tells whether a statement is a $directive that only sets something.
func (st *statement) sets() bool {
	return st.kind == directive && !strings.EqualFold(st.name, "includeconfig")
}

func (s *scanner) unread(err error) *statement {
	s.toLineEnd()
	return &statement{kind: unread, whenErr: err}
}

// objects are the words that begin an object.
var objects = map[string]bool{
	"module": true, "input": true, "action": true, "global": true, "template": true, "ruleset": true, "main_queue": true,
	"include": true, "timezone": true, "lookup_table": true, "parser": true, "dyn_stats": true, "percentile_stats": true,
	"ratelimit": true, "property": true, "constant": true,
}

func (s *scanner) statement() *statement {
	switch c := s.peek(0); {
	case c == '$' && wordOctet(s.peek(1)):
		s.pos++
		st := &statement{kind: directive, name: s.word()}
		st.value = uncomment(s.toLineEnd())
		return st
	case c == ':':
		return s.propertyFilter()
	case c == '!' || c == '+' || c == '-' && s.peek(1) != '/':
		return s.unread(errors.New("blocks by program or host are gone from rsyslog too: write if $programname == \"…\" then …"))
	case c == ';': // some put one behind a statement
		s.pos++
		return nil
	}
	from := s.pos
	word := s.word()
	lower := strings.ToLower(word)
	behind := s.pos
	s.space()
	switch {
	case objects[lower] && s.peek(0) == '(':
		return s.object(lower)
	case lower == "if":
		return s.conditional()
	case lower == "stop":
		return &statement{kind: stop}
	case lower == "continue":
		return nil
	case lower == "call":
		return &statement{kind: call, name: s.word()}
	case lower == "set" || lower == "unset" || lower == "reset" || lower == "call_indirect":
		s.statementEnd()
		return &statement{kind: other, name: lower}
	case lower == "foreach":
		return s.foreach()
	}
	s.pos = behind
	if selector := s.selector(from); selector != "" {
		when, err := selectorCond(selector)
		return s.filteredBy(when, err)
	}
	s.pos = from
	if c := s.peek(0); c == '/' || c == '@' || c == '|' || c == '~' || c == '?' || c == '^' || strings.HasPrefix(s.rest(), "-/") {
		return s.legacyAction()
	}
	return s.unread(errors.New("no statement of rsyslog that is known here"))
}

// uncomment takes the comment off the end of a directive.
func uncomment(value string) string {
	if i := strings.Index(value, " #"); i >= 0 && !strings.Contains(value[:i], `"`) {
		value = value[:i]
	} else if i := strings.Index(value, "\t#"); i >= 0 && !strings.Contains(value[:i], `"`) {
		value = value[:i]
	}
	return strings.TrimSpace(value)
}

// statementEnd passes over a statement that ends with a semicolon.
func (s *scanner) statementEnd() {
	for !s.end() {
		switch c := s.peek(0); c {
		case ';':
			s.pos++
			return
		case '"', '\'':
			if _, err := s.quoted(); err != nil {
				return
			}
		case '\n', '}':
			// None has forgotten it: the line is the statement.
			if !strings.Contains(s.rest(), ";") || c == '}' {
				return
			}
			s.pos++
		default:
			s.pos++
		}
	}
}

// selector reads facilities and priorities, as "mail,news.=info;*.none", that begin
// at from; it returns "" where there is none. It may go on in the next line behind a
// semicolon or comma.
func (s *scanner) selector(from int) string {
	s.pos = from
	var text string
	for {
		start := s.pos
		for !s.end() && (wordOctet(s.peek(0)) || strings.IndexByte("*,.;=!", s.peek(0)) >= 0) {
			s.pos++
		}
		part := s.text[start:s.pos]
		text += part
		if c := s.peek(0); part == "" || c != '\\' || !strings.HasSuffix(text, ";") && !strings.HasSuffix(text, ",") {
			break
		}
		s.blanks()
	}
	if c := s.peek(0); !strings.Contains(text, ".") || c != ' ' && c != '\t' && c != '\\' {
		s.pos = from
		return ""
	}
	return text
}

// filteredBy reads what is done with messages that pass a filter.
func (s *scanner) filteredBy(when convert.Cond, err error) *statement {
	return &statement{kind: filtered, when: when, whenErr: err, body: s.action()}
}

// action reads a block, an object or an action in the old form.
func (s *scanner) action() []*statement {
	s.space()
	at, from := s.place(), s.pos
	s.actions++
	defer func() { s.actions-- }()
	if s.actions > maxActions {
		s.pos = len(s.text)
		return []*statement{{kind: unread, at: at, source: s.text[from:], whenErr: fmt.Errorf("conditions stand more than %d deep in one another", maxActions)}}
	}
	if s.peek(0) == '{' {
		return s.braces()
	}
	lower := strings.ToLower(s.word())
	s.space()
	known := lower == "stop" || lower == "if" || lower == "set" || lower == "unset" || lower == "call" || lower == "continue" || lower == "foreach" || objects[lower] && s.peek(0) == '('
	s.pos = from
	var st *statement
	if known {
		st = s.statement()
	} else {
		st = s.legacyAction()
	}
	if st == nil {
		return nil
	}
	st.at, st.source = at, s.text[from:s.pos]
	return []*statement{st}
}

// braces reads a block with its braces.
func (s *scanner) braces() []*statement {
	at := s.place()
	s.pos++
	s.depth++
	defer func() { s.depth-- }()
	if s.depth > maxDepth {
		from := s.pos
		s.pos = len(s.text)
		return []*statement{{kind: unread, at: at, source: s.text[from:], whenErr: fmt.Errorf("blocks are nested more than %d deep", maxDepth)}}
	}
	list := s.block()
	if s.peek(0) == '}' {
		s.pos++
	} else {
		list = append(list, &statement{kind: unread, at: at, source: "{", whenErr: errors.New("this block has no end")})
	}
	return list
}

// legacyAction reads an action in the old form: the rest of the line.
func (s *scanner) legacyAction() *statement {
	s.blanks()
	if s.peek(0) == '~' {
		s.toLineEnd()
		return &statement{kind: stop}
	}
	text := s.toLineEnd()
	// Within a block the brace that closes it may stand in the same line.
	if i := strings.LastIndexByte(text, '}'); s.depth > 0 && i >= 0 && strings.Trim(text[i:], "} \t") == "" {
		s.pos = strings.LastIndexByte(s.text[:s.pos], '}')
		text = strings.TrimSpace(text[:i])
	}
	return &statement{kind: legacy, value: uncomment(text)}
}

// conditional reads what follows "if".
func (s *scanner) conditional() *statement {
	when, err := s.expression()
	if s.space(); !s.keyword("then") {
		if err == nil {
			err = errors.New("no \"then\" behind the condition")
		}
		return s.unread(err)
	}
	st := s.filteredBy(when, err)
	behind := s.pos
	if s.space(); s.keyword("else") {
		st.otherwise = s.action()
	} else {
		s.pos = behind
	}
	return st
}

// keyword passes over a word where it comes next.
func (s *scanner) keyword(word string) bool {
	from := s.pos
	if strings.EqualFold(s.word(), word) {
		return true
	}
	s.pos = from
	return false
}

func (s *scanner) foreach() *statement {
	for !s.end() && s.peek(0) != '{' {
		s.pos++
	}
	if !s.end() {
		s.braces()
	}
	return &statement{kind: other, name: "foreach"}
}
