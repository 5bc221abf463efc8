package search

import (
	"errors"
	"fmt"
	"strings"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
)

// field is what can stand before a colon.
type field struct {
	name string
	// node makes a term of an operator and a value.
	node func(op string, p pattern) (node, error)
}

// sdPrefix starts the names of fields in structured data.
const sdPrefix = "sd."

// ecsSDPrefix is the same in ECS documents.
const ecsSDPrefix = "log.syslog.structured_data."

// fieldNames are the fields without those of structured data, as users see them.
var fieldNames = []string{"host", "app", "procid", "msgid", "facility", "severity",
	"source", "message", "id", "input", "identity", "path", "format", "tags", atTimestamp, "sd.ID.PARAM"}

// fieldAliases are the names in ECS documents, and others that people type.
var fieldAliases = map[string]string{
	"hostname": "host", "host.name": "host", "host.hostname": "host", "log.syslog.hostname": "host",
	"appname": "app", "app_name": "app", "process.name": "app", "log.syslog.appname": "app",
	"pid": "procid", "process.pid": "procid", "log.syslog.procid": "procid",
	"log.syslog.msgid": "msgid", "log.syslog.facility.name": "facility", "log.syslog.facility.code": "facility",
	"level": "severity", "log.level": "severity", "log.syslog.severity.name": "severity", "log.syslog.severity.code": "severity",
	"source.ip": "source", "source.address": "source", "msg": "message",
	"event.id": "id", "labels.input": "input", "labels.format": "format", "tls.client.subject": "identity",
	"log.file.path": "path", "file": "path", "timestamp": atTimestamp, "time": atTimestamp,
}

// cutSD returns the key of a field in structured data.
func cutSD(name string) (key string, ok bool) {
	for _, prefix := range []string{sdPrefix, ecsSDPrefix} {
		if key, ok = strings.CutPrefix(name, prefix); ok && key != "" {
			return key, true
		}
	}
	return "", false
}

// canonicalField returns the name that stands for all spellings of a field.
func canonicalField(name string) string {
	lower := strings.ToLower(name)
	if alias, ok := fieldAliases[lower]; ok {
		return alias
	}
	return lower
}

// findField returns the field of that name, nil where there is none.
func findField(name string) *field {
	if key, ok := cutSD(name); ok {
		return sdField(key)
	}
	lower := canonicalField(name)
	switch lower {
	case "message":
		return &field{lower, equalsOnly(func(p pattern) (node, error) {
			return textNode{p, lower, func(e *syslog.Event) [6]syslog.Span { return [6]syslog.Span{e.Text} }}, nil
		})}
	case "host":
		return &field{lower, equalsOnly(func(p pattern) (node, error) {
			return valueNode{p, lower, hostOf, hostInRecord(p), true}, nil
		})}
	case "app":
		return spanField(lower, func(e *syslog.Event) syslog.Span { return e.AppName })
	case "procid":
		return spanField(lower, func(e *syslog.Event) syslog.Span { return e.ProcID })
	case "msgid":
		return spanField(lower, func(e *syslog.Event) syslog.Span { return e.MsgID })
	case "input":
		return stringField(lower, func(e *syslog.Event) string { return e.Input })
	case "identity":
		return stringField(lower, func(e *syslog.Event) string { return e.Identity })
	case "path":
		return stringField(lower, func(e *syslog.Event) string { return e.Path })
	case "id":
		return &field{lower, equalsOnly(func(p pattern) (node, error) {
			return valueNode{p, lower, func(e *syslog.Event, s *scratch) []byte {
				s.buf = e.ID.AppendText(s.buf[:0])
				return s.buf
			}, false, false}, nil
		})}
	case "source":
		return &field{lower, equalsOnly(sourceNode)}
	case "severity":
		return &field{lower, severityNode}
	case "facility":
		return &field{lower, equalsOnly(facilityNode)}
	case "format":
		return &field{lower, equalsOnly(formatNode)}
	case "tags":
		return &field{lower, equalsOnly(tagsNode)}
	case atTimestamp:
		return &field{lower, nil} // the parser makes the term, for it knows the time
	}
	return nil
}

// field looks up the name of a token.
func (p *parser) field(t token) (*field, error) {
	f := findField(t.text)
	if f == nil {
		// Many texts look like name:value; say how to look for one of those.
		rest := t.text + t.op
		return nil, p.fail(t.at, "unknown field %q%s; to look for the text, quote it: \"%s…\"",
			t.text, config.Suggest(t.text, fieldNames), rest)
	}
	return f, nil
}

