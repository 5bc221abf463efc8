package rsyslog

import (
	"fmt"
	"strconv"
	"strings"
)

// scanner walks through the text of one file.
type scanner struct {
	file, text string
	pos        int
	// depth is how deep blocks and parentheses are nested here, actions how deep
	// statements without braces are.
	depth, actions int
	// counted is the place up to which lines were counted, feeds how many end before.
	counted, feeds int
}

// maxDepth bounds the nesting of blocks and of parentheses, maxActions that of
// statements without braces, as "else if" behind "else if".
const (
	maxDepth   = 60
	maxActions = 2000
)

func (s *scanner) line() int {
	if s.pos >= s.counted {
		s.feeds += strings.Count(s.text[s.counted:s.pos], "\n")
	} else {
		s.feeds -= strings.Count(s.text[s.pos:s.counted], "\n")
	}
	s.counted = s.pos
	return 1 + s.feeds
}

func (s *scanner) end() bool { return s.pos >= len(s.text) }

// peek returns the octet n further on, 0 behind the end.
func (s *scanner) peek(n int) byte {
	if s.pos+n < len(s.text) {
		return s.text[s.pos+n]
	}
	return 0
}

func (s *scanner) rest() string { return s.text[s.pos:] }

// space passes over white space, continued lines and comments.
func (s *scanner) space() {
	for !s.end() {
		switch c := s.peek(0); {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			s.pos++
		case c == '\\' && (s.peek(1) == '\n' || s.peek(1) == '\r' && s.peek(2) == '\n'):
			s.pos += 2
		case c == '#':
			s.toLineEnd()
		case c == '/' && s.peek(1) == '*':
			end := strings.Index(s.text[s.pos+2:], "*/")
			if end < 0 {
				s.pos = len(s.text)
				return
			}
			s.pos += end + 4
		default:
			return
		}
	}
}

// blanks passes over blanks within a line, and continued lines.
func (s *scanner) blanks() {
	for !s.end() {
		switch c := s.peek(0); {
		case c == ' ' || c == '\t':
			s.pos++
		case c == '\\' && s.peek(1) == '\n':
			s.pos += 2
		default:
			return
		}
	}
}

// toLineEnd returns the rest of the line, with those that continue it.
func (s *scanner) toLineEnd() string {
	var b strings.Builder
	for !s.end() {
		line, _, found := strings.Cut(s.rest(), "\n")
		s.pos += len(line)
		line = strings.TrimSuffix(line, "\r")
		continued, more := strings.CutSuffix(line, `\`)
		if !more || !found {
			b.WriteString(line)
			break
		}
		b.WriteString(continued)
		s.pos++
	}
	return strings.TrimSpace(b.String())
}

// word returns the letters, digits and underscores that come next.
func (s *scanner) word() string {
	start := s.pos
	for !s.end() && wordOctet(s.peek(0)) {
		s.pos++
	}
	return s.text[start:s.pos]
}

func wordOctet(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// quoted reads a string in the quotes it begins with. A backslash escapes in both
// kinds.
func (s *scanner) quoted() (string, error) {
	quote := s.peek(0)
	line := s.line()
	s.pos++
	var b strings.Builder
	for !s.end() {
		c := s.peek(0)
		s.pos++
		switch {
		case c == quote:
			return b.String(), nil
		case c == '\\' && !s.end():
			if o, n := numbered(s.rest()); n > 0 {
				b.WriteByte(o)
				s.pos += n
				continue
			}
			e := s.peek(0)
			s.pos++
			switch {
			case e == 'n':
				b.WriteByte('\n')
			case e == 't':
				b.WriteByte('\t')
			case e == 'r':
				b.WriteByte('\r')
			case e == 'b':
				b.WriteByte('\b')
			case e == '\\' || e == '"' || e == '\'' || e == '$' || e == '?':
				b.WriteByte(e)
			default: // as in the expressions of re_match
				b.WriteByte('\\')
				b.WriteByte(e)
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("the string that begins in line %d has no end", line)
}

// numbered returns the octet of \ooo and \xhh, and how many octets of text behind the
// backslash say it; 0 where none do.
func numbered(text string) (byte, int) {
	digits, base := text, 8
	if strings.HasPrefix(text, "x") {
		digits, base = text[1:], 16
	}
	n := map[int]int{8: 3, 16: 2}[base]
	if len(digits) < n {
		return 0, 0
	}
	v, err := strconv.ParseUint(digits[:n], base, 8)
	if err != nil {
		return 0, 0
	}
	return byte(v), len(text) - len(digits) + n
}
