package syslog

import "bytes"

// Element is one SD-ELEMENT of RFC 5424 §6.3.1. Its octets alias the structured
// data that it was read from.
type Element struct {
	// ID is the SD-ID, without the bracket before it.
	ID []byte
	// params is what stands between the SD-ID and the closing bracket.
	params []byte
}

// Param is one SD-PARAM of RFC 5424 §6.3.3.
type Param struct {
	Name []byte
	// Value is the PARAM-VALUE as it stands, still escaped; see AppendValue.
	Value []byte
}

// EachElement calls f for each SD-ELEMENT of sd, in order and with repeats, until
// f returns false. sd is Message.StructuredData, which the parser has checked;
// of other octets it reports what stands before the first mistake. It does not
// allocate.
func EachElement(sd []byte, f func(Element) bool) {
	for len(sd) > 0 && sd[0] == '[' {
		i := 1
		for i < len(sd) && sd[i] != ' ' && sd[i] != ']' {
			i++
		}
		end := elementEnd(sd, i)
		if end < 0 {
			return
		}
		if !f(Element{ID: sd[1:i:i], params: sd[i:end:end]}) {
			return
		}
		sd = sd[end+1:]
	}
}

// elementEnd returns the position of the bracket that closes an element whose
// params begin at i, or -1.
func elementEnd(sd []byte, i int) int {
	quoted := false
	for ; i < len(sd); i++ {
		switch c := sd[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && c == ']':
			return i
		}
	}
	return -1
}

// EachParam calls f for each SD-PARAM of the element, in order and with repeats,
// until f returns false. It does not allocate.
func (e Element) EachParam(f func(Param) bool) {
	b := e.params
	for {
		b = bytes.TrimLeft(b, " ")
		equals := bytes.IndexByte(b, '=')
		if equals < 0 || equals+1 >= len(b) || b[equals+1] != '"' {
			return
		}
		start := equals + 2
		end := start
		for end < len(b) && b[end] != '"' {
			if b[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(b) {
			return
		}
		if !f(Param{Name: b[:equals:equals], Value: b[start:end:end]}) {
			return
		}
		b = b[end+1:]
	}
}

// AppendValue appends the value of p without its escapes to dst. A backslash
// before anything but '"', '\' and ']' stands for itself (RFC 5424 §6.3.3).
func (p Param) AppendValue(dst []byte) []byte {
	v := p.Value
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 || i+1 >= len(v) {
			return append(dst, v...)
		}
		dst = append(dst, v[:i]...)
		if c := v[i+1]; c != '"' && c != '\\' && c != ']' {
			dst = append(dst, '\\')
		}
		dst = append(dst, v[i+1])
		v = v[i+2:]
	}
}

// Escaped tells whether AppendValue would change the octets of Value.
func (p Param) Escaped() bool { return bytes.IndexByte(p.Value, '\\') >= 0 }

// AppendElement opens an SD-ELEMENT: it appends "[" and id. Params follow by
// AppendParam, and EndElement closes it. Octets that an SD-NAME may not have
// become "_", and what is longer than 32 octets is cut (RFC 5424 §6.3.2).
func AppendElement(dst []byte, id string) []byte {
	return appendSDName(append(dst, '['), id)
}

// AppendParam appends a param to an open element; value may be any octets and is escaped.
func AppendParam(dst []byte, name string, value []byte) []byte {
	dst = appendSDName(append(dst, ' '), name)
	return appendQuoted(append(dst, '='), value)
}

// EndElement closes an element.
func EndElement(dst []byte) []byte { return append(dst, ']') }

// appendQuoted appends a PARAM-VALUE with its quotes.
func appendQuoted(dst, value []byte) []byte {
	dst = append(dst, '"')
	for _, c := range value {
		if c == '"' || c == '\\' || c == ']' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func appendSDName(dst []byte, name string) []byte { return appendName(dst, name, 32) }

// appendName appends at most limit octets of a name, with "_" for what an SD-NAME
// may not have.
func appendName[T string | []byte](dst []byte, name T, limit int) []byte {
	if len(name) == 0 {
		return append(dst, '_')
	}
	for i := range min(len(name), limit) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || c == '=' || c == ']' || c == '"' {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}
