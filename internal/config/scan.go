package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// place tells where a key and its value stand in a document. BurntSushi/toml
// gives positions for syntax errors only, so the places of keys are found here.
type place struct {
	key, val point
	table    map[string]*place // where the value is a table
	items    []*place          // where it is an array
	literal  string            // where it is a string: as written, with its quotes
}

// repeat is a key that is given a value though a dotted key has made it a table
// before: a.b = 1, then a = 2. TOML forbids that, and the decoder, which forbids all
// other repeats, keeps one of the two and says nothing.
type repeat struct {
	at, before point
	key        string
}

// point is a line and a column, both counted from 1, the column in characters.
type point struct{ line, column int }

// scan finds the places of all keys of a document that the decoder has accepted, and
// the first repeat. It trusts that acceptance; on anything else it ends early, with
// fewer places, but always ends.
func scan(data []byte) (*place, *repeat) {
	s := &scanner{b: string(data), line: 1}
	root := newTable(point{1, 1})
	at := root
	for {
		s.space(true)
		if s.end() {
			return root, s.repeat
		}
		if s.take("[[") {
			at = s.header(root, true)
			s.take("]]")
			continue
		}
		if s.take("[") {
			at = s.header(root, false)
			s.take("]")
			continue
		}
		if !s.pair(at) {
			return root, s.repeat
		}
	}
}

func newTable(p point) *place { return &place{key: p, val: p, table: map[string]*place{}} }

type scanner struct {
	b    string
	i    int // octet offset
	line int
	// start is the offset at which the line starts.
	start  int
	repeat *repeat // the first; nil for none
}

func (s *scanner) end() bool { return s.i >= len(s.b) }

func (s *scanner) here() point {
	return point{s.line, utf8.RuneCountInString(s.b[s.start:s.i]) + 1}
}

// skip moves on by n octets and keeps count of lines.
func (s *scanner) skip(n int) {
	for range n {
		if s.end() {
			return
		}
		if s.b[s.i] == '\n' {
			s.line++
			s.start = s.i + 1
		}
		s.i++
	}
}

func (s *scanner) take(prefix string) bool {
	if !strings.HasPrefix(s.b[s.i:], prefix) {
		return false
	}
	s.skip(len(prefix))
	return true
}

// space skips blanks, and with lines also line ends and comments.
func (s *scanner) space(lines bool) {
	for !s.end() {
		switch c := s.b[s.i]; {
		case c == ' ' || c == '\t':
		case lines && (c == '\n' || c == '\r'):
		case lines && c == '#':
			s.until("\n")
			continue
		default:
			return
		}
		s.skip(1)
	}
}

// until moves to the next octet that is in stops, or to the end.
func (s *scanner) until(stops string) {
	n := strings.IndexAny(s.b[s.i:], stops)
	if n < 0 {
		n = len(s.b) - s.i
	}
	s.skip(n)
}

// header reads the name of a [table] or [[array]] and returns the table that the
// following pairs belong to.
func (s *scanner) header(root *place, array bool) *place {
	at := root
	names, points := s.name()
	for i, name := range names {
		next := at.table[name]
		last := i == len(names)-1
		if next == nil {
			next = newTable(points[0])
			at.table[name] = next
		} else if last && !array {
			next.key, next.val = points[0], points[0]
		}
		if last && array {
			item := newTable(points[0])
			next.items = append(next.items, item)
			return item
		}
		if n := len(next.items); n > 0 {
			next = next.items[n-1]
		}
		if next.table == nil {
			next.table = map[string]*place{}
		}
		at = next
	}
	return at
}

// pair reads key = value into at; false where there is none.
func (s *scanner) pair(at *place) bool {
	names, points := s.name()
	if len(names) == 0 || !s.take("=") {
		return false
	}
	for i, name := range names[:len(names)-1] {
		next := at.table[name]
		if next == nil || next.table == nil {
			next = newTable(points[i])
			at.table[name] = next
		}
		at = next
	}
	s.space(false)
	before := s.i
	v := s.value()
	v.key = points[len(points)-1]
	name := names[len(names)-1]
	if old := at.table[name]; old != nil && s.repeat == nil {
		s.repeat = &repeat{at: v.key, before: old.key, key: name}
	}
	at.table[name] = v
	return s.i > before
}

// name reads a dotted key and the blanks after it.
func (s *scanner) name() (names []string, points []point) {
	for {
		s.space(false)
		if s.end() {
			return names, points
		}
		p, from := s.here(), s.i
		var name string
		switch c := s.b[s.i]; c {
		case '"', '\'':
			s.quoted(s.b[s.i : s.i+1])
			name = s.b[from:s.i]
			name = name[1:max(1, len(name)-1)]
			if c == '"' {
				name = unescape(name)
			}
		default:
			for !s.end() && bare(s.b[s.i]) {
				s.i++
			}
			if name = s.b[from:s.i]; name == "" {
				return names, points
			}
		}
		names, points = append(names, name), append(points, p)
		s.space(false)
		if !s.take(".") {
			return names, points
		}
	}
}

func bare(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// quoted skips a string that starts and ends with quote; in those of double
// quotes a backslash hides what follows it.
func (s *scanner) quoted(quote string) {
	s.skip(len(quote))
	for !s.end() {
		if quote[0] == '"' && s.b[s.i] == '\\' {
			s.skip(2)
			continue
		}
		if s.take(quote) {
			// """a""""" ends with two quotes of its own.
			for range 2 {
				if len(quote) == 3 && !s.end() && s.b[s.i] == quote[0] {
					s.skip(1)
				}
			}
			return
		}
		s.skip(1)
	}
}

// value skips one value and returns its place.
func (s *scanner) value() *place {
	v := &place{val: s.here()}
	v.key = v.val
	if s.end() {
		return v
	}
	for _, quote := range []string{`"""`, `'''`, `"`, `'`} {
		if strings.HasPrefix(s.b[s.i:], quote) {
			from := s.i
			s.quoted(quote)
			v.literal = s.b[from:s.i]
			return v
		}
	}
	switch {
	case s.take("["):
		for s.more("]") {
			before := s.i
			v.items = append(v.items, s.value())
			if s.i == before {
				break
			}
		}
	case s.take("{"):
		v.table = map[string]*place{}
		for s.more("}") && s.pair(v) {
		}
	default:
		s.until(",]}#\n\r")
	}
	return v
}

// more moves to the next element of an array or inline table; false behind its
// closing bracket and where it does not go on as it should.
func (s *scanner) more(closing string) bool {
	before := s.i
	s.space(true)
	if s.take(",") {
		s.space(true)
	} else if last := s.b[before-1]; last != '[' && last != '{' && !strings.HasPrefix(s.b[s.i:], closing) {
		return false
	}
	return !s.take(closing) && !s.end()
}

// escapeWidths are the numbers of digits that escapes have.
var escapeWidths = map[byte]int{'x': 2, 'u': 4, 'U': 8}

// unescape resolves the escapes of a basic string.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			b.WriteByte('\b')
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'f':
			b.WriteByte('\f')
		case 'r':
			b.WriteByte('\r')
		case 'e':
			b.WriteByte(0x1b)
		case 'x', 'u', 'U':
			width := escapeWidths[s[i]]
			digits := s[i+1 : min(len(s), i+1+width)]
			if n, err := strconv.ParseUint(digits, 16, 32); err == nil {
				b.WriteRune(rune(n))
			}
			i += len(digits)
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
