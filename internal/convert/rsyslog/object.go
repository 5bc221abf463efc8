package rsyslog

import (
	"errors"
	"strconv"
	"strings"
)

// params are the parameters of an object: one value, or those of an array.
type params map[string][]string

// text returns a parameter's value, "" where it is not set.
func (p params) text(key string) string {
	if v := p[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (p params) on(key string) bool { return isOn(p.text(key)) }

func isOn(text string) bool {
	switch strings.ToLower(text) {
	case "on", "yes", "1", "true":
		return true
	}
	return false
}

func (p params) number(key string) int {
	n, err := strconv.Atoi(p.text(key))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// object reads the parameters of an object whose name was read, and its block.
func (s *scanner) object(name string) *statement {
	st := &statement{kind: object, name: name, params: params{}}
	s.pos++ // the parenthesis
	for {
		s.space()
		if s.end() {
			return s.broken(st, "it has no closing parenthesis")
		}
		switch s.peek(0) {
		case ')':
			s.pos++
			behind := s.pos
			s.space()
			if (name == "ruleset" || name == "template") && s.peek(0) == '{' {
				st.body = s.braces()
			} else {
				s.pos = behind
			}
			return st
		case ',':
			s.pos++
			continue
		}
		from := s.pos
		for !s.end() && (wordOctet(s.peek(0)) || s.peek(0) == '.' || s.peek(0) == '-') {
			s.pos++
		}
		key := strings.ToLower(s.text[from:s.pos])
		s.space()
		if key == "" || s.peek(0) != '=' {
			return s.broken(st, "a parameter is no name=\"value\"")
		}
		s.pos++
		s.space()
		values, err := s.values()
		if err != nil {
			return s.broken(st, err.Error())
		}
		st.params[key] = values
	}
}

// broken gives an object up at the end of its line.
func (s *scanner) broken(st *statement, why string) *statement {
	s.toLineEnd()
	return &statement{kind: unread, whenErr: errors.New(st.name + "(): " + why)}
}

// values reads "value" or ["a", "b"].
func (s *scanner) values() ([]string, error) {
	if s.peek(0) != '[' {
		v, err := s.value()
		return []string{v}, err
	}
	s.pos++
	var list []string
	for {
		s.space()
		switch s.peek(0) {
		case ']':
			s.pos++
			return list, nil
		case ',':
			s.pos++
			continue
		}
		v, err := s.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
}

func (s *scanner) value() (string, error) {
	switch c := s.peek(0); {
	case c == '"' || c == '\'' || c == '`':
		v, err := s.quoted()
		if err == nil && c == '`' {
			return "", errors.New("what `" + v + "` gives is known to rsyslog alone")
		}
		return v, err
	case wordOctet(c):
		return s.word(), nil
	}
	return "", errors.New("a value is not in quotes")
}
