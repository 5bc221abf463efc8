package search

import (
	"strings"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
)

// node is a part of a parsed query. Nodes are immutable.
type node interface {
	// match tells whether e matches.
	match(e *syslog.Event, s *scratch) bool
	// literal returns a text that stands in the record of every event that
	// matches, in any case; nil where there is none.
	literal() *pattern
	// may tells whether an event of a block can match; true where that is not
	// known.
	may(b *skipdata.Block) bool
	// dims returns what the node looks at.
	dims() dims
	// write appends the canonical form.
	write(b *strings.Builder)
}

// scratch is what evaluation writes to.
type scratch struct{ buf []byte }

// allOf matches where all its nodes do; without nodes it matches everything.
type allOf []node

func (n allOf) match(e *syslog.Event, s *scratch) bool {
	for _, child := range n {
		if !child.match(e, s) {
			return false
		}
	}
	return true
}

// literal picks the longest, for that is likely to be the rarest.
func (n allOf) literal() *pattern {
	var best *pattern
	for _, child := range n {
		if l := child.literal(); l != nil && (best == nil || len(l.text) > len(best.text)) {
			best = l
		}
	}
	return best
}

func (n allOf) may(b *skipdata.Block) bool {
	for _, child := range n {
		if !child.may(b) {
			return false
		}
	}
	return true
}

func (n allOf) dims() dims { return dimsOf(n) }

func dimsOf(nodes []node) (d dims) {
	for _, n := range nodes {
		d |= n.dims()
	}
	return d
}

func (n allOf) write(b *strings.Builder) { writeList(b, "and", n) }

// anyOf matches where one of its nodes does.
type anyOf []node

func (n anyOf) match(e *syslog.Event, s *scratch) bool {
	for _, child := range n {
		if child.match(e, s) {
			return true
		}
	}
	return false
}

func (n anyOf) literal() *pattern { return nil }

func (n anyOf) may(b *skipdata.Block) bool {
	for _, child := range n {
		if child.may(b) {
			return true
		}
	}
	return false
}

func (n anyOf) dims() dims { return dimsOf(n) }

func (n anyOf) write(b *strings.Builder) { writeList(b, "or", n) }

func writeList(b *strings.Builder, op string, nodes []node) {
	b.WriteString("(" + op)
	for _, n := range nodes {
		b.WriteByte(' ')
		n.write(b)
	}
	b.WriteByte(')')
}

// not matches where its node does not.
type not struct{ n node }

func (n not) match(e *syslog.Event, s *scratch) bool { return !n.n.match(e, s) }

func (n not) literal() *pattern { return nil }

func (n not) may(*skipdata.Block) bool { return true }

func (n not) dims() dims { return n.n.dims() }

func (n not) write(b *strings.Builder) { writeList(b, "not", []node{n.n}) }

// textNode looks for words in the texts of an event.
type textNode struct {
	pattern
	name  string
	texts func(*syslog.Event) [6]syslog.Span
}

// anyText is a word or phrase without a field.
func anyText(p pattern) node {
	if p.exists() {
		return allOf{}
	}
	return textNode{p, "", func(e *syslog.Event) [6]syslog.Span {
		return [6]syslog.Span{e.Text, e.AppName, e.Hostname, e.ProcID, e.MsgID, e.StructuredData}
	}}
}

func (n textNode) match(e *syslog.Event, _ *scratch) bool {
	for _, span := range n.texts(e) {
		if !span.Empty() && n.within(e.Field(span)) {
			return true
		}
	}
	return false
}

func (n textNode) literal() *pattern { return usable(n.pattern) }

func (n textNode) may(b *skipdata.Block) bool { return n.pattern.may(b) }

func (n textNode) dims() dims { return dimOther }

func (n textNode) write(b *strings.Builder) {
	if n.name != "" {
		b.WriteString(n.name + ":")
	}
	b.WriteString(n.pattern.String())
}

// usable returns p where it can be looked for in the octets of records.
func usable(p pattern) *pattern {
	if !p.ascii || p.exists() {
		return nil
	}
	return &p
}

// valueNode compares a field as a whole. Its value can be put together in the
// scratch space.
type valueNode struct {
	pattern
	name  string
	value func(*syslog.Event, *scratch) []byte
	// inRecord tells that the value stands in the record as it is.
	inRecord bool
	// inSkip tells that the words of the value are in the skip data of blocks.
	inSkip bool
}

func (n valueNode) match(e *syslog.Event, s *scratch) bool { return n.whole(n.value(e, s)) }

func (n valueNode) literal() *pattern {
	if !n.inRecord {
		return nil
	}
	return usable(n.pattern)
}

func (n valueNode) may(b *skipdata.Block) bool { return !n.inSkip || n.pattern.may(b) }

func (n valueNode) dims() dims { return namedDim(n.name) }

// namedDim is what a field looks at.
func namedDim(field string) dims {
	switch field {
	case "host":
		return dimHost
	case "app":
		return dimApp
	case "severity":
		return dimSeverity
	case "facility":
		return dimFacility
	}
	return dimOther
}

func (n valueNode) write(b *strings.Builder) { b.WriteString(n.name + ":" + n.pattern.String()) }

// setNode tells whether a small number is in a set of bits: severity, facility,
// format, tags.
type setNode struct {
	name string
	set  uint32
	bits func(*syslog.Event) uint32
	text string
	// there returns the bits that events of a block have; nil where that is not
	// known.
	there func(*skipdata.Block) uint32
}

func (n setNode) match(e *syslog.Event, _ *scratch) bool { return n.bits(e)&n.set != 0 }

func (n setNode) literal() *pattern { return nil }

func (n setNode) may(b *skipdata.Block) bool { return n.there == nil || n.there(b)&n.set != 0 }

func (n setNode) dims() dims { return namedDim(n.name) }

func (n setNode) write(b *strings.Builder) { b.WriteString(n.name + ":{" + n.text + "}") }
