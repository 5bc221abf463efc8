package redact

import "bytes"

// findEmails appends the places of mail addresses in b, those that this finds, but in a
// tenth of the time:
//
//	[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}
func findEmails(b []byte, places [][]int) [][]int {
	before := 0 // the end of the address before
	for at := 0; ; at++ {
		next := bytes.IndexByte(b[at:], '@')
		if next < 0 {
			return places
		}
		at += next
		start := at
		for start > before && ofMailbox(b[start-1]) {
			start--
		}
		if end := domainEnd(b, at+1); start < at && end > 0 {
			places = append(places, []int{start, end})
			before = end
		}
	}
}

// domainEnd returns where the longest name of a host ends that begins at i, 0 where
// there is none: labels with dots behind, and two letters at least.
func domainEnd(b []byte, i int) (end int) {
	label := i // where the label begins that is read
	for ; i < len(b); i++ {
		switch {
		case b[i] == '.' && i > label:
			label = i + 1
			letters := label
			for letters < len(b) && letter(b[letters]) {
				letters++
			}
			if letters-label >= 2 {
				end = letters
			}
		case !letter(b[i]) && !digit(b[i]) && b[i] != '-':
			return end
		}
	}
	return end
}

func ofMailbox(c byte) bool {
	return letter(c) || digit(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-'
}

func letter(c byte) bool { return small(c)-'a' < 26 }
