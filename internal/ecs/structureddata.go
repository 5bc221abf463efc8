package ecs

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/syslog"
)

// sdParam is one SD-PARAM and the SD-ID of its element. An element without
// parameters stands as one sdParam without a name.
type sdParam struct{ id, name, value []byte }

// sdInline is how many parameters are grouped without allocating.
const sdInline = 24

// sdScan is the largest number of parameters whose repeats are found by looking
// through all of them; more are sorted first.
const sdScan = 48

// appendStructuredData appends the SD-ELEMENTs in sd (RFC 5424 §6.3) as one JSON
// object, {"id":{"name":"value"}}. A parameter that occurs more than once in an
// element has an array of its values, in order; elements of one SD-ID are joined,
// which the RFC forbids and devices send. No key occurs twice in an object: an
// Elasticsearch refuses such a document. ok is false where octets were replaced.
func appendStructuredData(dst, sd []byte) (_ []byte, ok bool) {
	if dst, ok, done := appendDistinct(dst, sd); done {
		return dst, ok
	}
	return appendGrouped(dst, sd)
}

// appendGrouped is appendStructuredData for whatever comes.
func appendGrouped(dst, sd []byte) (_ []byte, ok bool) {
	var inline [sdInline]sdParam
	params := appendParams(inline[:0], sd)
	if len(params) > sdScan {
		// The order of keys in an object has no meaning; that of the values of
		// one key has, and a stable sort keeps it.
		slices.SortStableFunc(params, func(a, b sdParam) int {
			return cmp.Or(compareKeys(a.id, b.id), compareKeys(a.name, b.name))
		})
		return appendSorted(dst, params)
	}
	ok = true
	dst = append(dst, '{')
	for i := range params {
		p := &params[i]
		if p.id == nil { // was joined with one before
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(appendKey(dst, p.id), ':', '{')
		id := p.id
		for j := i; j < len(params); j++ {
			q := &params[j]
			if q.id == nil || !equalKeys(q.id, id) {
				continue
			}
			q.id = nil
			if q.name == nil {
				continue
			}
			if dst[len(dst)-1] != '{' {
				dst = append(dst, ',')
			}
			dst = append(appendKey(dst, q.name), ':')
			values := len(dst)
			dst = append(dst, '[')
			var valid bool
			dst, valid = appendValue(dst, q.value)
			ok = ok && valid
			n := 1
			for k := j + 1; k < len(params); k++ {
				r := &params[k]
				if r.id == nil || !equalKeys(r.id, id) || !equalKeys(r.name, q.name) {
					continue
				}
				r.id = nil
				dst, valid = appendValue(append(dst, ','), r.value)
				ok = ok && valid
				n++
			}
			dst = closeValues(dst, values, n)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}'), ok
}

// appendDistinct is appendStructuredData for what most messages have: few elements with
// few parameters each, none of them twice. done is false for all else, of which it
// appends nothing.
func appendDistinct(dst, sd []byte) (_ []byte, ok, done bool) {
	var ids [4][]byte
	start, elements := len(dst), 0
	ok, done = true, true
	dst = append(dst, '{')
	syslog.EachElement(sd, func(el syslog.Element) bool {
		if done = elements < len(ids) && distinct(el.ID, ids[:elements]); !done {
			return false
		}
		if elements > 0 {
			dst = append(dst, ',')
		}
		ids[elements] = el.ID
		elements++
		dst, _ = appendString(dst, el.ID)
		dst = append(dst, ':', '{')
		var names [8][]byte
		params := 0
		el.EachParam(func(p syslog.Param) bool {
			if done = params < len(names) && distinct(p.Name, names[:params]); !done {
				return false
			}
			if params > 0 {
				dst = append(dst, ',')
			}
			names[params] = p.Name
			params++
			dst, _ = appendString(dst, p.Name)
			var valid bool
			dst, valid = appendValue(append(dst, ':'), p.Value)
			ok = ok && valid
			return true
		})
		dst = append(dst, '}')
		return done
	})
	if !done {
		return dst[:start], false, false
	}
	return append(dst, '}'), ok, true
}

// distinct tells whether k can be a key beside those before it as it is.
func distinct(k []byte, before [][]byte) bool {
	for _, b := range before {
		if bytes.Equal(b, k) {
			return false
		}
	}
	return len(k) > 0 && !oddKey(k)
}

// appendSorted is appendStructuredData for parameters in the order of their keys.
func appendSorted(dst []byte, params []sdParam) (_ []byte, ok bool) {
	ok = true
	dst = append(dst, '{')
	for i := 0; i < len(params); {
		id := params[i].id
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(appendKey(dst, id), ':', '{')
		for i < len(params) && compareKeys(params[i].id, id) == 0 {
			name := params[i].name
			if name == nil {
				i++
				continue
			}
			if dst[len(dst)-1] != '{' {
				dst = append(dst, ',')
			}
			dst = append(appendKey(dst, name), ':')
			values, n := len(dst), 0
			for i < len(params) && compareKeys(params[i].id, id) == 0 && compareKeys(params[i].name, name) == 0 {
				var valid bool
				dst, valid = appendValue(append(dst, ','), params[i].value)
				ok = ok && valid
				i, n = i+1, n+1
			}
			dst[values] = '['
			dst = closeValues(dst, values, n)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}'), ok
}

// closeValues ends the array of n values that starts at dst[start], and takes the
// brackets off a single value.
func closeValues(dst []byte, start, n int) []byte {
	if n > 1 {
		return append(dst, ']')
	}
	copy(dst[start:], dst[start+1:])
	return dst[:len(dst)-1]
}

// appendParams appends the parameters of sd to params. All slices alias sd.
func appendParams(params []sdParam, sd []byte) []sdParam {
	syslog.EachElement(sd, func(el syslog.Element) bool {
		if len(el.ID) == 0 {
			return true // a JSON object may have such a key, an index may not
		}
		before := len(params)
		el.EachParam(func(p syslog.Param) bool {
			if len(p.Name) > 0 {
				params = append(params, sdParam{el.ID, p.Name, p.Value})
			}
			return true
		})
		if len(params) == before {
			params = append(params, sdParam{id: el.ID})
		}
		return true
	})
	return params
}

// appendValue appends a PARAM-VALUE without its escapes (RFC 5424 §6.3.3) as a
// JSON string. A backslash before any other octet stands for itself.
func appendValue(dst, v []byte) (_ []byte, ok bool) {
	ok = true
	dst = append(dst, '"')
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 {
			break
		}
		if i+1 < len(v) && (v[i+1] == '"' || v[i+1] == '\\' || v[i+1] == ']') {
			var valid bool
			dst, valid = appendEscaped(dst, v[:i])
			dst, _ = appendEscaped(dst, v[i+1:i+2])
			ok = ok && valid
			v = v[i+2:]
			continue
		}
		var valid bool
		dst, valid = appendEscaped(dst, v[:i+1])
		ok = ok && valid
		v = v[i+1:]
	}
	dst, valid := appendEscaped(dst, v)
	return append(dst, '"'), ok && valid
}

// Names in structured data are printable ASCII (RFC 5424 §6.3.2), and as such
// all different in JSON as well. Those that break the rule in a way that JSON or
// the flattened type cannot keep apart count as one name, U+FFFD.

func oddKey(k []byte) bool {
	for _, c := range k {
		if c < ' ' || c >= utf8.RuneSelf {
			return !utf8.Valid(k) || bytes.ContainsFunc(k, func(r rune) bool { return r < ' ' || r == utf8.RuneError })
		}
	}
	return false
}

func appendKey(dst, k []byte) []byte {
	if oddKey(k) {
		return append(dst, `"`+"\uFFFD"+`"`...)
	}
	dst, _ = appendString(dst, k)
	return dst
}

func equalKeys(a, b []byte) bool {
	return bytes.Equal(a, b) && (a == nil) == (b == nil) || oddKey(a) && oddKey(b)
}

func compareKeys(a, b []byte) int {
	switch oa, ob := oddKey(a), oddKey(b); {
	case oa && ob:
		return 0
	case oa:
		return 1
	case ob:
		return -1
	}
	return bytes.Compare(a, b)
}
