package parser

import (
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth bounds how deep objects within objects are walked.
const maxJSONDepth = 16

// jsonWalk walks over the members of one JSON object and of the objects in it.
// Keys are joined by dots. Arrays are values, as they stand.
type jsonWalk struct {
	b    []byte
	p    int
	path []byte // the keys above, each with a dot behind it
	f    func(key, value []byte) bool
}

// ExtractJSON calls f for each member of the JSON object in text, in order and
// with repeats, until f returns false. Before the object there may be the
// "@cee:" of Common Event Expression. The members of objects within it have
// dotted keys; strings come without quotes and escapes; numbers, true, false,
// null and arrays as they stand. It returns false where the text is no whole
// object; what stands before the mistake has been reported. Key and value are
// valid during the call only.
//
//	@cee: {"host":{"name":"web1"},"level":3}  ->  host.name web1, level 3
func ExtractJSON(text []byte, f func(key, value []byte) bool) bool {
	p := skipSpace(text, 0)
	if hasPrefix(text, p, "@cee:") {
		p = skipSpace(text, p+5)
	}
	if at(text, p) != '{' {
		return false
	}
	w := jsonWalk{b: text, p: p, f: f}
	return w.object(0)
}

// object reads the object at p. It returns false at a mistake or where f wants no more.
func (w *jsonWalk) object(depth int) bool {
	w.p++
	if w.blank(); at(w.b, w.p) == '}' {
		w.p++
		return true
	}
	for {
		w.blank()
		key, escaped, ok := w.text()
		if !ok {
			return false
		}
		if escaped {
			key = unescapeJSON(key)
		}
		if w.blank(); at(w.b, w.p) != ':' {
			return false
		}
		w.p++
		w.blank()
		above := len(w.path)
		w.path = append(w.path, key...)
		switch at(w.b, w.p) {
		case '{':
			if depth == maxJSONDepth {
				return false
			}
			w.path = append(w.path, '.')
			ok = w.object(depth + 1)
		case '"':
			var value []byte
			if value, escaped, ok = w.text(); ok {
				if escaped {
					value = unescapeJSON(value)
				}
				ok = w.f(w.path, value)
			}
		default:
			start := w.p
			if ok = w.skipValue(); ok {
				ok = w.f(w.path, w.b[start:w.p])
			}
		}
		w.path = w.path[:above]
		if !ok {
			return false
		}
		w.blank()
		switch at(w.b, w.p) {
		case ',':
			w.p++
		case '}':
			w.p++
			return true
		default:
			return false
		}
	}
}

func (w *jsonWalk) blank() {
	for w.p < len(w.b) && (isSpace(w.b[w.p]) || w.b[w.p] == '\n' || w.b[w.p] == '\r') {
		w.p++
	}
}

// text reads the string at p and returns what stands between its quotes.
func (w *jsonWalk) text() (s []byte, escaped, ok bool) {
	end, escaped := jsonString(w.b, w.p, len(w.b))
	if end == 0 {
		return nil, false, false
	}
	s = w.b[w.p+1 : end-1]
	w.p = end
	return s, escaped, true
}

// jsonString returns the position behind the string at p, or 0.
func jsonString(b []byte, p, end int) (int, bool) {
	if p >= end || b[p] != '"' {
		return 0, false
	}
	escaped := false
	for p++; p < end; p++ {
		switch b[p] {
		case '\\':
			escaped = true
			p++
		case '"':
			return p + 1, escaped
		}
	}
	return 0, false
}

// skipValue passes over the array, number or word at p.
func (w *jsonWalk) skipValue() bool {
	end := jsonValueEnd(w.b, w.p, len(w.b))
	if end == 0 {
		return false
	}
	w.p = end
	return true
}

// jsonValueEnd returns the position behind the value at p, or 0.
func jsonValueEnd(b []byte, p, end int) int {
	start, depth := p, 0
	for p < end {
		switch c := b[p]; c {
		case '"':
			if p, _ = jsonString(b, p, end); p == 0 {
				return 0
			}
			if depth == 0 {
				return p
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			if depth == 0 {
				if p == start {
					return 0
				}
				return p
			}
			if depth--; depth == 0 {
				return p + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				if p == start {
					return 0
				}
				return p
			}
		}
		p++
	}
	return 0
}

// unescapeJSON returns a copy of s without its escapes. An escape that is none
// stays as it is; half of a surrogate pair becomes U+FFFD.
func unescapeJSON(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, n := hexRune(s[i+1:])
			if n == 0 {
				out = append(out, '\\', 'u')
				continue
			}
			i += n
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, '\\', c)
		}
	}
	return out
}

// hexRune reads the four digits behind \u and, for the first half of a surrogate
// pair, the escape that follows; it returns the rune and how many octets it took.
func hexRune(s []byte) (rune, int) {
	first, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(first) && len(s) >= 10 && s[4] == '\\' && s[5] == 'u' {
		if second, ok := hex4(s[6:]); ok {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r, 10
			}
		}
	}
	return first, 4
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n := rune(0)
	for _, c := range s[:4] {
		switch {
		case isDigit(c):
			n = n<<4 | rune(c-'0')
		case (c|0x20)-'a' < 6:
			n = n<<4 | rune((c|0x20)-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}
