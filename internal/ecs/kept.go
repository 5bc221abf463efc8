package ecs

import (
	"net/netip"
	"strconv"

	"github.com/syslane/syslane/internal/syslog"
)

// Connections bring messages in runs, so that many documents in a row have the same
// sender and input, and end alike. What a document says of them is kept until another
// comes.

// sender is what a document says of a message's sender, and of who observed it.
type sender struct {
	source   netip.AddrPort
	identity string
	text     []byte
	known    bool
}

// of returns the part of e's document between process or user and event, neither of
// which it closes. The observer is the same each time.
func (s *sender) of(e *syslog.Event, observer string) []byte {
	if s.known && e.Source == s.source && e.Identity == s.identity {
		return s.text
	}
	s.known, s.source, s.identity = true, e.Source, e.Identity
	dst := s.text[:0]
	if e.Source.IsValid() {
		dst = append(dst, `},"source":{"address":`...)
		address := part{start: len(dst)}
		dst = appendAddr(dst, e)
		address.end = len(dst)
		dst = address.appendTo(append(dst, `,"ip":`...))
		if port := e.Source.Port(); port != 0 {
			dst = strconv.AppendUint(append(dst, `,"port":`...), uint64(port), 10)
		}
	}
	if e.Identity != "" {
		dst = appendText(append(dst, `},"tls":{"client":{"subject":`...), e.Identity)
		dst = append(dst, '}')
	}
	if observer != "" {
		dst = appendText(append(dst, `},"observer":{"product":"Syslane","hostname":`...), observer)
	}
	s.text = dst
	return dst
}

// appendAddr appends the source address as a JSON string. A zone has a meaning on
// one host only, and the type ip does not take it.
func appendAddr(dst []byte, e *syslog.Event) []byte {
	dst = e.Source.Addr().Unmap().WithZone("").AppendTo(append(dst, '"'))
	return append(dst, '"')
}

// input is what a document says of how a message was taken.
type input struct {
	format syslog.Format
	name   string
	text   []byte
}

// of returns the part of e's document that opens its labels.
func (in *input) of(e *syslog.Event) []byte {
	if len(in.text) > 0 && e.Format == in.format && e.Input == in.name {
		return in.text
	}
	in.format, in.name = e.Format, e.Input
	dst := append(in.text[:0], `},"labels":{"format":"`...)
	dst = append(append(dst, e.Format.String()...), '"')
	if e.Input != "" {
		dst = appendText(append(dst, `,"input":`...), e.Input)
	}
	in.text = dst
	return dst
}

// end is what a document ends with.
type end struct {
	warnings syslog.Warnings
	text     []byte
}

// of returns what closes the labels of e's document, and the document: its tags, and the
// version.
func (t *end) of(e *syslog.Event) []byte {
	if len(t.text) > 0 && e.Warnings == t.warnings {
		return t.text
	}
	t.warnings = e.Warnings
	dst := append(t.text[:0], '}')
	if e.Warnings != 0 {
		var names [32]string
		dst = append(dst, `,"tags":[`...)
		for i, name := range e.Warnings.Names(names[:0]) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(append(dst, '"'), name...), '"')
		}
		dst = append(dst, ']')
	}
	t.text = append(dst, `,"ecs":{"version":"`+Version+`"}}`...)
	return t.text
}
