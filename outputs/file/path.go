package file

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

// maxPart bounds what a field contributes to a name, in octets, so that names of
// several fields stay within the 255 that file systems take.
const maxPart = 64

// fields are what a template can name.
var fields = map[string]func(dst []byte, e *syslog.Event, t time.Time) []byte{
	"host":     appendHost,
	"app":      func(dst []byte, e *syslog.Event, _ time.Time) []byte { return appendSafe(dst, e.Field(e.AppName)) },
	"input":    func(dst []byte, e *syslog.Event, _ time.Time) []byte { return appendSafe(dst, []byte(e.Input)) },
	"source":   func(dst []byte, e *syslog.Event, _ time.Time) []byte { return appendSource(dst, e) },
	"facility": func(dst []byte, e *syslog.Event, _ time.Time) []byte { return append(dst, e.Facility.String()...) },
	"severity": func(dst []byte, e *syslog.Event, _ time.Time) []byte { return append(dst, e.Severity.String()...) },
	"year":     func(dst []byte, _ *syslog.Event, t time.Time) []byte { return t.AppendFormat(dst, "2006") },
	"month":    func(dst []byte, _ *syslog.Event, t time.Time) []byte { return t.AppendFormat(dst, "01") },
	"day":      func(dst []byte, _ *syslog.Event, t time.Time) []byte { return t.AppendFormat(dst, "02") },
	"hour":     func(dst []byte, _ *syslog.Event, t time.Time) []byte { return t.AppendFormat(dst, "15") },
}

// template is a path with fields in it.
type template struct {
	parts []part
	// base is the folder before the first field.
	base string
}

// part is text, or a field where field is not nil.
type part struct {
	text  string
	field func(dst []byte, e *syslog.Event, t time.Time) []byte
}

func parseTemplate(path string) (*template, error) {
	t := &template{}
	path = filepath.Clean(path)
	for rest := path; rest != ""; {
		text, behind, found := strings.Cut(rest, "{")
		if text != "" {
			t.parts = append(t.parts, part{text: text})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(behind, "}")
		field := fields[name]
		if !closed || field == nil {
			return nil, fmt.Errorf("{%s} is none of {host} {app} {input} {source} {facility} {severity} {year} {month} {day} {hour}", name)
		}
		t.parts = append(t.parts, part{field: field})
		rest = after
	}
	before, _, _ := strings.Cut(path, "{")
	t.base = filepath.Dir(before)
	if before == path && strings.HasSuffix(path, "/") || strings.HasSuffix(path, "}/") {
		return nil, errors.New("it ends in a slash: name a file")
	}
	return t, nil
}

// appendPath appends the path for e to dst. It depends on the event alone, so that
// a second write goes where the first did.
func (t *template) appendPath(dst []byte, e *syslog.Event, loc *time.Location) []byte {
	received := e.ID.Received().In(loc)
	for _, p := range t.parts {
		if p.field == nil {
			dst = append(dst, p.text...)
		} else {
			dst = p.field(dst, e, received)
		}
	}
	return dst
}

func appendHost(dst []byte, e *syslog.Event, _ time.Time) []byte {
	switch {
	case !e.Hostname.Empty():
		return appendSafe(dst, e.Field(e.Hostname))
	case e.Host != "":
		return appendSafe(dst, []byte(e.Host))
	}
	return appendSource(dst, e)
}

func appendSource(dst []byte, e *syslog.Event) []byte {
	if !e.Source.IsValid() {
		return append(dst, "unknown"...)
	}
	var b [64]byte
	return appendSafe(dst, e.Source.Addr().Unmap().WithZone("").AppendTo(b[:0]))
}

// appendSafe appends v as a part of a name: no separator, nothing a shell or a
// terminal would take for more than a letter, and no name that begins with a dot.
func appendSafe(dst, v []byte) []byte {
	if len(v) == 0 {
		return append(dst, "unknown"...)
	}
	for i, c := range v[:min(len(v), maxPart)] {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == ':', c == '@', c == '+':
		case c == '.' && i > 0:
		default:
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}