func equalsOnly(make func(pattern) (node, error)) func(string, pattern) (node, error) {
	return func(op string, p pattern) (node, error) {
		if op != ":" {
			return nil, fmt.Errorf("takes no %s, only severity and @timestamp do; write a colon", op)
		}
		return make(p)
	}
}

func spanField(name string, span func(*syslog.Event) syslog.Span) *field {
	return &field{name, equalsOnly(func(p pattern) (node, error) {
		return valueNode{p, name, func(e *syslog.Event, _ *scratch) []byte { return e.Field(span(e)) }, true, true}, nil
	})}
}

func stringField(name string, value func(*syslog.Event) string) *field {
	return &field{name, equalsOnly(func(p pattern) (node, error) {
		return valueNode{p, name, func(e *syslog.Event, s *scratch) []byte {
			s.buf = append(s.buf[:0], value(e)...)
			return s.buf
		}, true, true}, nil
	})}
}

// hostOf returns host.name as the documents have it.
func hostOf(e *syslog.Event, s *scratch) []byte {
	if !e.Hostname.Empty() {
		return e.Field(e.Hostname)
	}
	s.buf = appendHost(s.buf[:0], e)
	return s.buf
}

const unknownHost = skipdata.UnknownHost

// hostInRecord tells whether p can match a name only, which stands in the
// record, and neither an address nor "unknown".
func hostInRecord(p pattern) bool {
	text := string(p.text)
	return strings.Trim(text, "0123456789abcdef.:") != "" && !strings.Contains(unknownHost, text)
}

var errNoSuchValue = errors.New("no such value")

// setOf returns the bits of the names that p matches; number is the bit that the
// value names as a number, -1 for none.
func setOf(p pattern, names []string, number int) (set uint32, text string, err error) {
	var matched []string
	for i, name := range names {
		if p.whole([]byte(name)) || i == number {
			set |= 1 << i
			matched = append(matched, name)
		}
	}
	if set == 0 {
		return 0, "", errNoSuchValue
	}
	return set, strings.Join(matched, ","), nil
}

func severityNode(op string, p pattern) (node, error) {
	names := make([]string, 8)
	for i := range names {
		names[i] = syslog.Severity(i).String()
	}
	bits := func(e *syslog.Event) uint32 { return 1 << (e.Severity & 7) }
	number := -1
	if !p.before && !p.after {
		s, err := syslog.ParseSeverity(string(p.text))
		if err != nil {
			return nil, err
		}
		number = int(s)
	}
	set, text, err := setOf(p, names, number)
	switch {
	case op != ":" && number < 0:
		return nil, fmt.Errorf("%s takes no stars", op)
	case err != nil:
		return nil, fmt.Errorf("none of %s matches", strings.Join(names, ", "))
	case op == "<=":
		set, text = 2<<number-1, "<="+text
	case op == "<":
		set, text = 1<<number-1, "<"+text
	case op == ">=":
		set, text = 0xff&^(1<<number-1), ">="+text
	case op == ">":
		set, text = 0xff&^(2<<number-1), ">"+text
	}
	return setNode{"severity", set, bits, text, func(b *skipdata.Block) uint32 { return b.Severities }}, nil
}

func facilityNode(p pattern) (node, error) {
	names := make([]string, 24)
	for i := range names {
		names[i] = syslog.Facility(i).String()
	}
	number := -1
	if !p.before && !p.after {
		f, err := syslog.ParseFacility(string(p.text))
		if err != nil {
			return nil, err
		}
		number = int(f)
	}
	set, text, err := setOf(p, names, number)
	if err != nil {
		return nil, fmt.Errorf("none of %s matches", strings.Join(names, ", "))
	}
	return setNode{"facility", set, func(e *syslog.Event) uint32 { return 1 << (e.Facility & 31) }, text,
		func(b *skipdata.Block) uint32 { return b.Facilities }}, nil
}

func formatNode(p pattern) (node, error) {
	names := []string{syslog.Unparsed.String(), syslog.RFC5424.String(), syslog.RFC3164.String()}
	set, text, err := setOf(p, names, -1)
	if err != nil {
		return nil, fmt.Errorf("is one of %s", strings.Join(names, ", "))
	}
	return setNode{"format", set, func(e *syslog.Event) uint32 { return 1 << (e.Format & 31) }, text, nil}, nil
}

func tagsNode(p pattern) (node, error) {
	names := syslog.Warnings(1<<32 - 1).Names(nil)
	set, text, err := setOf(p, names, -1)
	if err != nil {
		return nil, fmt.Errorf("is one of %s", strings.Join(names, ", "))
	}
	return setNode{"tags", set, func(e *syslog.Event) uint32 { return uint32(e.Warnings) }, text, nil}, nil
}
