package parser

// number reads a number of at least lo and at most hi digits at i, and returns it and the
// position after it, or 0, 0.
func number(b []byte, i, lo, hi int) (int, int) {
	n, j := 0, i
	for j < len(b) && j < i+hi && isDigit(b[j]) {
		n = n*10 + int(b[j]-'0')
		j++
	}
	if j-i < lo {
		return 0, 0
	}
	return n, j
}

// skipDateSeparator skips spaces, or one of "-", "/" and ".". It returns 0 where
// there is none.
func skipDateSeparator(b []byte, i int) int {
	switch at(b, i) {
	case '-', '/', '.':
		return i + 1
	case ' ', '\t':
		return skipSpace(b, i)
	}
	return 0
}

// skipTimeSeparator skips what stands between date and time: spaces, "T", ":",
// "-", "_", "." or ", ". It returns 0 where there is none.
func skipTimeSeparator(b []byte, i int) int {
	switch at(b, i) {
	case ' ', '\t', ',':
		return skipSpace(b, i+1)
	case 'T', 't', ':', '-', '_', '.':
		return i + 1
	}
	return 0
}

// monthName reads the English name of a month, or its first three letters, in any
// case, and returns its number and the position after it, or 0, 0.
func monthName(b []byte, i int) (int, int) {
	if len(b)-i < 3 {
		return 0, 0
	}
	month := 0
	switch uint32(b[i]|0x20)<<16 | uint32(b[i+1]|0x20)<<8 | uint32(b[i+2]|0x20) {
	case 'j'<<16 | 'a'<<8 | 'n':
		month = 1
	case 'f'<<16 | 'e'<<8 | 'b':
		month = 2
	case 'm'<<16 | 'a'<<8 | 'r':
		month = 3
	case 'a'<<16 | 'p'<<8 | 'r':
		month = 4
	case 'm'<<16 | 'a'<<8 | 'y':
		month = 5
	case 'j'<<16 | 'u'<<8 | 'n':
		month = 6
	case 'j'<<16 | 'u'<<8 | 'l':
		month = 7
	case 'a'<<16 | 'u'<<8 | 'g':
		month = 8
	case 's'<<16 | 'e'<<8 | 'p':
		month = 9
	case 'o'<<16 | 'c'<<8 | 't':
		month = 10
	case 'n'<<16 | 'o'<<8 | 'v':
		month = 11
	case 'd'<<16 | 'e'<<8 | 'c':
		month = 12
	default:
		return 0, 0
	}
	j := i + 3
	if !isAlpha(at(b, j)) {
		return month, j
	}
	for j < len(b) && j < i+10 && isAlpha(b[j]) {
		j++
	}
	if full := monthNames[month-1]; equalFold(b[i:j], full) || month == 9 && equalFold(b[i:j], "sept") {
		return month, j
	}
	return 0, 0
}

var monthNames = [12]string{
	"january", "february", "march", "april", "may", "june",
	"july", "august", "september", "october", "november", "december",
}

// weekdayName reads the English name of a day, or its first three letters, and
// returns the position after it, or 0.
func weekdayName(b []byte, i int) int {
	j := i
	for j < len(b) && j < i+10 && isAlpha(b[j]) {
		j++
	}
	for _, day := range [...]string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"} {
		if equalFold(b[i:j], day) || equalFold(b[i:j], day[:3]) {
			return j
		}
	}
	return 0
}
