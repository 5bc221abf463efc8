package search

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError tells what is wrong with a query, and where.
type SyntaxError struct {
	// Column counts characters from 1.
	Column int
	Text   string
}

// Error returns "query, column 5: what is wrong".
func (e *SyntaxError) Error() string { return fmt.Sprintf("query, column %d: %s", e.Column, e.Text) }

type tokenKind uint8

const (
	endToken tokenKind = iota
	wordToken
	phraseToken
	fieldToken // text is the name, op the operator behind it
	openToken
	closeToken
	andToken
	orToken
	notToken
	pipeToken
	regexpToken // text is the expression
)

type token struct {
	kind tokenKind
	text string
	op   string
	at   int // offset in octets
}

// lexer splits a query into tokens. What a character means depends on whether a
// field's value is to come, in which neither colons nor keywords are special.
type lexer struct {
	text string
	i    int
	// values tells that the terms are values of a field, field:( … ); then only
	// the names of fields that exist are taken as such, to be refused.
	values bool
}

func (l *lexer) fail(at int, format string, args ...any) error {
	return &SyntaxError{Column: utf8.RuneCountInString(l.text[:at]) + 1, Text: fmt.Sprintf(format, args...)}
}

// next returns the token that starts after blanks; value tells that a field's
// value is to come.
func (l *lexer) next(value bool) (token, error) {
	l.i += len(l.text[l.i:]) - len(strings.TrimLeftFunc(l.text[l.i:], unicode.IsSpace))
	at := l.i
	if at == len(l.text) {
		return token{kind: endToken, at: at}, nil
	}
	switch l.text[at] {
	case '(':
		l.i++
		return token{kind: openToken, at: at}, nil
	case ')':
		l.i++
		return token{kind: closeToken, at: at}, nil
	case '"':
		return l.phrase()
	case '|':
		l.i++
		return token{kind: pipeToken, at: at}, nil
	case '/':
		if t, ok := l.regexp(); ok {
			return t, nil
		}
	}
	if !value {
		if l.text[at] == '-' && len(l.text) > at+1 && !endsWord(l.text[at+1:], 0) {
			if l.text[at+1] == '-' {
				return token{}, l.fail(at, `- means "not"; to look for a text that starts with -, quote it: %q`, "--help")
			}
			l.i++
			return token{kind: notToken, at: at}, nil
		}
		if name, op := splitField(l.text[at:]); op != "" && (!l.values || findField(name) != nil) {
			l.i += len(name) + len(op)
			return token{kind: fieldToken, text: name, op: op, at: at}, nil
		}
		if strings.ContainsRune("<>", rune(l.text[at])) {
			return token{}, l.fail(at, `a comparison stands next to its field, as in severity<=err; quote a plain %q`, l.text[at:at+1])
		}
	}
	end := at
	for end < len(l.text) && !endsWord(l.text, end) {
		_, n := utf8.DecodeRuneInString(l.text[end:])
		end += n
	}
	l.i = end
	word := l.text[at:end]
	if !value {
		switch strings.ToLower(word) {
		case "and":
			return token{kind: andToken, at: at}, nil
		case "or":
			return token{kind: orToken, at: at}, nil
		case "not":
			return token{kind: notToken, at: at}, nil
		}
	}
	return token{kind: wordToken, text: word, at: at}, nil
}

// endsWord tells whether the character at s[i:] cannot be part of a bare word.
func endsWord(s string, i int) bool {
	r, _ := utf8.DecodeRuneInString(s[i:])
	return unicode.IsSpace(r) || strings.ContainsRune(`()"|`, r)
}

// splitField splits name:…, name<=… and so on. A name starts with a letter or @;
// op is "" where s starts with none.
func splitField(s string) (name, op string) {
	i := 0
	for i < len(s) && nameChar(s[i], i == 0) {
		i++
	}
	if i == 0 || i == len(s) {
		return "", ""
	}
	switch {
	case strings.HasPrefix(s[i:], "<="), strings.HasPrefix(s[i:], ">="):
		return s[:i], s[i : i+2]
	case s[i] == ':' || s[i] == '<' || s[i] == '>':
		return s[:i], s[i : i+1]
	}
	return "", ""
}

// nameChar covers the names of fields, and of SD-ID and PARAM-NAME as devices
// write them.
func nameChar(c byte, first bool) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '@':
		return true
	case c >= '0' && c <= '9', c == '.', c == '_', c == '-', c == '/', c == '#', c == '$', c == '%', c == '+':
		return !first
	}
	return false
}

// phrase reads a quoted text.
func (l *lexer) phrase() (token, error) {
	at := l.i
	var b strings.Builder
	for i := at + 1; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '"':
			l.i = i + 1
			return token{kind: phraseToken, text: b.String(), at: at}, nil
		case c == '\\' && i+1 < len(l.text) && (l.text[i+1] == '"' || l.text[i+1] == '\\'):
			i++
			b.WriteByte(l.text[i])
		default:
			b.WriteByte(c)
		}
	}
	return token{}, l.fail(at, `a quote is opened here and never closed`)
}

// regexp reads /…/ or /…/i. false: the slash that would end it stands within a word,
// as in /var/log, and so this is a word.
func (l *lexer) regexp() (token, bool) {
	at := l.i
	for i := at + 1; i < len(l.text); i++ {
		switch l.text[i] {
		case '\\':
			i++
		case '/':
			text, end := l.text[at+1:i], i+1
			if end < len(l.text) && l.text[end] == 'i' {
				text, end = "(?i)"+text, end+1
			}
			if i == at+1 || end < len(l.text) && !endsWord(l.text, end) {
				return token{}, false
			}
			l.i = end
			return token{kind: regexpToken, text: strings.ReplaceAll(text, `\/`, "/"), at: at}, true
		}
	}
	return token{}, false
}
