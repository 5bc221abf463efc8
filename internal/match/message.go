package match

import (
	"net/netip"
	"strings"
	"unsafe"

	"github.com/expr-lang/expr/vm"

	"github.com/syslane/syslane/internal/syslog"
)

// Message is a message as conditions see it. It is used for one after the other,
// so that what evaluation needs is allocated once. Not safe for concurrent use.
type Message struct {
	event *syslog.Event
	// addr is that which addrText stands for.
	addr     netip.Addr
	addrText string
	// scratch holds values of parameters without their escapes.
	scratch []byte
	// failed says that a part of the condition could not be evaluated.
	failed bool

	machine vm.VM
	// env is what the machine sees; made on demand.
	env   environment
	ready bool
}

// Reset makes m stand for e, which must stay as it is until the next Reset.
func (m *Message) Reset(e *syslog.Event) {
	m.event, m.ready = e, false
	m.scratch = m.scratch[:0]
}

// text8 returns b as a string that shares its octets.
func text8(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func (m *Message) span(s syslog.Span) string {
	if s.Empty() {
		return ""
	}
	return text8(m.event.Field(s))
}

func (m *Message) host() string {
	switch e := m.event; {
	case !e.Hostname.Empty():
		return text8(e.Field(e.Hostname))
	case e.Host != "":
		return e.Host
	}
	return m.source()
}

// source returns the peer's address. Neighbours mostly come from one.
func (m *Message) source() string {
	if addr := m.event.Source.Addr(); addr != m.addr {
		m.addr, m.addrText = addr, ""
		if addr.IsValid() {
			m.addrText = addr.Unmap().WithZone("").String()
		}
	}
	return m.addrText
}

func (m *Message) credential(v uint32) int {
	if !m.event.Credentials.Known {
		return -1
	}
	return int(v)
}

// Element tells whether the structured data has an element.
func (m *Message) Element(id string) (found bool) {
	syslog.EachElement(m.event.Field(m.event.StructuredData), func(e syslog.Element) bool {
		found = string(e.ID) == id
		return !found
	})
	return found
}

// hasParam tells whether the first element of that id has a parameter.
func (m *Message) hasParam(id, name string) (found bool) {
	m.firstElement(id, func(p syslog.Param) bool {
		found = string(p.Name) == name
		return !found
	})
	return found
}

// param returns the value of a parameter, "" where there is none.
func (m *Message) param(id, name string) (value string) {
	m.firstElement(id, func(p syslog.Param) bool {
		if string(p.Name) != name {
			return true
		}
		if value = text8(p.Value); p.Escaped() {
			start := len(m.scratch)
			m.scratch = p.AppendValue(m.scratch)
			value = text8(m.scratch[start:])
		}
		return false
	})
	return value
}

// TagsID is the SD-ID of the element in which tags are: [tags@32473 tag="…"].
const (
	TagsID   = "tags@32473"
	tagParam = "tag"
)

func (m *Message) tagged(tag string) (found bool) {
	m.firstElement(TagsID, func(p syslog.Param) bool {
		if string(p.Name) == tagParam {
			found = string(p.Value) == tag || p.Escaped() && string(p.AppendValue(nil)) == tag
		}
		return !found
	})
	return found
}

func (m *Message) firstElement(id string, f func(syslog.Param) bool) {
	syslog.EachElement(m.event.Field(m.event.StructuredData), func(e syslog.Element) bool {
		if string(e.ID) != id {
			return true
		}
		e.EachParam(f)
		return false
	})
}

// ParseSD reads the name of an element or a parameter of the structured data,
// sd["id"] or sd["id"]["name"]; name is "" for an element.
func ParseSD(s string) (id, name string, ok bool) {
	if s, ok = strings.CutPrefix(s, "sd"); !ok {
		return "", "", false
	}
	if id, s, ok = subscript(s); !ok || s == "" {
		return id, "", ok
	}
	if name, s, ok = subscript(s); !ok || s != "" {
		return "", "", false
	}
	return id, name, true
}

// subscript reads ["text"] off the front of s; the text is not empty.
func subscript(s string) (text, rest string, ok bool) {
	for _, quote := range []string{`"`, `'`} {
		if inner, found := strings.CutPrefix(s, "["+quote); found {
			text, rest, ok = strings.Cut(inner, quote+"]")
			return text, rest, ok && text != ""
		}
	}
	return "", "", false
}
