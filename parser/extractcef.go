package parser

// extensions walks over the extension of CEF: key=value pairs separated by
// spaces, where values may hold spaces too. A value ends before the word that
// stands before the next equals sign without a backslash.
//
//	src=10.0.0.1 msg=a sentence with \= in it dst=10.0.0.2
type extensions struct {
	b      []byte
	p, end int
}

// next reads the next pair.
func (w *extensions) next() (pair, bool) {
	b, end := w.b, w.end
	p := skipSpace(b[:end], w.p)
	k := pair{key: p}
	for p < end && b[p] != '=' {
		if isSpace(b[p]) {
			k.key = p + 1
		}
		p++
	}
	if p >= end || p == k.key {
		w.p = end
		return pair{}, false
	}
	k.keyEnd = p
	k.value = p + 1
	word := -1 // the last space before p
	for p++; p < end; p++ {
		switch c := b[p]; {
		case c == '\\':
			k.escaped = true
			p++
		case isSpace(c):
			word = p
		case c == '=':
			if word >= k.value && p > word+1 && isKeyWord(b[word+1:p]) {
				k.valueEnd = word
				for k.valueEnd > k.value && isSpace(b[k.valueEnd-1]) {
					k.valueEnd--
				}
				w.p = word + 1
				return k, true
			}
		}
	}
	k.valueEnd = end
	for k.valueEnd > k.value && (isSpace(b[k.valueEnd-1]) || b[k.valueEnd-1] == '\n' || b[k.valueEnd-1] == '\r') {
		k.valueEnd--
	}
	w.p = end
	return k, true
}

// isKeyWord tells whether w may be a key of an extension. A key is short, so
// that a value of many equals signs is not searched again and again.
func isKeyWord(w []byte) bool {
	if len(w) > 64 {
		return false
	}
	for _, c := range w {
		if !isKey(c) && c != '[' && c != ']' {
			return false
		}
	}
	return true
}

// ExtractCEF calls f for each field of a body of CEF or LEEF, in order and with
// repeats, until f returns false. Those of the header come first, with the names
// that the formats' guides use in lower camel case: for CEF deviceVendor,
// deviceProduct, deviceVersion, deviceEventClassId, name and severity; for LEEF
// deviceVendor, deviceProduct, deviceVersion and eventId. Backslashes of escapes
// are left out, and \n becomes a line feed. Key and value are valid during the
// call only. It allocates only for values with backslashes. Text that begins
// otherwise has no fields.
//
//	CEF:0|Security|threatmanager|1.0|100|worm stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232
//	LEEF:2.0|Lancope|StealthWatch|1.0|41|^|src=192.0.2.0^dst=172.50.123.1^sev=5
func ExtractCEF(text []byte, f func(key, value []byte) bool) {
	cef := hasPrefix(text, 0, "CEF:")
	if !cef && !hasPrefix(text, 0, "LEEF:") {
		return
	}
	names := leefNames[:]
	if cef {
		names = cefNames[:]
	}
	p, _ := headerEnd(text, 0, len(text))
	for _, name := range names {
		end, escaped := headerEnd(text, p, len(text))
		if end == 0 {
			return
		}
		value := text[p : end-1]
		p = end
		if escaped {
			value = unescape(value, '|')
		}
		if !f(name, value) {
			return
		}
	}
	if !cef {
		extractLEEF(text, p, f)
		return
	}
	w := extensions{b: text, p: p, end: len(text)}
	for {
		k, ok := w.next()
		if !ok {
			return
		}
		value := text[k.value:k.valueEnd]
		if k.escaped {
			value = unescapeCEF(value)
		}
		if !f(text[k.key:k.keyEnd], value) {
			return
		}
	}
}

var (
	cefNames = [...][]byte{[]byte("deviceVendor"), []byte("deviceProduct"), []byte("deviceVersion"),
		[]byte("deviceEventClassId"), []byte("name"), []byte("severity")}
	leefNames = [...][]byte{[]byte("deviceVendor"), []byte("deviceProduct"), []byte("deviceVersion"), []byte("eventId")}
)

// headerEnd returns the position behind the next "|" without a backslash, and
// whether there was a backslash before it; 0 where there is none.
func headerEnd(b []byte, p, end int) (int, bool) {
	escaped := false
	for ; p < end; p++ {
		switch b[p] {
		case '\\':
			escaped = true
			p++
		case '|':
			return p + 1, escaped
		}
	}
	return 0, escaped
}

// leefDelimiter reads the delimiter of LEEF 2.0 at p, one character or its code
// in hexadecimal ("^", "x09", "0x09"), and returns it and where the attributes
// begin. LEEF 1.0 has none: there it is a tab.
func leefDelimiter(b []byte, p, end int) (byte, int) {
	stop := p
	for stop < end && stop < p+5 && b[stop] != '|' {
		stop++
	}
	if at(b[:end], stop) != '|' {
		return '\t', p
	}
	code := b[p:stop]
	switch {
	case len(code) == 0:
		return '\t', stop + 1
	case len(code) == 1:
		return code[0], stop + 1
	case code[0] == '0' && len(code) > 2:
		code = code[1:]
	}
	if code[0] != 'x' && code[0] != 'X' {
		return '\t', p
	}
	n := 0
	for _, c := range code[1:] {
		switch {
		case isDigit(c):
			n = n<<4 | int(c-'0')
		case (c|0x20)-'a' < 6:
			n = n<<4 | int((c|0x20)-'a'+10)
		default:
			return '\t', p
		}
	}
	return byte(n), stop + 1
}

// attributes walks over the attributes of LEEF.
type attributes struct {
	b         []byte
	p, end    int
	separator byte
}

func (w *attributes) next() (pair, bool) {
	b, end := w.b, w.end
	p := w.p
	for p < end {
		k := pair{key: p}
		for p < end && b[p] != w.separator {
			if b[p] == '=' && k.keyEnd == 0 {
				k.keyEnd = p
			}
			p++
		}
		k.valueEnd = p
		p++
		if k.keyEnd > k.key {
			k.value = k.keyEnd + 1
			w.p = p
			return k, true
		}
	}
	w.p = end
	return pair{}, false
}

func extractLEEF(text []byte, p int, f func(key, value []byte) bool) {
	separator, p := leefDelimiter(text, p, len(text))
	w := attributes{b: text, p: p, end: len(text), separator: separator}
	for {
		k, ok := w.next()
		if !ok || !f(text[k.key:k.keyEnd], text[k.value:k.valueEnd]) {
			return
		}
	}
}

// unescapeCEF returns a copy of v without its escapes.
func unescapeCEF(v []byte) []byte {
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c == '\\' && i+1 < len(v) {
			switch v[i+1] {
			case '\\', '=', '|':
				i++
				c = v[i]
			case 'n':
				i++
				c = '\n'
			case 'r':
				i++
				c = '\r'
			}
		}
		out = append(out, c)
	}
	return out
}
