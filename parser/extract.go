package parser

// pair is a key and its value as positions in a body, quotes left out.
type pair struct {
	key, keyEnd     int
	value, valueEnd int
	escaped         bool // there is a backslash in the value
}

// pairs walks over key=value pairs. What stands between values is what ends the
// first of them that is not in quotes: a space, a tab, a comma, a semicolon or,
// with Check Point, a vertical bar; so values may hold the others.
//
//	date=2022-10-11 devname="fw 1" level=notice
//	time=1570561225|hostname=gw1|severity=Informational|attack=Streaming Engine: TCP
//	action:"Accept"; ifdir:"inbound"; ifname:"bond1.500"
type pairs struct {
	b         []byte
	p, end    int
	separator byte // 0 as long as unknown
}

// next reads the next pair; words that belong to none are passed over.
func (w *pairs) next() (pair, bool) {
	b, end := w.b, w.end
	p := w.p
	for p < end {
		for p < end && (isSpace(b[p]) || b[p] == ',' || b[p] == ';' || b[p] == '|' || b[p] == '[' || b[p] == '\n' || b[p] == '\r') {
			p++
		}
		k := pair{key: p}
		for p < end && isKey(b[p]) {
			p++
		}
		if p == k.key {
			p++
			continue
		}
		if p+1 < end && b[p] == ':' && b[p+1] == '"' || p < end && b[p] == '=' {
			k.keyEnd = p
			w.p = w.readValue(&k, p+1)
			return k, true
		}
	}
	w.p = end
	return pair{}, false
}

// readValue reads the value at p and returns what follows it.
func (w *pairs) readValue(k *pair, p int) int {
	b, end := w.b, w.end
	if p < end && b[p] == '"' {
		p++
		k.value = p
		for p < end && b[p] != '"' {
			if b[p] == '\\' {
				k.escaped = true
				p++
			}
			p++
		}
		k.valueEnd = min(p, end)
		return min(p+1, end)
	}
	k.value = p
	for p < end {
		if c := b[p]; c == w.separator || w.separator == 0 && (isSpace(c) || c == ',' || c == ';' || c == '|') {
			w.separator = c
			break
		}
		p++
	}
	k.valueEnd = p
	return p
}

// isKey tells whether c may stand in a key.
func isKey(c byte) bool {
	return isAlnum(c) || c == '_' || c == '-' || c == '.' || c == '/' || c == '@' || c == '$' || c >= 0x80
}

// ExtractKV calls f for each key=value pair in text, in order and with repeats,
// until f returns false. Values may stand in double quotes, where a backslash
// makes a quote or a backslash part of the value; those quotes and backslashes
// are left out. Key and value are valid during the call only. It allocates only
// for values with backslashes.
//
//	date=2022-10-11 devname="fw 1" msg="he said \"no\""
func ExtractKV(text []byte, f func(key, value []byte) bool) {
	w := pairs{b: text, end: len(text)}
	for {
		k, ok := w.next()
		if !ok {
			return
		}
		value := text[k.value:k.valueEnd]
		if k.escaped {
			value = unescape(value, '"')
		}
		if !f(text[k.key:k.keyEnd], value) {
			return
		}
	}
}

// unescape returns a copy of v in which a backslash before a backslash or one of
// special is left out.
func unescape(v []byte, special byte) []byte {
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+1 < len(v) && (v[i+1] == special || v[i+1] == '\\') {
			i++
		}
		out = append(out, v[i])
	}
	return out
}
