package parser

import (
	"github.com/syslane/syslane/internal/syslog"
)

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
	return s.day <= daysIn(year, s.month) || s.monthOrDay && s.day <= 31
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
	for run < len(b) && run < i+14 && isDigit(b[run]) {
		run++
	}
	switch run - i {
	case 4:
		return s.parseYearFirst(b, i)
	case 8:
		return s.parseCompact(b, i)
	case 14:
		return s.parseCompact(b, i)
	case 1, 2:
		return s.parseDayFirst(b, i, run)
	case 10, 13:
		return s.parseUnix(b, i, run)
	}
	return 0
}

// parseYearFirst reads
//
//	2022-10-11T22:14:15    2022/10/11 22:14:15    2022.10.11 22:14:15
//	2022 Oct 11 22:14:15   2022-Oct-11 22:14:15
func (s *stamp) parseYearFirst(b []byte, i int) int {
	s.year, _ = number(b, i, 4, 4)
	s.hasYear = true
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
func (s *stamp) parseDayFirst(b []byte, i, j int) int {
	s.day, _ = number(b, i, 1, 2)
	separator := at(b, j)
	if j = skipDateSeparator(b, j); j == 0 {
		return 0
	}
	if month, k := monthName(b, j); month > 0 {
		s.month = month
		if j = skipDateSeparator(b, k); j == 0 {
			return 0
		}
		if year, k := number(b, j, 2, 4); k > 0 && at(b, k) != ':' || k == j+4 {
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
	if k == 0 {
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
// sends them, or milliseconds; both must lie between 2001 and 2096.
//
//	1374543986.038687615    1665526455    1665526455123
func (s *stamp) parseUnix(b []byte, i, j int) int {
	n := int64(0)
	for _, c := range b[i:j] {
		n = n*10 + int64(c-'0')
	}
	if j-i == 13 {
		s.nsec = int(n%1000) * 1_000_000
		n /= 1000
	} else if at(b, j) == '.' {
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
	case c == ',' && (width > 6 || at(b, k) == ','):
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

// parseZone reads what may follow a time of day, in any order: a year, AM or PM,
// an offset, the name of a zone, and Huawei's "DST".
//
//	Z   +02:00   -0700   +02   UTC   CEST   GMT+2   UTC+02:00   (CEST)   2022
func (s *stamp) parseZone(b []byte, j int) int {
	if c := at(b, j); (c == 'Z' || c == 'z') && !isAlnum(at(b, j+1)) {
		s.hasOffset = true
		return j + 1
	}
	for range 4 {
		k := skipSpace(b, j)
		end := 0
		switch c := at(b, k); {
		case c == '+' || c == '-':
			end = s.parseOffset(b, k, k == j)
		case k == j && !isAlpha(c):
		case isDigit(c):
			year, e := number(b, k, 4, 4)
			if e > 0 && !s.hasYear && year >= 1970 && year < 2100 && (e == len(b) || isSpace(b[e]) || b[e] == ':' || b[e] == ',') {
				s.year, s.hasYear, end = year, true, e
			}
		case c == '(':
			if e := zoneNameEnd(b, k+1); e > 0 && at(b, e) == ')' {
				end = e + 1
				s.name(k+1, e)
			}
		case isAlpha(c):
			end = s.parseZoneWord(b, k)
		}
		if end == 0 {
			break
		}
		j = end
	}
	return j
}

// parseOffset reads an offset from UTC at k. Directly behind the time it may be
// of hours alone.
func (s *stamp) parseOffset(b []byte, k int, attached bool) int {
	if s.hasOffset {
		return 0
	}
	hour, j := number(b, k+1, 2, 2)
	if j == 0 {
		if hour, j = number(b, k+1, 1, 1); j == 0 || !attached {
			return 0
		}
	}
	minute := 0
	if at(b, j) == ':' {
		m, e := number(b, j+1, 2, 2)
		if e > 0 {
			minute, j = m, e
		} else if !attached {
			return 0
		}
	} else if m, e := number(b, j, 2, 2); e > 0 {
		minute, j = m, e
	} else if !attached {
		return 0
	}
	if hour > 23 || minute > 59 || isAlnum(at(b, j)) {
		return 0
	}
	s.offset, s.hasOffset = hour*3600+minute*60, true
	if b[k] == '-' {
		s.offset = -s.offset
	}
	return j
}

// parseZoneWord reads a word behind the time: AM, PM, DST or a zone's name.
func (s *stamp) parseZoneWord(b []byte, k int) int {
	switch end := k + 2; {
	case isAlnum(at(b, end)):
	case equalFold(b[k:min(end, len(b))], "pm") && s.hour <= 12:
		if s.hour < 12 {
			s.hour += 12
		}
		return end
	case equalFold(b[k:min(end, len(b))], "am") && s.hour <= 12:
		if s.hour == 12 {
			s.hour = 0
		}
		return end
	}
	if hasPrefix(b, k, "DST") && s.hasOffset && !isAlnum(at(b, k+3)) {
		return k + 3
	}
	end := zoneNameEnd(b, k)
	if end == 0 {
		return 0
	}
	if c := at(b, end); (c == '+' || c == '-') && isDigit(at(b, end+1)) {
		if e := s.parseOffset(b, end, true); e > 0 {
			return e
		}
		return 0
	}
	s.name(k, end)
	return end
}

func (s *stamp) name(start, end int) {
	if !s.hasOffset && s.zoneEnd == 0 {
		s.zoneStart, s.zoneEnd = start, end
	}
}

// resolve completes the stamp with the receive time and the configured zone, and
// returns it in nanoseconds since the epoch; NoTimestamp where the result would
// not fit. The warning is WarnYearInferred or none.
//
// Of 10/11/2022 the month is first, unless only the other order comes within two
// days of the receive time.
func (s *stamp) resolve(b []byte, o *Options) (int64, syslog.Warnings) {
	if s.isUnix {
		return nanos(s.unix, s.nsec), 0
	}
	received := o.received() / nanosPerSec
	warning := syslog.Warnings(0)
	year := s.year
	if !s.hasYear {
		year = inferYear(s.month, s.day, received)
		warning = syslog.WarnYearInferred
	}
	if year < minYear || year > maxYear {
		return syslog.NoTimestamp, 0
	}
	month, day := s.month, s.day
	if s.monthOrDay {
		const near = 2 * secondsPerDay
		here := abs(unixDay(year, month, day)*secondsPerDay-received) <= near
		there := abs(unixDay(year, day, month)*secondsPerDay-received) <= near
		if there && !here {
			month, day = day, month
		}
	}
	wall := unixDay(year, month, day)*secondsPerDay + int64(s.hour*3600+s.minute*60+s.sec)
	switch {
	case s.hasOffset:
		wall -= int64(s.offset)
	case s.zoneEnd > 0:
		wall -= int64(namedOffset(b[s.zoneStart:s.zoneEnd], wall, o.location()))
	default:
		wall = inLocation(wall, o.location(), received)
	}
	return nanos(wall, s.nsec), warning
}

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
