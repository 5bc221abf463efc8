package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrorInside makes an error about a place within a string that Decode took, as
// a condition or a pattern: offset counts the octets of the value before it. The
// error stands at that place in the file, and otherwise is as that of Errorf.
func (t Table) ErrorInside(key string, offset int, format string, args ...any) error {
	if t.node == nil {
		return t.Errorf(key, format, args...)
	}
	n := t.node.find(key)
	value, isText := n.scalar.(string)
	if n == t.node || !isText || n.literal == "" {
		return t.Errorf(key, format, args...)
	}
	pos := n.valPos
	// Behind what the environment puts in, no place is known.
	if _, changed, err := expand(value); err == nil && !changed && !strings.Contains(value, "$${") {
		written := n.literal[:writtenBefore(n.literal, offset)]
		if lines := strings.Count(written, "\n"); lines > 0 {
			pos.Line, pos.Column = pos.Line+lines, 1
			written = written[strings.LastIndexByte(written, '\n')+1:]
		}
		pos.Column += utf8.RuneCountInString(written)
	}
	return t.file.add(&Error{Pos: pos, Key: n.path(), Text: fmt.Sprintf("%s: %s", n.path(), fmt.Sprintf(format, args...))})
}

// writtenBefore returns how many octets of a literal stand before the one that
// makes the octet at offset of the string.
func writtenBefore(literal string, offset int) int {
	quote := literal[:1]
	at := 1
	if strings.HasPrefix(literal, quote+quote+quote) && len(literal) >= 6 {
		at = 3
		// A line end right behind the quotes does not count.
		if strings.HasPrefix(literal[at:], "\r\n") {
			at += 2
		} else if strings.HasPrefix(literal[at:], "\n") {
			at++
		}
	}
	for at < len(literal) {
		escape := quote == `"` && literal[at] == '\\' && at+1 < len(literal)
		if escape && strings.IndexByte(" \t\r\n", literal[at+1]) >= 0 {
			// A backslash at the end of a line takes the white space with it.
			at += 1 + len(literal[at+1:]) - len(strings.TrimLeft(literal[at+1:], " \t\r\n"))
			continue
		}
		if offset <= 0 {
			break
		}
		if !escape {
			at++
			offset--
			continue
		}
		n := min(2+escapeWidths[literal[at+1]], len(literal)-at)
		offset -= len(unescape(literal[at : at+n]))
		at += n
	}
	return at
}

// ErrorHere makes an error about the table as a whole, otherwise as Errorf.
func (t Table) ErrorHere(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if t.node == nil {
		return t.file.add(&Error{Text: text})
	}
	return t.file.add(&Error{Pos: t.node.pos, Key: t.node.path(), Text: t.node.where() + ": " + text})
}
