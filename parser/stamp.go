package parser

// stamp is a date and time as a device wrote it, before the receive time and the
// configured zone have completed it.
type stamp struct {
	year, month, day   int
	hour, minute, sec  int
	nsec               int
	offset             int // seconds east of UTC, where hasOffset
	zoneStart, zoneEnd int // a zone's name in the octets, where not equal
	unix               int64
	hasYear, hasOffset bool
	isUnix             bool // unix and nsec are the time
	monthOrDay         bool // month and day may have to change places
	unsure             bool // the device says that its clock is not set ("*")
}

// parse reads a date and time at i in any of the forms that stand in the package
// comment, and returns the position after it, or 0.
func (s *stamp) parse(b []byte, i int) int {
	*s = stamp{}
	c := at(b, i)
	j := 0
	switch {
	case isDigit(c):
		j = s.parseDigits(b, i)
	case isAlpha(c):
		j = s.parseNamed(b, i)
	}
	if j == 0 || isAlnum(at(b, j)) || !s.valid() {
		return 0
	}
	return j
}

// valid tells whether the parts are within their ranges.
func (s *stamp) valid() bool {
	if s.isUnix {
		return true
	}
	if s.monthOrDay && s.month > 12 {
		s.month, s.day, s.monthOrDay = s.day, s.month, false
	}
	if s.month < 1 || s.month > 12 || s.day < 1 || s.hour > 23 || s.minute > 59 || s.sec > 60 {
		return false
	}
	year := s.year
	if !s.hasYear {
		year = 2000 // a leap year: 29 February may come
	}
	return isDay(year, s.month, s.day) || s.monthOrDay && s.day <= 31
}

// parseNamed reads what begins with the name of a day or month:
//
//	Oct 11 22:14:15    Oct 11 2022 22:14:15    Oct 11, 2022 22:14:15
//	Tue Oct 11 22:14:15 2022                   Tue, 11 Oct 2022 22:14:15 GMT
func (s *stamp) parseNamed(b []byte, i int) int {
	month, j := monthName(b, i)
	if month == 0 {
		if j = weekdayName(b, i); j == 0 {
			return 0
		}
		if at(b, j) == ',' {
			j++
		}
		if !isSpace(at(b, j)) {
			return 0
		}
		j = skipSpace(b, j)
		if isDigit(at(b, j)) {
			return s.parseDigits(b, j)
		}
		if month, j = monthName(b, j); month == 0 {
			return 0
		}
	}
	s.month = month
	if j = skipDateSeparator(b, j); j == 0 {
		return 0
	}
	day, j := number(b, j, 1, 2)
	if j == 0 {
		return 0
	}
	s.day = day
	if at(b, j) == ',' {
		j++
	}
	if j = skipDateSeparator(b, j); j == 0 {
		return 0
	}
	if year, k := number(b, j, 4, 4); k > 0 && !isDigit(at(b, k)) {
		s.year, s.hasYear = year, true
		if j = skipTimeSeparator(b, k); j == 0 {
			return 0
		}
	}
	return s.parseTime(b, j)
}

// parseDigits reads what begins with a digit.
func (s *stamp) parseDigits(b []byte, i int) int {
	run := i
	for run < len(b) && run <= i+19 && isDigit(b[run]) {
		run++
	}
	switch run - i {
	case 4:
		return s.parseYearFirst(b, i)
	case 8, 14:
		return s.parseCompact(b, i)
	case 1, 2:
		return s.parseDayFirst(b, i, run)
	case 10, 13, 16, 19:
		return s.parseUnix(b, i, run)
	}
	return 0
}

// parseYearFirst reads
//
//	2022-10-11T22:14:15    2022/10/11 22:14:15    2022.10.11 22:14:15
//	2022 Oct 11 22:14:15   2022-Oct-11 22:14:15   2022:10:11-22:14:15
func (s *stamp) parseYearFirst(b []byte, i int) int {
	s.year, _ = number(b, i, 4, 4)
	s.hasYear = true
	if len(b)-i > 10 && b[i+4] == ':' && b[i+7] == ':' {
		// Astaro and the Sophos UTM after it, with a dash; Adtran.
		s.month, s.day = digits2(b, i+5), digits2(b, i+8)
		if c := b[i+10]; c != '-' && c != ':' && c != ' ' {
			return 0
		}
		return s.parseTime(b, i+11)
	}
	j := skipDateSeparator(b, i+4)
	if j == 0 {
		return 0
	}
	if month, k := monthName(b, j); month > 0 {
		s.month, j = month, k
	} else if s.month, j = number(b, j, 1, 2); j == 0 || isSpace(b[i+4]) {
		return 0
	}
	if j = skipDateSeparator(b, j); j == 0 {
		return 0
	}
	if s.day, j = number(b, j, 1, 2); j == 0 {
		return 0
	}
	if j = skipTimeSeparator(b, j); j == 0 {
		return 0
	}
	return s.parseTime(b, j)
}

// parseCompact reads 20221011T221415, 20221011 22:14:15 and 20221011221415.
func (s *stamp) parseCompact(b []byte, i int) int {
	s.year, _ = number(b, i, 4, 4)
	s.hasYear = true
	s.month, s.day = digits2(b, i+4), digits2(b, i+6)
	j := i + 8
	if !isDigit(at(b, j)) {
		if j = skipTimeSeparator(b, j); j == 0 {
			return 0
		}
	}
	if len(b)-j >= 6 && isDigit(b[j+2]) {
		s.hour, s.minute, s.sec = digits2(b, j), digits2(b, j+2), digits2(b, j+4)
		if s.hour|s.minute|s.sec < 0 {
			return 0
		}
		return s.parseZone(b, s.parseFraction(b, j+6))
	}
	return s.parseTime(b, j)
}

