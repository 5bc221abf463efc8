package search

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/skipdata"
)

// pattern is a word or phrase to look for, in any case.
type pattern struct {
	// text is in lower case, see fold.
	text []byte
	// before and after tell that a star stands there.
	before, after bool
	ascii         bool
	// rare is the offset of the octet of text that is likely to be the rarest;
	// for ASCII texts only.
	rare int
	// words stand in every text that matches.
	words []skipdata.Word
	// startsWord and endsWord tell that no letter, digit or underscore may touch
	// the text at that end.
	startsWord, endsWord bool
}

// fold returns the lower case of a character. Those beyond ASCII whose lower case is of
// ASCII, İ and the sign of kelvin, stand for themselves: in a pattern of ASCII alone,
// which is compared octet by octet, they would not be found.
func fold(r rune) rune {
	if low := unicode.ToLower(r); low >= utf8.RuneSelf || r < utf8.RuneSelf {
		return low
	}
	return r
}

func newPattern(text string, before, after bool) pattern {
	p := pattern{before: before, after: after, ascii: true}
	p.text = []byte(strings.Map(fold, text))
	first, _ := utf8.DecodeRune(p.text)
	last, _ := utf8.DecodeLastRune(p.text)
	p.startsWord = !before && wordRune(first)
	p.endsWord = !after && wordRune(last)
	p.words = skipdata.Words(nil, p.text, before, after)
	for i, c := range p.text {
		p.ascii = p.ascii && c < utf8.RuneSelf
		if rarity(c) > rarity(p.text[p.rare]) {
			p.rare = i
		}
	}
	return p
}

// may tells whether the pattern may stand in an event of a block.
func (p *pattern) may(b *skipdata.Block) bool {
	for _, w := range p.words {
		if !b.May(w) {
			return false
		}
	}
	return true
}

// exists tells whether p is a star alone.
func (p *pattern) exists() bool { return len(p.text) == 0 }

// rarity ranks lower-case octets by how seldom they occur in logs. Letters count
// as commoner than they are, for both of their cases have to be looked for.
func rarity(c byte) int {
	if i := strings.IndexByte(" etaoinsrhldcumfpgwybvkxjqz", c); i >= 0 {
		return i
	}
	if c >= '0' && c <= '9' || strings.IndexByte(".:-=/[]", c) >= 0 {
		return 20
	}
	return 40
}

// wordRune tells whether r is part of words.
func wordRune(r rune) bool { return skipdata.IsWord(r) }

// within tells whether p stands in b as words do.
func (p *pattern) within(b []byte) bool {
	if p.exists() {
		return len(b) > 0
	}
	for from := 0; ; {
		start, end := p.index(b, from)
		if start < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRune(b[:start])
		after, size := utf8.DecodeRune(b[end:])
		if !(p.startsWord && start > 0 && wordRune(before)) && !(p.endsWord && size > 0 && wordRune(after)) {
			return true
		}
		from = start + 1
	}
}

// whole tells whether p is all of b but for what the stars stand for.
func (p *pattern) whole(b []byte) bool {
	if p.exists() {
		return len(b) > 0
	}
	switch {
	case p.before && p.after:
		start, _ := p.index(b, 0)
		return start >= 0
	case p.before:
		// The text can have other lengths in other cases: try each end.
		for from := 0; ; {
			start, end := p.index(b, from)
			if start < 0 || end == len(b) {
				return start >= 0
			}
			from = start + 1
		}
	}
	n := p.prefix(b)
	return n == len(b) && n >= 0 || n >= 0 && p.after
}

// index returns where p.text stands first in b at or behind from, regardless of
// case and word edges; start is -1 where it does not.
func (p *pattern) index(b []byte, from int) (start, end int) {
	if !p.ascii {
		for i := from; i < len(b); {
			if n := p.prefix(b[i:]); n >= 0 {
				return i, i + n
			}
			_, size := utf8.DecodeRune(b[i:])
			i += size
		}
		return -1, -1
	}
	if i := p.indexASCII(b, from); i >= 0 {
		return i, i + len(p.text)
	}
	return -1, -1
}

// indexASCII looks for the rarest octet with IndexByte, which processors do many
// octets at a time, and compares around it.
func (p *pattern) indexASCII(b []byte, from int) int {
	lower := p.text[p.rare]
	upper := lower
	if lower >= 'a' && lower <= 'z' {
		upper -= 'a' - 'A'
	}
	at := from + p.rare
	last := len(b) - (len(p.text) - p.rare) // the last offset where it can stand
	// nextLower and nextUpper are the next places of the two, known once passed.
	nextLower, nextUpper := -1, -1
	if upper == lower {
		nextUpper = last + 1
	}
	for at <= last {
		if nextLower < at {
			nextLower = indexByteIn(b, lower, at, last)
		}
		if nextUpper < at {
			nextUpper = indexByteIn(b, upper, at, last)
		}
		at = min(nextLower, nextUpper)
		if at > last {
			return -1
		}
		if start := at - p.rare; equalFold(b[start:start+len(p.text)], p.text) {
			return start
		}
		at++
	}
	return -1
}

// indexByteIn returns the offset of c in b[from:last+1], last+1 where it is not.
func indexByteIn(b []byte, c byte, from, last int) int {
	if i := bytes.IndexByte(b[from:last+1], c); i >= 0 {
		return from + i
	}
	return last + 1
}

// equalFold tells whether b is lower but for the case of ASCII letters. They are
// of one length.
func equalFold(b, lower []byte) bool {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// prefix returns how many octets of b match p.text, -1 where b does not start so.
func (p *pattern) prefix(b []byte) int {
	if p.ascii {
		if len(b) >= len(p.text) && equalFold(b[:len(p.text)], p.text) {
			return len(p.text)
		}
		return -1
	}
	n := 0
	for i := 0; i < len(p.text); {
		want, w := utf8.DecodeRune(p.text[i:])
		got, size := utf8.DecodeRune(b[n:])
		if size == 0 || fold(got) != want {
			return -1
		}
		i, n = i+w, n+size
	}
	return n
}

// String returns the pattern as a query could have it.
func (p *pattern) String() string {
	var b strings.Builder
	if p.before {
		b.WriteByte('*')
	}
	if !p.exists() {
		b.WriteByte('"')
		b.Write(p.text)
		b.WriteByte('"')
	}
	if p.after && !(p.exists() && p.before) {
		b.WriteByte('*')
	}
	return b.String()
}
