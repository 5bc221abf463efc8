package parser

import "github.com/syslane/syslane/internal/syslog"

// parseZone reads what may follow a time of day, in any order: a year, AM or PM,
// an offset, the name of a zone, and the "DST" of Huawei and Cisco. CUCM puts the
// fraction behind AM and PM ("05:50:19 AM.484").
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
			if e > 0 && !s.hasYear && isYear(b, k) {
				s.year, s.hasYear, end = year, true, e
			}
		case c == '(':
			if e := zoneNameEnd(b, k+1); e > 0 && at(b, e) == ')' {
				end = e + 1
				s.name(k+1, e)
			} else if e > 0 && (at(b, e) == '-' || at(b, e) == '+') {
				if e = s.parseOffset(b, e, true); at(b, e) == ')' {
					end = e + 1
				}
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

// parseOffset reads an offset from UTC at k. Directly behind the time its hours
// may have one digit.
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
	} else if !attached && j < len(b) && b[j] != ' ' {
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
		return s.parseFraction(b, end)
	case equalFold(b[k:min(end, len(b))], "am") && s.hour <= 12:
		if s.hour == 12 {
			s.hour = 0
		}
		return s.parseFraction(b, end)
	}
	if hasPrefix(b, k, "DST") && (s.hasOffset || at(b, k+3) == ':') && !isAlnum(at(b, k+3)) {
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
func (s *stamp) resolve(b []byte, c *clock) (int64, syslog.Warnings) {
	if s.isUnix {
		return nanos(s.unix, s.nsec), 0
	}
	received := c.received / nanosPerSec
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
		wall -= int64(namedOffset(b[s.zoneStart:s.zoneEnd], wall, c.location))
	default:
		wall = inLocation(wall, c.location, received)
	}
	return nanos(wall, s.nsec), warning
}