// parseDayFirst reads
//
//	11 Oct 2022 22:14:15   11/Oct/2022:22:14:15   11-Oct-2022 22:14:15   11 Oct 22:14:15
//	11.10.2022 22:14:15    11-10-2022 22:14:15    (day before month)
//	10/11/2022 22:14:15    (month or day first: see resolve)
//	11Oct2022 22:14:15     (Check Point)
func (s *stamp) parseDayFirst(b []byte, i, j int) int {
	s.day, _ = number(b, i, 1, 2)
	separator := at(b, j)
	if isAlpha(separator) && len(b)-j > 7 && isDigit(b[j+3]) {
		if s.month, _ = monthName(b[:j+3], j); s.month == 0 {
			return 0
		}
		year, k := number(b, j+3, 4, 4)
		if k == 0 {
			return 0
		}
		s.setYear(year, 4)
		if k = skipTimeSeparator(b, k); k == 0 {
			return 0
		}
		return s.parseTime(b, k)
	}
	if j = skipDateSeparator(b, j); j == 0 {
		return 0
	}
	if month, k := monthName(b, j); month > 0 {
		s.month = month
		if j = skipDateSeparator(b, k); j == 0 {
			return 0
		}
		if year, k := number(b, j, 2, 4); k == j+4 || k == j+2 && !isSpace(separator) {
			s.setYear(year, k-j)
			if j = skipTimeSeparator(b, k); j == 0 {
				return 0
			}
		}
		return s.parseTime(b, j)
	}
	if isSpace(separator) {
		return 0
	}
	if s.month, j = number(b, j, 1, 2); j == 0 || at(b, j) != separator {
		return 0
	}
	year, k := number(b, j+1, 2, 4)
	if k != j+3 && k != j+5 {
		return 0
	}
	s.setYear(year, k-j-1)
	if separator == '/' {
		s.month, s.day, s.monthOrDay = s.day, s.month, s.day <= 12 && s.month <= 12
		if s.month > 12 {
			s.month, s.day = s.day, s.month
		}
	}
	if j = skipTimeSeparator(b, k); j == 0 {
		return 0
	}
	return s.parseTime(b, j)
}

func (s *stamp) setYear(year, width int) {
	if width == 2 {
		year += 2000
	}
	s.year, s.hasYear = year, true
}

// parseUnix reads seconds since the epoch with an optional fraction, as Meraki
// sends them, or milli-, micro- or nanoseconds; between 2001 and 2096.
//
//	1374543986.038687615   1665526455   1665526455123   1665526455123456789
func (s *stamp) parseUnix(b []byte, i, j int) int {
	n := int64(0)
	for _, c := range b[i : i+10] {
		n = n*10 + int64(c-'0')
	}
	scale := nanosPerSec
	for _, c := range b[i+10 : j] {
		scale /= 10
		s.nsec += int(c-'0') * scale
	}
	if j == i+10 && at(b, j) == '.' {
		j = s.parseFraction(b, j)
	}
	if n < 1_000_000_000 || n >= 4_000_000_000 || j < len(b) && b[j] != ' ' {
		return 0
	}
	s.unix, s.isUnix, s.hasYear, s.hasOffset = n, true, true, true
	return j
}

// parseTime reads a time of day and all that may stand behind it.
//
//	22:14:15  22.14.15  22:14:15.123  22:14:15,123  22:14:15:123  10:14:15 PM  22:14Z
func (s *stamp) parseTime(b []byte, j int) int {
	separator := byte(':')
	hour, j := number(b, j, 1, 2)
	if j == 0 {
		return 0
	}
	if c := at(b, j); c == '.' {
		separator = c
	} else if c != ':' {
		return 0
	}
	minute, j := number(b, j+1, 2, 2)
	if j == 0 {
		return 0
	}
	s.hour, s.minute = hour, minute
	if at(b, j) == separator {
		sec, k := number(b, j+1, 2, 2)
		if k == 0 {
			return 0
		}
		s.sec = sec
		j = s.parseFraction(b, k)
	} else if separator == '.' {
		return 0
	}
	return s.parseZone(b, j)
}

// parseFraction reads a fraction of a second at j, if there is one: after a dot
// any number of digits (those beyond nine are dropped), after a comma or a colon
// at most six and three, as these also separate fields. Huawei writes
// hundredths behind the milliseconds (".180.3").
func (s *stamp) parseFraction(b []byte, j int) int {
	c := at(b, j)
	if c != '.' && c != ',' && c != ':' {
		return j
	}
	k, scale := j+1, nanosPerSec
	nsec := 0
	for k < len(b) && isDigit(b[k]) {
		if scale > 1 {
			scale /= 10
			nsec += int(b[k]-'0') * scale
		}
		k++
	}
	width := k - j - 1
	switch {
	case width == 0:
		return j
	case c == ',' && (width > 6 || at(b, k) == ',' && at(b, k+1) != ' '):
		return j
	case c == ':' && (width != 3 || at(b, k) != ' '):
		return j
	}
	s.nsec = nsec
	if at(b, k) == '.' && isDigit(at(b, k+1)) {
		for k++; isDigit(at(b, k)); {
			k++
		}
	}
	return k
}
