package redact

import (
	"bytes"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// literal is text that stands in whatever a pattern matches. With fold, its letters may
// be of either case; octets then holds the small ones.
type literal struct {
	octets []byte
	fold   bool
}

// literals are those of which one must be there; none says nothing about a match. Most
// messages have none of them, and to see that takes a fraction of the time of the
// pattern itself.
type literals []literal

// maxLiterals bounds them: looking for many takes as long as the pattern.
const maxLiterals = 8

// literalsOf returns those of a pattern.
func literalsOf(source string) literals {
	re, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil
	}
	return required(re.Simplify())
}

func required(re *syntax.Regexp) literals {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass:
		return requiredInRow(re)
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpConcat:
		best := requiredInRow(re.Sub...)
		for _, sub := range re.Sub {
			if found := required(sub); found.rarerThan(best) {
				best = found
			}
		}
		return best
	case syntax.OpAlternate:
		var all literals
		for _, sub := range re.Sub {
			found := required(sub)
			if found == nil || len(all)+len(found) > maxLiterals {
				return nil
			}
			all = append(all, found...)
		}
		return all
	}
	return nil
}

// requiredInRow returns the longest text that those of parts make which are letters, one
// after the other.
func requiredInRow(parts ...*syntax.Regexp) literals {
	var best, row literal
	end := func() {
		if len(row.octets) > len(best.octets) {
			best = row
		}
		row = literal{}
	}
	for _, part := range parts {
		if part.Op != syntax.OpLiteral && part.Op != syntax.OpCharClass {
			end()
			continue
		}
		ignoreCase := part.Flags&syntax.FoldCase != 0
		runes := part.Rune
		if part.Op == syntax.OpCharClass {
			// [Xx] is the only class that is as good as a letter.
			if len(runes) != 4 || runes[0] != runes[1] || runes[2] != runes[3] || runes[0] >= utf8.RuneSelf || runes[0]|' ' != runes[2] || !unicode.IsLetter(runes[0]) {
				end()
				continue
			}
			row.octets, row.fold = append(row.octets, byte(runes[0])), true
			continue
		}
		for _, r := range runes {
			// A pattern takes octets that are no UTF-8 for U+FFFD, and K and S have
			// third cases: the signs of Kelvin and the long s.
			if r == utf8.RuneError || ignoreCase && (r >= utf8.RuneSelf || unicode.SimpleFold(unicode.SimpleFold(r)) != r) {
				end()
				continue
			}
			row.octets = utf8.AppendRune(row.octets, r)
			row.fold = row.fold || ignoreCase
		}
	}
	end()
	if len(best.octets) == 0 {
		return nil
	}
	if best.fold {
		for i, c := range best.octets {
			best.octets[i] = small(c)
		}
	}
	return literals{best}
}

// rarerThan tells whether l is the better to look for: the longer its shortest, the
// fewer messages have it.
func (l literals) rarerThan(other literals) bool {
	if l == nil || other == nil {
		return l != nil
	}
	if a, b := l.shortest(), other.shortest(); a != b {
		return a > b
	}
	return len(l) < len(other)
}

func (l literals) shortest() int {
	return len(slices.MinFunc(l, func(a, b literal) int { return len(a.octets) - len(b.octets) }).octets)
}

// mayMatch tells whether the pattern can match somewhere in b.
func (l literals) mayMatch(b []byte) bool {
	for i := range l {
		if l[i].in(b) {
			return true
		}
	}
	return len(l) == 0
}

func (l *literal) in(b []byte) bool {
	if !l.fold {
		return bytes.Contains(b, l.octets)
	}
	first, rest := l.octets[0], l.octets[1:]
next:
	for i := 0; i+len(l.octets) <= len(b); i++ {
		if small(b[i]) != first {
			continue
		}
		for j, c := range rest {
			if small(b[i+1+j]) != c {
				continue next
			}
		}
		return true
	}
	return false
}

func small(c byte) byte {
	if c-'A' < 26 {
		c |= ' '
	}
	return c
}
