package search

import (
	"cmp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/syslog"
)

// dims is a set of what a part of a query looks at. Those with a name of their own
// are counted in the skip data of blocks.
type dims uint8

const (
	dimSeverity dims = 1 << iota
	dimFacility
	dimHost
	dimApp
	dimTime
	dimOther
)

// groupField is a field by which events can be counted, sorted and shown.
type groupField struct {
	name string
	dim  dims
	// value appends the value of an event to dst: nothing where it has none.
	value func(dst []byte, e *syslog.Event) []byte
	// rank orders values that are names of numbers; nil: as texts.
	rank func(string) int
}

// groupNames are the fields without those of structured data.
var groupNames = []string{"host", "app", "procid", "msgid", "facility", "severity", "source", "message",
	"id", "input", "identity", "path", "format", atTimestamp, "sd.ID.PARAM"}

// findGroupField returns the field of that name, in any of its spellings.
func findGroupField(name string) (groupField, bool) {
	if key, ok := cutSD(name); ok {
		return groupField{name: sdPrefix + key, dim: dimOther, value: func(dst []byte, e *syslog.Event) []byte {
			return appendParam(dst, e, key)
		}}, true
	}
	name = canonicalField(name)
	f := groupField{name: name, dim: dimOther}
	span := func(of func(*syslog.Event) syslog.Span) {
		f.value = func(dst []byte, e *syslog.Event) []byte { return append(dst, e.Field(of(e))...) }
	}
	switch name {
	case "host":
		f.dim = dimHost
		f.value = appendHost
	case "app":
		f.dim = dimApp
		span(func(e *syslog.Event) syslog.Span { return e.AppName })
	case "procid":
		span(func(e *syslog.Event) syslog.Span { return e.ProcID })
	case "msgid":
		span(func(e *syslog.Event) syslog.Span { return e.MsgID })
	case "message":
		span(func(e *syslog.Event) syslog.Span { return e.Text })
	case "severity":
		f.dim = dimSeverity
		f.value = func(dst []byte, e *syslog.Event) []byte { return append(dst, severityNames[e.Severity&7]...) }
		f.rank = func(s string) int { return rankOf(severityNames, s) }
	case "facility":
		f.dim = dimFacility
		f.value = func(dst []byte, e *syslog.Event) []byte { return append(dst, e.Facility.String()...) }
		f.rank = func(s string) int { return rankOf(facilityNames, s) }
	case "source":
		f.value = func(dst []byte, e *syslog.Event) []byte {
			if !e.Source.IsValid() {
				return dst
			}
			return e.Source.Addr().Unmap().WithZone("").AppendTo(dst)
		}
	case "id":
		f.value = func(dst []byte, e *syslog.Event) []byte { return e.ID.AppendText(dst) }
	case "input":
		f.value = func(dst []byte, e *syslog.Event) []byte { return append(dst, e.Input...) }
	case "identity":
		f.value = func(dst []byte, e *syslog.Event) []byte { return append(dst, e.Identity...) }
	case "path":
		f.value = func(dst []byte, e *syslog.Event) []byte { return append(dst, e.Path...) }
	case "format":
		f.value = func(dst []byte, e *syslog.Event) []byte { return append(dst, e.Format.String()...) }
	case atTimestamp:
		f.dim = dimTime
		f.value = func(dst []byte, e *syslog.Event) []byte {
			return time.Unix(0, e.TimeNano()).UTC().AppendFormat(dst, rowTime)
		}
	default:
		return groupField{}, false
	}
	return f, true
}

// KnownField tells whether events can be counted by a field of that name.
func KnownField(name string) bool {
	f, ok := findGroupField(name)
	return ok && f.name != atTimestamp && !strings.ContainsAny(name, ", |\t\r\n")
}

// rowTime is how rows write times: RFC 3339 with nanoseconds, so that the texts sort
// as the times do.
const rowTime = "2006-01-02T15:04:05.000000000Z07:00"

var severityNames = func() (names []string) {
	for s := range 8 {
		names = append(names, syslog.Severity(s).String())
	}
	return names
}()

var facilityNames = func() (names []string) {
	for f := range 24 {
		names = append(names, syslog.Facility(f).String())
	}
	return names
}()

func rankOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return len(names)
}

// appendHost appends host.name as the documents have it: HOSTNAME, else the machine
// that the input knows, else the source address, else "unknown".
func appendHost(dst []byte, e *syslog.Event) []byte {
	switch {
	case !e.Hostname.Empty():
		return append(dst, e.Field(e.Hostname)...)
	case e.Host != "":
		return append(dst, e.Host...)
	case e.Source.IsValid():
		return e.Source.Addr().Unmap().WithZone("").AppendTo(dst)
	}
	return append(dst, unknownHost...)
}

// appendParam appends the first value of the parameter "ID.PARAM".
func appendParam(dst []byte, e *syslog.Event, key string) []byte {
	if e.StructuredData.Empty() {
		return dst
	}
	syslog.EachElement(e.Field(e.StructuredData), func(el syslog.Element) (more bool) {
		more = true
		rest, ok := strings.CutPrefix(key, string(el.ID))
		if !ok || rest == "" || rest[0] != '.' {
			return more
		}
		el.EachParam(func(p syslog.Param) bool {
			if rest[1:] == string(p.Name) {
				dst = p.AppendValue(dst)
				more = false
			}
			return more
		})
		return more
	})
	return dst
}

// clean returns b as the documents show it: octets that are no UTF-8 as U+FFFD each.
func clean(dst, b []byte) []byte {
	if utf8.Valid(b) {
		return append(dst, b...)
	}
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		dst = utf8.AppendRune(dst, r)
		b = b[n:]
	}
	return dst
}

// compare orders two values: names of numbers by the number, numbers by size and
// before texts, texts by their octets.
func (f *groupField) compare(a, b string) int {
	if f.rank != nil {
		return cmp.Or(cmp.Compare(f.rank(a), f.rank(b)), cmp.Compare(a, b))
	}
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	switch {
	case errX == nil && errY == nil:
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
	case errX == nil:
		return -1
	case errY == nil:
		return 1
	}
	return cmp.Compare(a, b)
}

// Field is a field by which events can be counted.
type Field struct{ of groupField }

// FindField returns the field of that name, in any of its spellings.
func FindField(name string) (f Field, ok bool) {
	if !KnownField(name) {
		return f, false
	}
	f.of, ok = findGroupField(name)
	return f, ok
}

// FieldNames are the fields that FindField knows, for errors; those of structured
// data are sd.ID.PARAM.
func FieldNames() []string { return groupNames }

// Name returns the name of the field in the query language.
func (f Field) Name() string { return f.of.name }

// Append appends the value that an event has, as documents show it: nothing where it
// has none.
func (f Field) Append(dst []byte, e *syslog.Event) []byte {
	mark := len(dst)
	if dst = f.of.value(dst, e); utf8.Valid(dst[mark:]) {
		return dst
	}
	return append(dst[:mark], clean(nil, dst[mark:])...)
}
