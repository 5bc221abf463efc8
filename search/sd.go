package search

import (
	"strings"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
)

// sdNode compares the values of one parameter in the structured data, RFC 5424
// §6.3. Its key is "ID.PARAM", or "ID" for the element itself, which only a star
// can match. Both names can hold dots, so the key is not split: an element fits
// where the key starts with its ID. As names are, the key is case-sensitive.
type sdNode struct {
	pattern
	key string
}

func sdField(key string) *field {
	return &field{sdPrefix + key, equalsOnly(func(p pattern) (node, error) {
		return sdNode{p, key}, nil
	})}
}

func (n sdNode) match(e *syslog.Event, s *scratch) (found bool) {
	if e.StructuredData.Empty() {
		return false
	}
	syslog.EachElement(e.Field(e.StructuredData), func(el syslog.Element) bool {
		rest, ok := strings.CutPrefix(n.key, string(el.ID))
		if !ok {
			return true
		}
		if rest == "" {
			found = n.exists()
			return !found
		}
		if rest[0] != '.' {
			return true
		}
		el.EachParam(func(p syslog.Param) bool {
			if rest[1:] != string(p.Name) {
				return true
			}
			value := p.Value
			if p.Escaped() {
				s.buf = p.AppendValue(s.buf[:0])
				value = s.buf
			}
			found = n.exists() || n.whole(value)
			return !found
		})
		return !found
	})
	return found
}

// literal is the value where no escape can stand in it.
func (n sdNode) literal() *pattern {
	if strings.ContainsAny(string(n.text), `"\]`) {
		return nil
	}
	return usable(n.pattern)
}

// may looks for the words of the value as it is escaped: only octets that are no
// part of words are, and so their escapes part words where they do.
func (n sdNode) may(b *skipdata.Block) bool { return n.pattern.may(b) }

func (n sdNode) dims() dims { return dimOther }

func (n sdNode) write(b *strings.Builder) {
	b.WriteString(sdPrefix + n.key + ":" + n.pattern.String())
}
