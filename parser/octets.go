package parser

import "github.com/syslane/syslane/internal/syslog"

// Classes of octets, as bits of classes.
const (
	classSpace = 1 << iota // space, tab
	classDigit
	classAlpha
	classHost // may stand in a hostname
	classTag  // may stand in a tag before "[" or ":"
	className // may stand in an SD-NAME (RFC 5424 §6.3); octets above ASCII are let pass
	classText // is no quote and no backslash, which end or escape in a PARAM-VALUE
)

var classes = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c == ' ' || c == '\t':
			t[c] = classSpace
		case c >= '0' && c <= '9':
			t[c] = classDigit | classHost | classTag
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			t[c] = classAlpha | classHost | classTag
		case c >= 0x80:
			// Hostnames and programs have names in every language.
			t[c] = classHost | classTag
		}
	}
	for _, c := range "-._/@%~+&$" {
		t[c] |= classHost | classTag
	}
	for _, c := range "#()*!\\" {
		t[c] |= classTag
	}
	t[':'] |= classHost
	for c := range t {
		if c > ' ' && c != '=' && c != ']' && c != '"' && c != 0x7f {
			t[c] |= className
		}
		if c != '"' && c != '\\' {
			t[c] |= classText
		}
	}
	return t
}()

func isDigit(c byte) bool { return c-'0' < 10 }

func isAlpha(c byte) bool { return (c|0x20)-'a' < 26 }

func isAlnum(c byte) bool { return isDigit(c) || isAlpha(c) }

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// skipSpace returns the position of the first octet from i on that is no space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// wordEnd returns the position of the first space from i on, or the end of b.
func wordEnd(b []byte, i int) int {
	for i < len(b) && !isSpace(b[i]) {
		i++
	}
	return i
}

// at returns the octet at i, or 0 beyond the end.
func at(b []byte, i int) byte {
	if uint(i) < uint(len(b)) {
		return b[i]
	}
	return 0
}

// hasPrefix tells whether b continues with s at i.
func hasPrefix(b []byte, i int, s string) bool {
	return i >= 0 && len(b)-i >= len(s) && string(b[i:i+len(s)]) == s
}

// equalFold tells whether b is s, which is in lower case, in any case of ASCII.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != s[i] {
			return false
		}
	}
	return true
}

// allDigits tells whether b is a number.
func allDigits(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return len(b) > 0
}

const noTime = syslog.NoTimestamp

// hasLetter tells whether there is a letter, of any script, in b.
func hasLetter(b []byte) bool {
	for _, c := range b {
		if isAlpha(c) || c >= 0x80 {
			return true
		}
	}
	return false
}

func span(start, end int) syslog.Span {
	return syslog.Span{Start: uint32(start), End: uint32(end)}
}

// field is span, but empty for NILVALUE.
func field(b []byte, start, end int) syslog.Span {
	if end-start == 1 && b[start] == '-' {
		return syslog.Span{}
	}
	return span(start, end)
}
