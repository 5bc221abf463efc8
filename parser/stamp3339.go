package parser

// digits2 reads two digits at i, -1 where they are none. b must reach i+1.
func digits2(b []byte, i int) int {
	hi, lo := b[i]-'0', b[i+1]-'0'
	if hi > 9 || lo > 9 {
		return -1
	}
	return int(hi)*10 + int(lo)
}

// stamp3339 reads a TIMESTAMP of RFC 5424 §6.2.3 at i, with up to nine digits of
// a fraction, and returns the time and the position after it, or 0. It takes the
// one form only, of the years that fit; stamp.parse takes what is near it.
//
//	2003-08-24T05:14:15.000003-07:00
func stamp3339(b []byte, i int) (int64, int) {
	if len(b)-i < 20 {
		return 0, 0
	}
	s := b[i : i+20]
	if s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, 0
	}
	century, year := digits2(s, 0), digits2(s, 2)
	month, day := digits2(s, 5), digits2(s, 8)
	hour, minute, sec := digits2(s, 11), digits2(s, 14), digits2(s, 17)
	if century|year|month|day|hour|minute|sec < 0 {
		return 0, 0
	}
	year += century * 100
	if month == 0 || month > 12 || hour > 23 || minute > 59 || sec > 59 || year < minYear || year > maxYear || !isDay(year, month, day) {
		return 0, 0
	}
	j := i + 19
	nsec := 0
	if b[j] == '.' {
		j++
		scale := nanosPerSec
		start := j
		for j < len(b) && isDigit(b[j]) {
			if scale == 1 {
				return 0, 0
			}
			scale /= 10
			nsec += int(b[j]-'0') * scale
			j++
		}
		if j == start {
			return 0, 0
		}
	}
	unix := unixDay(year, month, day)*secondsPerDay + int64(hour*3600+minute*60+sec)
	switch at(b, j) {
	case 'Z':
		j++
	case '+', '-':
		if len(b)-j < 6 || b[j+3] != ':' {
			return 0, 0
		}
		h, m := digits2(b, j+1), digits2(b, j+4)
		if h|m < 0 || h > 23 || m > 59 {
			return 0, 0
		}
		if b[j] == '+' {
			unix -= int64(h*3600 + m*60)
		} else {
			unix += int64(h*3600 + m*60)
		}
		j += 6
	default:
		return 0, 0
	}
	return nanos(unix, nsec), j
}
