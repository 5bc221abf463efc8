package syslog

import "bytes"

// frameKind is what the octets ahead are the beginning of.
type frameKind uint8

const (
	needMore     frameKind = iota // too few octets to tell
	countedFrame                  // octet counting
	brokenCount                   // a count that should be believed and cannot be
	lineFrame                     // non-transparent framing
)

// classify tells which framing b begins with; for a counted frame also where its
// message begins and its count. At the end of the connection no more octets come.
func (f *Framer) classify(b []byte, atEnd bool) (kind frameKind, header, count int) {
	if b[0] < '0' || b[0] > '9' || f.mode == FramingNonTransparent {
		return lineFrame, 0, 0
	}
	digits := 1
	for digits < len(b) && digits <= maxDigits && b[digits] >= '0' && b[digits] <= '9' {
		digits++
	}
	rest := b[digits:]
	spaced := len(rest) > 0 && rest[0] == ' '
	pri := rest
	if spaced {
		pri = rest[1:]
	}
	expected := f.counted || f.mode == FramingOctetCounting
	if !atEnd {
		if len(rest) == 0 || !expected && priorityLen(pri) < 0 {
			return needMore, 0, 0
		}
	}
	switch {
	case !expected && priorityLen(pri) <= 0:
		return lineFrame, 0, 0
	case len(rest) == 0: // the connection ended within a count
		return countedFrame, digits, 0
	case !spaced || b[0] == '0' || digits > maxCountDigits:
		return brokenCount, 0, 0
	}
	for _, c := range b[:digits] {
		count = count*10 + int(c-'0')
	}
	return countedFrame, digits + 1, count
}

// findCounted returns where in b, but not at its start, something begins that
// looks like a counted frame: a count, SP and a PRI. It returns 0 where
// there is nothing of the kind.
func (f *Framer) findCounted(b []byte) int {
	for {
		i := bytes.Index(b[f.suspect:], []byte(" <"))
		if i < 0 {
			f.suspect = max(f.suspect, len(b)-1)
			return 0
		}
		i += f.suspect
		f.suspect = i
		switch n := priorityLen(b[i+1:]); {
		case n < 0:
			return 0
		case n == 0:
			f.suspect = i + 1
			continue
		}
		// The digits of a count may stand right behind digits of a text: the
		// longest run that makes a believable count is taken.
		start, count, unit := i, 0, 1
		first := i
		for first > 0 && b[first-1] >= '0' && b[first-1] <= '9' {
			first--
			count += int(b[first]-'0') * unit
			unit = min(unit*10, f.max+1)
			if b[first] != '0' && count <= f.max {
				start = first
			}
		}
		if first > 0 && start < i {
			return start
		}
		f.suspect = i + 1
	}
}

// priorityLen returns the length of the PRI that b begins with ("<13>": up to
// three digits), 0 where it begins with none, and -1 where b is too short to tell.
func priorityLen(b []byte) int {
	for i, c := range b {
		switch {
		case i == 0 && c == '<':
		case i > 0 && i < 4 && c >= '0' && c <= '9':
		case i > 1 && c == '>':
			return i + 1
		default:
			return 0
		}
	}
	return -1
}
